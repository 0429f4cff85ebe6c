// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cell_layout.hpp"

namespace mdbench {

/// Linked cells over a set of points: finds the points within a radius of a place.
class CellGrid {
 public:
  /// @param positions [points * 3]; @param members indices of the points to hold
  /// @throws Error on coordinates that are not finite.
  CellGrid(std::span<const double> positions, std::span<const std::int32_t> members, double radius)
      : positions_(positions), radius_(radius), layout_(lay_out(members)) {
    first_.assign(layout_.cells() + 1, 0);
    for (const auto i : members) ++first_[cell_of(i) + 1];
    for (std::size_t c = 0; c + 1 < first_.size(); ++c) first_[c + 1] += first_[c];
    points_.resize(members.size());
    auto next = first_;
    for (const auto i : members) points_[next[cell_of(i)]++] = i;
  }

  /// Calls visit(index) for every held point closer than the radius to point `i`, itself excluded.
  template <class Visit>
  void for_each_near(std::int32_t i, Visit&& visit) const {
    const double* x = &positions_[3 * std::size_t(i)];
    std::array<int, 3> low, high;
    for (int d = 0; d < 3; ++d) {
      low[d] = layout_.along(d, x[d] - radius_);
      high[d] = layout_.along(d, x[d] + radius_);
    }
    const double radius2 = radius_ * radius_;
    for (int a = low[0]; a <= high[0]; ++a)
      for (int b = low[1]; b <= high[1]; ++b) {
        const std::size_t row = layout_.row(a, b);
        for (auto p = first_[row + low[2]]; p < first_[row + high[2] + 1]; ++p) {
          const double* y = &positions_[3 * std::size_t(points_[p])];
          const double dx = y[0] - x[0], dy = y[1] - x[1], dz = y[2] - x[2];
          if (dx * dx + dy * dy + dz * dz < radius2 && points_[p] != i) visit(points_[p]);
        }
      }
  }

 private:
  CellLayout lay_out(std::span<const std::int32_t> members) const {
    Bounds bounds;
    for (const auto i : members) bounds.add(&positions_[3 * std::size_t(i)]);
    return {bounds, 0.5 * radius_, 8.0 * double(members.size()) + 64.0};
  }
  std::size_t cell_of(std::int32_t i) const {
    const double* x = &positions_[3 * std::size_t(i)];
    return layout_.row(layout_.along(0, x[0]), layout_.along(1, x[1])) + layout_.along(2, x[2]);
  }

  std::span<const double> positions_;
  double radius_;
  CellLayout layout_;
  std::vector<std::size_t> first_;
  std::vector<std::int32_t> points_;
};

}  // namespace mdbench
