// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "error.hpp"
#include "host_device.hpp"
#include "layout.hpp"

/// The host's part of the edge product: how paths and slots are numbered, and what they take.
namespace mdbench::cuda {

/// Paths in the kernels' order, by l2, then l1.
struct EdgeUnits {
  std::vector<int> order;       ///< the model's number of each path
  std::vector<int> first_slot;  ///< by the model's number; slots are [m1][m2] from there on
  int slots = 0;
  std::vector<EdgeUnit> units;  ///< without the couplings' ranges
  std::array<std::array<int, kMaxSenderL + 1>, kMaxEdgeEll + 1> paths_of{};  ///< [l2][l1]
};

/// Of paths (l1, l2, l3) in the model's order.
inline EdgeUnits make_units(const std::vector<std::array<int, 3>>& paths) {
  EdgeUnits made;
  made.order.resize(paths.size());
  made.first_slot.resize(paths.size());
  std::iota(made.order.begin(), made.order.end(), 0);
  std::stable_sort(made.order.begin(), made.order.end(), [&](int a, int b) {
    return std::pair(paths[a][1], paths[a][0]) < std::pair(paths[b][1], paths[b][0]);
  });
  for (int i = 0; i < static_cast<int>(made.order.size()); ++i) {
    const auto& [l1, l2, l3] = paths[made.order[i]];
    if (l1 < 0 || l1 > kMaxSenderL || l2 < 0 || l2 > kMaxEdgeEll)
      throw Error("the CUDA edge product takes l1 up to 2 and l2 up to 3, not l1 = " +
                  std::to_string(l1) + ", l2 = " + std::to_string(l2));
    const bool joins = !made.units.empty() && made.units.back().l1 == l1 &&
                       made.units.back().l2 == l2 && made.units.back().paths < kUnitPaths;
    if (joins)
      ++made.units.back().paths;
    else
      made.units.push_back({l1, l2, 1, i, made.slots, 0, 0});
    made.first_slot[made.order[i]] = made.slots;
    made.slots += (2 * l1 + 1) * (2 * l2 + 1);
    ++made.paths_of[l2][l1];
  }
  return made;
}

inline void require_edge_rank(int rank) {
  if (rank > kMaxEdgeRank)
    throw Error("the radial tables have rank " + std::to_string(rank) +
                ", the CUDA kernels take up to " + std::to_string(kMaxEdgeRank) + ": use the CPU");
}

/// Paths (l1, l2, l3) of a model with l3 <= max_ell whose features all have the parity (-1)^l.
MDBENCH_HD constexpr int natural_paths(int l1, int l2, int max_ell) {
  const int low = l1 < l2 ? l2 - l1 : l1 - l2;
  const int high = l1 + l2 < max_ell ? l1 + l2 : max_ell - (l1 + l2 - max_ell) % 2;
  return l2 > max_ell || high < low ? 0 : (high - low) / 2 + 1;
}

/// Whether a product has just the natural paths, for which there are kernels that share more.
template <class Real>
bool is_natural(const EdgeProduct<Real>& product) {
  for (int l2 = 0; l2 <= kMaxEdgeEll; ++l2)
    for (int l1 = 0; l1 <= kMaxSenderL; ++l1)
      if (product.paths_of[l2][l1] != ((l1 + 1) * (l1 + 1) <= product.sender_components
                                           ? natural_paths(l1, l2, product.max_ell)
                                           : 0))
        return false;
  return true;
}

/// How `edge_reverse` holds dE/d(slot): 16 or 32 channels of a receiver at a time, a warp each.
struct EdgeReverseShape {
  int warps;  ///< of a block
  std::size_t bytes;
};

inline EdgeReverseShape edge_reverse_shared_bytes(int slots, int channels, std::size_t real) {
  const std::size_t warp = static_cast<std::size_t>(slots) * channels * real;
  if (warp > kMostShared)
    throw Error("the edge product has " + std::to_string(slots) + " slots, the CUDA kernels take " +
                std::to_string(kMostShared / (channels * real)) + ": use the CPU");
  int warps = 4;
  while (warps > 1 && warps * warp > kPlainShared) --warps;
  return {warps, warps * warp};
}

}  // namespace mdbench::cuda
