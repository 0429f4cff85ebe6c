// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "error.hpp"

namespace mdbench {

/// @throws Error on coordinates that are not finite.
inline void require_finite(const double* x) {
  if (!std::isfinite(x[0]) || !std::isfinite(x[1]) || !std::isfinite(x[2]))
    throw Error("an atom's coordinates are not finite numbers");
}

/// The smallest box around points.
struct Bounds {
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  std::array<double, 3> low{kNone, kNone, kNone}, high{-kNone, -kNone, -kNone};

  bool empty() const { return low[0] > high[0]; }
  /// @throws Error on coordinates that are not finite.
  void add(const double* x) {
    require_finite(x);
    for (int d = 0; d < 3; ++d) {
      low[d] = std::min(low[d], x[d]);
      high[d] = std::max(high[d], x[d]);
    }
  }
  /// Whether a point is inside or within `margin` of it.
  bool holds(const double* x, double margin) const {
    for (int d = 0; d < 3; ++d)
      if (x[d] < low[d] - margin || x[d] > high[d] + margin) return false;
    return true;
  }
};

/// Cubic cells over a box, in rows along z.
struct CellLayout {
  std::array<double, 3> low{};
  double size = 0.0;
  std::array<int, 3> shape{1, 1, 1};

  /// @param smallest edge of the cells; larger ones where there would be more than `most` cells, so
  /// that memory stays bounded where points are sparse. @param most at least 1
  CellLayout(const Bounds& bounds, double smallest, double most) : size(smallest) {
    if (bounds.empty()) return;
    low = bounds.low;
    std::array<double, 3> extent;
    for (int d = 0; d < 3; ++d) extent[d] = bounds.high[d] - low[d];
    require_finite(extent.data());
    for (;; size *= 1.5) {
      double cells = 1.0;
      for (int d = 0; d < 3; ++d) cells *= std::floor(extent[d] / size) + 1.0;
      if (cells <= most) break;
    }
    for (int d = 0; d < 3; ++d) shape[d] = static_cast<int>(extent[d] / size) + 1;
  }

  std::size_t cells() const { return std::size_t(shape[0]) * shape[1] * shape[2]; }
  /// The first cell of a row.
  std::size_t row(int a, int b) const { return (std::size_t(a) * shape[1] + b) * shape[2]; }
  /// The cell along axis `d` of a place; that of the border for places outside.
  int along(int d, double x) const {
    return static_cast<int>(std::clamp((x - low[d]) / size, 0.0, double(shape[d] - 1)));
  }
};

}  // namespace mdbench
