// SPDX-License-Identifier: MIT
// Random numbers and differences for the tests of numerical code.
#pragma once

#include <cmath>
#include <limits>
#include <random>

namespace check {

/// The same numbers on every run and every machine.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  double uniform(double low = -1.0, double high = 1.0) {
    return low + (high - low) * static_cast<double>(engine_()) / 4294967296.0;
  }
  int below(int n) { return static_cast<int>(engine_() % static_cast<unsigned>(n)); }
  template <class Array>
  void fill(Array& array, double low = -1.0, double high = 1.0) {
    for (auto& x : array) x = static_cast<std::remove_reference_t<decltype(x)>>(uniform(low, high));
  }

 private:
  std::mt19937 engine_;
};

/// Five-point central difference: exact but for rounding for polynomials up to degree 4.
template <class Function>
double difference(Function&& f, double x, double h) {
  return (8.0 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12.0 * h);
}

/// Keeps the largest of the errors that it is given; a NaN stays.
class Worst {
 public:
  void add(double value, double expected) { keep(std::abs(value - expected)); }
  void keep(double error) {
    if (std::isnan(error) || error > worst_) worst_ = error;
  }
  operator double() const { return worst_; }

 private:
  double worst_ = 0.0;
};

template <class Real>
inline constexpr double kEpsilon = std::numeric_limits<Real>::epsilon();

/// Calls function<float>() and function<double>().
template <class Function>
void for_precisions(Function&& function) {
  function.template operator()<float>();
  function.template operator()<double>();
}

}  // namespace check
