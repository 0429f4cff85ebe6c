// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "layout.hpp"
#include "pair_search.hpp"
#include "resident.hpp"

namespace mdbench::cuda {

/// How the network wants its pairs.
struct PairKinds {
  std::span<const int> of_species;  ///< [species] kind of those in use
  int count;                        ///< kinds
  int segments;                     ///< of the radial tables
};

/// The pairs between rebuilds: receivers sorted by kind, the pairs of each by the sender's kind.
class Topology {
 public:
  /// Takes a list of pairs from the host.
  void set(const PairList& list, const PairKinds& kinds);
  /// Searches the pairs of atoms closer than `radius` Angstrom on the device; nothing of their
  /// number passes through the host. What starts on `stream` later finds them. Should this throw,
  /// nothing here holds until the next call.
  void search(const AtomsView& atoms, double radius, const PairKinds& kinds, cudaStream_t stream);

  int num_receivers() const { return static_cast<int>(node_.size()); }
  int num_nodes() const { return static_cast<int>(kind_.size()); }
  std::size_t num_atoms() const { return num_atoms_; }
  std::size_t num_pairs() const { return num_pairs_; }
  /// The most pairs that have the same sender.
  int most_of_sender() const { return most_of_sender_; }
  Pairs pairs() const;
  /// [receivers] node of each receiver.
  std::span<const int> node() const { return node_; }
  /// [pairs] index in the list that was set; empty after a search.
  std::span<const std::int64_t> original() const { return original_; }
  /// [receivers + 1] room for tiles.
  std::span<const std::int64_t> first_tile() const { return first_tile_; }
  /// [kinds + 1]
  std::span<const int> first_of_kind() const { return first_of_kind_; }
  /// The nodes of the last search.
  const AtomNodes& atom_nodes() const { return atom_nodes_; }
  /// [atoms * 3] as they were at the last search; copied from the device.
  std::vector<double> searched_positions() const { return search_.positions(); }
  std::size_t device_bytes() const;

 private:
  void find_pairs(const PairKinds& kinds, cudaStream_t stream);
  void set_kinds(std::span<const std::int32_t> species, const PairKinds& kinds);
  void sort_receivers(std::size_t num_local, std::span<const std::int32_t> node_atom, int kinds);
  void sort_pairs(const PairList& list, const PairKinds& kinds);
  void upload();

  std::size_t num_atoms_ = 0, num_pairs_ = 0;
  int most_of_sender_ = 0;
  std::vector<int> kind_, node_, receiver_kind_, receiver_atom_, first_of_kind_;
  std::vector<std::int64_t> first_pair_, first_tile_, original_;
  std::vector<int> sender_, sender_atom_;
  Array<int> d_kind_, d_node_, d_receiver_kind_, d_receiver_atom_, d_sender_, d_sender_atom_;
  Array<std::int64_t> d_first_pair_, d_first_tile_;
  AtomNodes atom_nodes_;
  PairSearch search_;
  PinnedArray<std::int64_t> total_{1};
  PinnedArray<int> most_{1};
};

}  // namespace mdbench::cuda
