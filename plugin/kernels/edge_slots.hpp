// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "harmonics.hpp"

namespace mdbench {

/// The product R(r) h Y over the edges of an atom, in uncontracted slots (row, m2): a row is a
/// path with one component of the sender's features. Clebsch-Gordan coefficients are applied to
/// the sums, once an atom instead of once an edge.
inline constexpr int kMaxSenderEll = 2;

struct SlotRow {
  int path;       ///< among the paths of this l2
  int component;  ///< of the sender's features
};

/// Paths with the same l1 and l2, which follow each other in every array; there may be none.
struct PathBlock {
  int first_path = 0, paths = 0;
  int first_slot = 0;  ///< slots are [path][m1][m2]
};
/// [l2][l1]
using PathBlocks = std::array<std::array<PathBlock, kMaxSenderEll + 1>, kMaxEll + 1>;

}  // namespace mdbench
