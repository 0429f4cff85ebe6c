// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "d3.hpp"
#include "d3_atoms.h"
#include "pointers.h"

namespace LAMMPS_NS {

/// D3 dispersion of a pair style's atoms: `pair_style dftd3`, and the `d3` keyword of
/// `pair_style mace`.
class Dispersion : protected Pointers {
 public:
  /// For one run, on the atoms of a source. @param energy_unit LAMMPS's energy units in an eV
  Dispersion(LAMMPS* lmp, const mdbench::D3Settings& settings, std::unique_ptr<D3Source> source,
             double energy_unit);

  /// Adds energy, forces and virial of the atoms as they are now to the style's; collective.
  void compute(Pair& pair);

  double energy() const { return energy_; }  ///< this rank's part, at the last compute
  mdbench::D3Statistics statistics() const { return d3_->statistics(); }
  double memory_usage() const { return d3_->memory_usage() + source_->memory_usage(); }

  /// Writes what the run took to the log, warns of dangerous builds, and counts anew; collective.
  void report();

 private:
  const mdbench::D3Result& evaluate(mdbench::D3Virials virials);
  void require_finite(const mdbench::D3Result& result) const;
  void add_forces(const mdbench::D3Result& result);
  void add_energies(const mdbench::D3Result& result, double* eatom);
  void add_virials(const mdbench::D3Result& result, Pair& pair);

  std::unique_ptr<mdbench::D3> d3_;
  std::unique_ptr<D3Source> source_;
  double energy_unit_, energy_ = 0.0;
  double seconds_ = 0.0;  ///< in compute
};

}  // namespace LAMMPS_NS
