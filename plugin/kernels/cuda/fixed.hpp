// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "host_device.hpp"

namespace mdbench::cuda {

/// Sums over edges that many warps add to are integers, units of 2^-40: the order of the additions
/// does not show, so that runs repeat bit for bit. They hold numbers below 2^23.
using Fixed = unsigned long long;
inline constexpr double kFixedUnit = 1099511627776.0, kFixedRange = 8388608.0;

MDBENCH_HD inline double from_fixed(Fixed x) {
  return static_cast<double>(static_cast<long long>(x)) * (1.0 / kFixedUnit);
}

/// Numbers below it cannot make a sum of `terms` or fewer wrap around; others raise `kNotFinite`
/// and are left out. A power of two, so that it seldom changes with the number of pairs.
MDBENCH_HD constexpr double fixed_limit(std::int64_t terms) {
  double limit = kFixedRange;
  for (; terms > 0; terms /= 2) limit *= 0.5;
  return limit;
}

}  // namespace mdbench::cuda
