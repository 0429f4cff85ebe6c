// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "error.hpp"

namespace mdbench {

/// Linked cells over a set of points: finds the points within a radius of a place.
class CellGrid {
 public:
  /// @param positions [points * 3]; @param members indices of the points to hold
  CellGrid(std::span<const double> positions, std::span<const std::int32_t> members, double radius)
      : positions_(positions), radius_(radius) {
    lay_out(members);
    const std::size_t cells = std::size_t(shape_[0]) * shape_[1] * shape_[2];
    first_.assign(cells + 1, 0);
    for (const auto i : members) ++first_[cell_of(i) + 1];
    for (std::size_t c = 0; c < cells; ++c) first_[c + 1] += first_[c];
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
      low[d] = clamped(d, x[d] - radius_);
      high[d] = clamped(d, x[d] + radius_);
    }
    const double radius2 = radius_ * radius_;
    for (int a = low[0]; a <= high[0]; ++a)
      for (int b = low[1]; b <= high[1]; ++b) {
        const std::size_t row = (std::size_t(a) * shape_[1] + b) * shape_[2];
        for (auto p = first_[row + low[2]]; p < first_[row + high[2] + 1]; ++p) {
          const double* y = &positions_[3 * std::size_t(points_[p])];
          const double dx = y[0] - x[0], dy = y[1] - x[1], dz = y[2] - x[2];
          if (dx * dx + dy * dy + dz * dz < radius2 && points_[p] != i) visit(points_[p]);
        }
      }
  }

 private:
  void lay_out(std::span<const std::int32_t> members) {
    std::array<double, 3> high{};
    for (int d = 0; d < 3; ++d) {
      low_[d] = members.empty() ? 0.0 : positions_[3 * std::size_t(members[0]) + d];
      high[d] = low_[d];
    }
    for (const auto i : members)
      for (int d = 0; d < 3; ++d) {
        const double x = positions_[3 * std::size_t(i) + d];
        if (!std::isfinite(x)) throw Error("an atom's coordinates are not finite numbers");
        low_[d] = std::min(low_[d], x);
        high[d] = std::max(high[d], x);
      }
    // Cells of half the radius; larger ones where atoms are sparse, so that memory stays bounded.
    const double limit = 8.0 * double(members.size()) + 64.0;
    for (size_ = 0.5 * radius_;; size_ *= 1.5) {
      double cells = 1.0;
      for (int d = 0; d < 3; ++d) cells *= std::floor((high[d] - low_[d]) / size_) + 1.0;
      if (cells <= limit) break;
    }
    for (int d = 0; d < 3; ++d) shape_[d] = int((high[d] - low_[d]) / size_) + 1;
  }

  int clamped(int d, double x) const {
    return int(std::clamp((x - low_[d]) / size_, 0.0, double(shape_[d] - 1)));
  }
  std::size_t cell_of(std::int32_t i) const {
    const double* x = &positions_[3 * std::size_t(i)];
    return (std::size_t(clamped(0, x[0])) * shape_[1] + clamped(1, x[1])) * shape_[2] +
           clamped(2, x[2]);
  }

  std::span<const double> positions_;
  double radius_, size_ = 0.0;
  std::array<double, 3> low_{};
  std::array<int, 3> shape_{};
  std::vector<std::size_t> first_;
  std::vector<std::int32_t> points_;
};

}  // namespace mdbench
