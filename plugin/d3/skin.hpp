// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cell.hpp"

namespace mdbench::d3 {

/// When a list of pairs within `reach` = cutoff + skin must be made anew.
class Skin {
 public:
  Skin(double cutoff, double skin) : reach_(cutoff + skin), skin_(skin) {}

  /// Remembers what a list is made for.
  void remember(std::span<const double> positions, const Cell& cell) {
    positions_.assign(positions.begin(), positions.end());
    cell_ = cell;
    age_ = 0;
  }
  void forget() { positions_.clear(); }

  /// Whether a pair that the list lacks may be closer than the cutoff by now.
  ///
  /// Let F take the old cell to the new one and u be the displacement of an atom from where F and
  /// the drift common to all would have taken it. A pair at r0 before is now at least
  /// |F r0| - |u_i| - |u_j| apart, and |F r0| >= (1 - |F - 1|) r0 in the spectral norm, which is
  /// bounded by the root of the largest sums over rows and columns.
  bool exceeded(std::span<const double> positions, const Cell& cell) const {
    if (positions.size() != positions_.size() || cell.periodic != cell_.periodic) return true;
    const std::array<Vector, 3> strain = strain_to(cell);
    Vector rows{}, columns{}, drift{};
    for (int k = 0; k < 3; ++k)
      for (int j = 0; j < 3; ++j) {
        rows[j] += std::abs(strain[k][j]);
        columns[k] += std::abs(strain[k][j]);
      }
    const double norm2 = std::ranges::max(rows) * std::ranges::max(columns);
    const std::size_t atoms = positions.size() / 3;
    for (std::size_t i = 0; i < atoms; ++i) {
      const Vector u = displacement(positions, strain, i);
      for (int j = 0; j < 3; ++j) drift[j] += u[j] / static_cast<double>(atoms);
    }
    double largest2 = 0.0, second2 = 0.0;
    for (std::size_t i = 0; i < atoms; ++i) {
      Vector u = displacement(positions, strain, i);
      for (int j = 0; j < 3; ++j) u[j] -= drift[j];
      const double u2 = dot(u, u);
      // also when u2 is not a number
      if (!(u2 <= second2)) second2 = u2;
      if (!(second2 <= largest2)) std::swap(largest2, second2);
    }
    const double moved = std::sqrt(largest2) + std::sqrt(second2) + std::sqrt(norm2) * reach_;
    return !(moved <= skin_);
  }

  std::int64_t age() const { return age_; }
  void grow_older() { ++age_; }

 private:
  /// Columns of F - 1.
  std::array<Vector, 3> strain_to(const Cell& cell) const {
    std::array<Vector, 3> strain{};
    if (cell == cell_) return strain;
    for (int k = 0; k < 3; ++k) {
      for (int d = 0; d < 3; ++d)
        for (int j = 0; j < 3; ++j)
          strain[k][j] += cell_.inverse[d][k] * (cell.vectors[d][j] - cell_.vectors[d][j]);
    }
    return strain;
  }

  Vector displacement(std::span<const double> positions, const std::array<Vector, 3>& strain,
                      std::size_t atom) const {
    const double *x = &positions[3 * atom], *x0 = &positions_[3 * atom];
    Vector u;
    for (int j = 0; j < 3; ++j)
      u[j] = x[j] - x0[j] - (strain[0][j] * x0[0] + strain[1][j] * x0[1] + strain[2][j] * x0[2]);
    return u;
  }

  double reach_, skin_;
  std::vector<double> positions_;
  Cell cell_;
  std::int64_t age_ = 0;
};

}  // namespace mdbench::d3
