// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "host_device.hpp"

/// What the CPU and GPUs share of the functions of a distance.
namespace mdbench {

/// Radial tables are qualified from this distance (Angstrom) to the cutoff.
inline constexpr double kShortestTabulated = 0.4;
/// Degree of their polynomials.
inline constexpr int kTableDegree = 8;

/// A number and its derivative with respect to the distance.
struct Jet {
  double value = 0.0, slope = 0.0;
};

/// Polynomial cutoff 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), x = r/cutoff < 1.
MDBENCH_HD inline Jet polynomial_cutoff(double r, double cutoff, int power) {
  if (r >= cutoff) return {};
  const double x = r / cutoff, p = power, xp1 = std::pow(x, p - 1.0), xp = xp1 * x;
  return {1.0 - (p + 1) * (p + 2) / 2 * xp + p * (p + 2) * xp * x - p * (p + 1) / 2 * xp * x * x,
          -p * (p + 1) * (p + 2) / 2 * xp1 * (1 - x) * (1 - x) / cutoff};
}

}  // namespace mdbench
