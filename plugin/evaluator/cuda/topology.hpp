// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "layout.hpp"
#include "memory.hpp"
#include "resident.hpp"

namespace mdbench::cuda {

/// The pairs between rebuilds: receivers sorted by kind, the pairs of each by the sender's kind.
class Topology {
 public:
  /// @param kind_of_species kinds of the species in use. @param segments of the radial tables
  void set(const PairList& list, std::span<const int> kind_of_species, int kinds, int segments);

  int num_receivers() const { return static_cast<int>(node_.size()); }
  int num_nodes() const { return static_cast<int>(kind_.size()); }
  std::size_t num_atoms() const { return num_atoms_; }
  std::size_t num_pairs() const { return original_.size(); }
  Pairs pairs() const;
  /// [receivers] node of each receiver.
  std::span<const int> node() const { return node_; }
  /// [pairs] index in the list that was set.
  std::span<const std::int64_t> original() const { return original_; }
  /// [receivers + 1] room for tiles.
  std::span<const std::int64_t> first_tile() const { return first_tile_; }
  /// [kinds + 1]
  std::span<const int> first_of_kind() const { return first_of_kind_; }
  std::size_t device_bytes() const;

 private:
  void sort_receivers(const PairList& list, int kinds);
  void sort_pairs(const PairList& list, int kinds, int segments);
  void upload();

  std::size_t num_atoms_ = 0;
  std::vector<int> kind_, node_, receiver_kind_, receiver_atom_, first_of_kind_;
  std::vector<std::int64_t> first_pair_, first_tile_, original_;
  std::vector<int> sender_, sender_atom_;
  Array<int> d_kind_, d_node_, d_receiver_kind_, d_receiver_atom_, d_sender_, d_sender_atom_;
  Array<std::int64_t> d_first_pair_, d_first_tile_;
};

}  // namespace mdbench::cuda
