// SPDX-License-Identifier: MIT
#include "reference.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>

namespace mdbench::d3 {
namespace {

#include "reference.inc"

/// Place of each element's first reference system among those of all.
constexpr auto kFirst = [] {
  std::array<int, kD3Elements> first{};
  std::exclusive_scan(std::begin(kNumReferences), std::end(kNumReferences), first.begin(), 0);
  return first;
}();
static_assert(std::size(kNumReferences) == kD3Elements);
static_assert(*std::ranges::max_element(kNumReferences) == kMaxReferences);
static_assert(kFirst.back() + kNumReferences[kD3Elements - 1] == std::ssize(kReferenceCn));

/// Place of (i, j) in the lower triangle of a symmetric matrix.
constexpr int triangle(int i, int j) {
  const auto [low, high] = std::minmax(i, j);
  return high * (high + 1) / 2 + low;
}
static_assert(triangle(std::size(kReferenceCn), 0) == std::ssize(kC6));
static_assert(triangle(kD3Elements, 0) == std::ssize(kCutoffRadius));

}  // namespace

int num_references(int z) { return kNumReferences[z - 1]; }

double reference_cn(int z, int a) { return kReferenceCn[kFirst[z - 1] + a] / 1e4; }

double reference_c6(int z, int a, int y, int b) {
  return kC6[triangle(kFirst[z - 1] + a, kFirst[y - 1] + b)] / 1e4;
}

double covalent_radius(int z) { return kCovalentRadius[z - 1] / 100.0 * (4.0 / 3.0) / kBohr; }

double sqrt_q(int z) { return kSqrtQ[z - 1]; }

double cutoff_radius(int z, int y) { return kCutoffRadius[triangle(z - 1, y - 1)] / 1e4 / kBohr; }

}  // namespace mdbench::d3
