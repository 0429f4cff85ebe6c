// SPDX-License-Identifier: GPL-2.0-only
#include "lammpsplugin.h"
#include "pair_dftd3.h"
#include "pair_mace.h"
#include "same_lammps.h"

namespace {

/// Checked here and not on loading: plugins are loaded for inputs without these styles too.
template <class Style>
void* make(void* lmp) {
  auto* lammps = static_cast<LAMMPS_NS::LAMMPS*>(lmp);
  LAMMPS_NS::require_same_lammps(lammps);
  return new Style(lammps);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void* lmp, void* handle,
                                                                         void* regfunc) {
  const auto add = reinterpret_cast<lammpsplugin_regfunc>(regfunc);
  lammpsplugin_t plugin{};
  plugin.version = MDBENCH_LAMMPS_RELEASE;
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
