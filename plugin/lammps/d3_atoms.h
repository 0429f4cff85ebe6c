// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "d3.hpp"
#include "halo.h"
#include "pair.h"
#include "pointers.h"

namespace LAMMPS_NS {

/// The atoms that D3 sees on this rank, and the way of their values between the ranks.
class D3Source : protected Pointers, public mdbench::D3Exchange {
 public:
  /// @param numbers atomic number of each type, [1 + types]; 0: D3 does not see the type
  D3Source(LAMMPS* lmp, std::vector<int> numbers) : Pointers(lmp), numbers_(std::move(numbers)) {}
  ~D3Source() noexcept override {}  // of Pointers it could throw

  /// Atoms as they are now; collective. The view is valid until the next call.
  virtual const mdbench::D3Atoms& collect() = 0;
  /// Rows of `width` values of which each rank knows those of the atoms that it computed, complete
  /// for the rank's own atoms; collective. Valid until the next call.
  virtual std::span<const double> complete(std::span<const double> values, int width) = 0;
  using D3Exchange::complete;

  /// The rank's own atoms: their index in LAMMPS's arrays, and their row in `complete`.
  std::span<const int> own() const { return own_; }
  std::span<const int> own_row() const { return own_row_; }
  virtual double memory_usage() const = 0;

 protected:
  int number(int atom_index) const;

  const std::vector<int> numbers_;
  std::vector<int> own_, own_row_;
  std::vector<double> positions_;         ///< [atoms][3]
  std::vector<std::int32_t> of_element_;  ///< [atoms] atomic numbers
  mdbench::D3Atoms atoms_;
};

/// All atoms of the system on every rank, in the order of their IDs, followed through boundaries:
/// D3's cutoff is comparable with the box, where ghosts would be many times the atoms.
class GatheredAtoms final : public D3Source {
 public:
  /// Fails beside what strains ghosts alone, which these atoms are not.
  GatheredAtoms(LAMMPS* lmp, std::vector<int> numbers);
  const mdbench::D3Atoms& collect() override;
  std::span<const double> complete(std::span<const double> values, int width) override;
  void complete(std::span<double> values) override;
  double memory_usage() const override;

 private:
  bool find_own();
  void gather_order();
  void gather_positions();
  void copy_cell();

  std::vector<tagint> own_tag_, all_tag_;  ///< of own_; of all ranks, ascending
  std::vector<int> count_, first_;         ///< [ranks] atoms of each rank, and of those before it
  std::vector<int> row_;                   ///< row of each atom, in the order of the ranks
  std::vector<double> sent_, received_, reduced_;
};

/// The rank's own atoms and LAMMPS's ghosts, for boxes much larger than the cutoff.
class GhostAtoms final : public D3Source {
 public:
  /// @param halo of the pair style, whose communication callbacks it serves
  GhostAtoms(LAMMPS* lmp, std::vector<int> numbers, PairHalo& halo)
      : D3Source(lmp, std::move(numbers)), halo_(halo) {}
  const mdbench::D3Atoms& collect() override;
  std::span<const double> complete(std::span<const double> values, int) override { return values; }
  void complete(std::span<double> values) override { halo_.forward(values, 1); }
  double memory_usage() const override;

 private:
  bool changed();
  void renew();

  PairHalo& halo_;
  std::vector<std::int32_t> of_atom_;  ///< [local + ghosts] atomic numbers, 0: not ours
  std::vector<std::int32_t> index_;    ///< [atoms] index in LAMMPS's arrays
  bigint builds_ = -1;                 ///< LAMMPS's, when `index_` was made
};

}  // namespace LAMMPS_NS
