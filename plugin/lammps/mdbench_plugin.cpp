// SPDX-License-Identifier: GPL-2.0-only
#include "lammpsplugin.h"
#include "pair_dftd3.h"
#include "pair_mace.h"

#if __has_include("version.h")
#include "version.h"
#else
#define LAMMPS_VERSION MDBENCH_LAMMPS_VERSION
#endif

namespace {

template <class Style>
void* make(void* lmp) {
  return new Style(static_cast<LAMMPS_NS::LAMMPS*>(lmp));
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lmp, void* handle,
                                                                         void* regfunc) {
  const auto add = reinterpret_cast<lammpsplugin_regfunc>(regfunc);
  lammpsplugin_t plugin{};
  plugin.version = LAMMPS_VERSION;
  plugin.style = "pair";
  plugin.author = "the mdbench developers";
  plugin.handle = handle;
  plugin.name = "mace";
  plugin.info = "mdbench " MDBENCH_VERSION ": MACE interatomic potentials";
  plugin.creator = &make<LAMMPS_NS::PairMACE>;
  add(&plugin, lmp);
  plugin.name = "dftd3";
  plugin.info = "mdbench " MDBENCH_VERSION ": D3 dispersion";
  plugin.creator = &make<LAMMPS_NS::PairDFTD3>;
  add(&plugin, lmp);
}
