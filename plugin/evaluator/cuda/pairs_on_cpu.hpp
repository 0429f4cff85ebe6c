// SPDX-License-Identifier: MIT
#pragma once

#include "topology.hpp"

namespace mdbench::cuda {

/// The pairs of a topology's last search once more, for the steps that the CPU has to evaluate:
/// most simulations never need them.
class PairsOnCpu {
 public:
  void forget() { *this = {}; }
  /// @param radius Angstrom, that of the search. Nodes are those of the topology, so what goes
  /// through the halo is in the same order. Valid until the topology's next search.
  PairList list(const Topology& topology, double radius);

 private:
  void make(const Topology& topology, double radius);

  bool made_ = false;
  std::vector<std::int64_t> first_pair_;
  std::vector<std::int32_t> sender_, sender_atom_;
};

}  // namespace mdbench::cuda
