// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "evaluator.hpp"
#include "pair.h"

namespace LAMMPS_NS {

/// Exchange of node features between ranks by the communication of a pair style.
///
/// Ghosts travel on through several swaps, also those that no edge here needs, so rows are kept for
/// every atom of the rank; those of nodes are copied in before and out after.
class PairHalo final : public mdbench::Halo {
 public:
  explicit PairHalo(Pair* pair, class Comm* comm) : pair_(pair), comm_(comm) {}

  /// Finds which local atoms other ranks have ghosts of, until LAMMPS makes these anew. Collective.
  /// Before the first call every local node counts as shared.
  /// @param owner [atoms] the one that stands for each atom's images: a ghost, where no local one
  /// is
  void find_shared(std::size_t num_local, std::span<const std::int32_t> owner);
  /// Atom that stands for each node, owned ones first; valid until the atoms change.
  void set_nodes(std::span<const std::int32_t> node_atom, std::size_t num_local, std::size_t atoms);

  std::span<const std::int32_t> shared() const override { return shared_; }
  void forward(std::span<double> rows, int width) override;
  void reverse(std::span<double> rows, int width) override;

  // for the pair style's callbacks
  int pack_forward(int n, const int* list, double* buffer) const;
  void unpack_forward(int n, int first, const double* buffer);
  int pack_reverse(int n, int first, double* buffer) const;
  void unpack_reverse(int n, const int* list, const double* buffer);

  double memory_usage() const { return static_cast<double>(rows_.capacity()) * sizeof(double); }

 private:
  void reserve(int width);
  double* row(std::size_t atom) { return &rows_[atom * width_]; }
  const double* row(std::size_t atom) const { return &rows_[atom * width_]; }

  Pair* pair_;
  Comm* comm_;
  std::span<const std::int32_t> node_atom_;
  std::size_t num_local_ = 0, atoms_ = 0, width_ = 0;
  std::vector<double> rows_;      ///< [atom][width]
  std::vector<bool> has_copies_;  ///< [local atom]; empty: not known
  std::vector<std::int32_t> shared_;
};

}  // namespace LAMMPS_NS
