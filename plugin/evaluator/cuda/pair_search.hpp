// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "atom_nodes.hpp"
#include "memory.hpp"
#include "search.hpp"

namespace mdbench::cuda {

/// Searches pairs on the device: atoms into cells, then the pairs of each receiver counted, then
/// written. It keeps its memory for the next search.
class PairSearch {
 public:
  struct Receivers {
    int count;
    const int* atom;  ///< [count] on the device
    int kinds, segments;
    std::size_t nodes;
  };

  /// @param kind [nodes] on the device. `atoms` and `nodes` must stay until the stream has come to
  /// this.
  void place(const AtomsView& atoms, const AtomNodes& nodes, const int* kind, double radius,
             cudaStream_t stream);
  /// Where the pairs of each receiver begin, and its tiles; of length receivers + 1. Also finds
  /// `most_of_sender`.
  void count(const Receivers& receivers, Array<std::int64_t>& first_pair,
             Array<std::int64_t>& first_tile, cudaStream_t stream);
  /// @param sender, sender_atom with room for all pairs
  void write(const Receivers& receivers, const Array<std::int64_t>& first_pair, Array<int>& sender,
             Array<int>& sender_atom, cudaStream_t stream);

  /// [1] The most pairs that have the same sender.
  const Array<int>& most_of_sender() const { return most_; }

  /// What counting and writing have in common.
  FindPairs find(const Receivers& receivers) const;
  /// Positions of the last search, copied from the device.
  std::vector<double> positions() const { return position_.download(); }
  std::size_t device_bytes() const;

 private:
  void lay_out(const AtomNodes& nodes);
  void scan_into(const Array<int>& counts, Array<std::int64_t>& out, cudaStream_t stream);

  double radius_ = 0.0;
  Cells cells_{};
  Array<double> position_;
  Array<int> node_, member_, count_, unordered_, pairs_, tiles_, of_sender_, most_;
  Array<CellAtom> sorted_;
  Array<std::int64_t> first_in_cell_, block_sums_;
};

}  // namespace mdbench::cuda
