// SPDX-License-Identifier: GPL-2.0-only
#include "lammpsplugin.h"
#include "pair_mace.h"

#if __has_include("version.h")
#include "version.h"
#else
#define LAMMPS_VERSION MDBENCH_LAMMPS_VERSION
#endif

static void* make_pair_mace(void* lmp) {
  return new LAMMPS_NS::PairMACE(static_cast<LAMMPS_NS::LAMMPS*>(lmp));
}

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lmp, void* handle,
                                                                         void* regfunc) {
  lammpsplugin_t plugin{};
  plugin.version = LAMMPS_VERSION;
  plugin.style = "pair";
  plugin.name = "mace";
  plugin.info = "mdbench " MDBENCH_VERSION ": MACE interatomic potentials";
  plugin.author = "the mdbench developers";
  plugin.creator = &make_pair_mace;
  plugin.handle = handle;
  reinterpret_cast<lammpsplugin_regfunc>(regfunc)(&plugin, lmp);
}
