// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace mdbench {

/// One configuration, as a count of pairs by distance needs it.
struct PairInput {
  std::span<const double> positions;       // [atoms * 3] Angstrom, inside the cell or not
  std::span<const std::int32_t> kind;      // [atoms] row of the counts
  std::span<const std::int32_t> molecule;  // [atoms] pairs of one molecule are not counted
  std::array<double, 9> cell;              // rows, Angstrom
  std::array<bool, 3> periodic;
};

/// Which distances are counted, and how finely.
struct PairBins {
  std::size_t kinds;
  std::size_t bins;  // of equal width over [0, r_max)
  double r_max;      // Angstrom
};

/// Number of atoms of kind b around all atoms of kind a in each bin of distance: [a][b][bin].
/// Every image within r_max counts. Throws Error for a cell without volume, for positions that are
/// not finite and where r_max exceeds the height of the cell in a periodic direction.
std::vector<std::int64_t> count_pairs(const PairInput& input, const PairBins& bins);

}  // namespace mdbench
