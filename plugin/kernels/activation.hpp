// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "host_device.hpp"

/// Activation functions of the readouts.
namespace mdbench {

/// A function's value and its derivative.
struct Activated {
  double value, slope;
};

MDBENCH_HD inline Activated linear_activation(double x) { return {x, 1.0}; }

MDBENCH_HD inline Activated silu_activation(double x) {
  const double s = 1.0 / (1.0 + std::exp(-x));
  return {x * s, s * (1.0 + x * (1.0 - s))};
}

MDBENCH_HD inline Activated tanh_activation(double x) {
  const double y = std::tanh(x);
  return {y, 1.0 - y * y};
}

}  // namespace mdbench
