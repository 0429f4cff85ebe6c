// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>

#include "error.hpp"

namespace mdbench::d3 {

using Vector = std::array<double, 3>;

inline double dot(const Vector& a, const Vector& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
inline Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline double norm(const Vector& a) { return std::sqrt(dot(a, a)); }

/// Lattice vectors, completed by unit vectors across the periodic ones where there is none.
struct Cell {
  std::array<Vector, 3> vectors{};  ///< Angstrom
  std::array<Vector, 3> inverse{};  ///< fraction along vector d = dot(inverse[d], x)
  std::array<bool, 3> periodic{};
  bool operator==(const Cell&) const = default;

  Cell() = default;
  /// @throws Error when the periodic vectors are not independent
  Cell(const std::array<double, 9>& rows, const std::array<bool, 3>& periodic_)
      : periodic(periodic_) {
    std::array<bool, 3> known = periodic;
    for (int d = 0; d < 3; ++d)
      if (known[d]) vectors[d] = {rows[3 * d], rows[3 * d + 1], rows[3 * d + 2]};
    for (int d = 0; d < 3; ++d)
      if (!known[d]) vectors[d] = across(known), known[d] = true;
    const double volume = dot(vectors[0], cross(vectors[1], vectors[2]));
    const double size = norm(vectors[0]) * norm(vectors[1]) * norm(vectors[2]);
    if (!(std::abs(volume) > 1e-9 * size) || !std::isfinite(size))
      throw Error("d3: the periodic lattice vectors span no volume");
    for (int d = 0; d < 3; ++d) {
      inverse[d] = cross(vectors[(d + 1) % 3], vectors[(d + 2) % 3]);
      for (double& x : inverse[d]) x /= volume;
    }
  }

  /// Distance between the lattice planes along vector `d`.
  double spacing(int d) const { return 1.0 / norm(inverse[d]); }
  Vector at(int a, int b, int c) const {
    Vector x;
    for (int k = 0; k < 3; ++k) x[k] = a * vectors[0][k] + b * vectors[1][k] + c * vectors[2][k];
    return x;
  }

 private:
  /// A unit vector across those that are known: what these leave of the axis that they leave most.
  Vector across(const std::array<bool, 3>& known) const {
    std::array<Vector, 2> basis{};  // orthonormal, of the known ones
    int count = 0;
    for (int d = 0; d < 3; ++d)
      if (known[d] && count < 2) basis[count++] = unit(without(vectors[d], basis));
    Vector best{};
    for (int d = 0; d < 3; ++d) {
      Vector axis{};
      axis[d] = 1.0;
      const Vector left = without(axis, basis);
      if (norm(left) > norm(best)) best = left;
    }
    return unit(best);
  }

  static Vector without(Vector v, const std::array<Vector, 2>& basis) {
    for (const Vector& b : basis) {
      const double along = dot(v, b);
      for (int k = 0; k < 3; ++k) v[k] -= along * b[k];
    }
    return v;
  }
  static Vector unit(Vector v) {
    const double length = norm(v);
    for (double& x : v) x /= length;
    return v;
  }
};

}  // namespace mdbench::d3
