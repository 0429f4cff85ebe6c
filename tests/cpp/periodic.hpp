// SPDX-License-Identifier: MIT
// Atoms of a periodic cell as an MD engine holds them.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "graph_builder.hpp"

namespace mdbench {

inline std::vector<double> random_points(int count, double edge, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(0.0, edge);
  std::vector<double> x(3 * count);
  for (double& value : x) value = uniform(random);
  return x;
}

/// Whether two of the points of a periodic cube are closer than `shortest`.
inline bool any_closer(const std::vector<double>& x, double edge, double shortest) {
  for (std::size_t i = 0; i < x.size(); i += 3)
    for (std::size_t j = 0; j < i; j += 3) {
      double r2 = 0.0;
      for (int k = 0; k < 3; ++k) {
        const double d = x[i + k] - x[j + k];
        r2 += std::pow(d - edge * std::round(d / edge), 2);
      }
      if (r2 < shortest * shortest) return true;
    }
  return false;
}

/// A periodic cube: owned atoms, none two closer than `shortest`, and their images up to `reach`
/// outside, as an MD engine has them.
struct Periodic {
  Periodic(int count, double edge, double reach, unsigned seed, double shortest = 0.0)
      : num_local(count) {
    do x = random_points(count, edge, seed++);
    while (any_closer(x, edge, shortest));
    for (int i = 0; i < count; ++i) owner.push_back(i);
    const int shells = static_cast<int>(std::ceil(reach / edge));
    for (int a = -shells; a <= shells; ++a)
      for (int b = -shells; b <= shells; ++b)
        for (int c = -shells; c <= shells; ++c)
          for (int i = 0; i < count; ++i) add_image(i, {a * edge, b * edge, c * edge}, edge, reach);
    for (const int o : owner) species.push_back(o % 2);
  }
  void add_image(int i, std::array<double, 3> shift, double edge, double reach) {
    if (shift == std::array<double, 3>{}) return;
    double y[3];
    for (int k = 0; k < 3; ++k) {
      y[k] = x[3 * i + k] + shift[k];
      if (y[k] < -reach || y[k] > edge + reach) return;
    }
    x.insert(x.end(), y, y + 3);
    owner.push_back(i);
  }
  AtomsView view() const { return {std::size_t(num_local), x, species, owner}; }

  int num_local;
  std::vector<double> x;
  std::vector<std::int32_t> species, owner;
};

}  // namespace mdbench
