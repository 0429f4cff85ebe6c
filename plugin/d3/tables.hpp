// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "reference.hpp"
#include "settings.hpp"

namespace mdbench::d3 {

/// Numbers of a pair of elements that a damping function needs; Angstrom.
using PairConstants = std::array<double, 4>;

/// Reference data of the elements at hand, a kind each, in eV and Angstrom.
class Tables {
 public:
  Tables() = default;
  Tables(std::span<const int> numbers, const D3Damping& damping)
      : numbers_(numbers.begin(), numbers.end()) {
    const std::size_t n = numbers_.size();
    c6_.resize(n * n * kMaxReferences * kMaxReferences);
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t l = 0; l < n; ++l) {
        const int z = numbers_[k], y = numbers_[l];
        radius_.push_back((covalent_radius(z) + covalent_radius(y)) * kBohr);
        cutoff_radius_.push_back(cutoff_radius(z, y) * kBohr);
        constants_.push_back(constants_of(z, y, damping));
        for (int a = 0; a < num_references(z); ++a)
          for (int b = 0; b < num_references(y); ++b)
            c6_[c6_index(k, l, a) + b] = reference_c6(z, a, y, b) * kHartree * std::pow(kBohr, 6);
      }
  }

  std::size_t kinds() const { return numbers_.size(); }
  std::span<const int> numbers() const { return numbers_; }
  int references(std::size_t k) const { return num_references(numbers_[k]); }
  double cn(std::size_t k, int a) const { return reference_cn(numbers_[k], a); }
  /// The C6 of reference `a` of kind `k` with all references of kind `l`.
  const double* c6(std::size_t k, std::size_t l, int a) const { return &c6_[c6_index(k, l, a)]; }
  /// Sum of the covalent radii, scaled by 4/3.
  double radius(std::size_t k, std::size_t l) const { return radius_[k * kinds() + l]; }
  double r0(std::size_t k, std::size_t l) const { return cutoff_radius_[k * kinds() + l]; }
  const PairConstants& constants(std::size_t k, std::size_t l) const {
    return constants_[k * kinds() + l];
  }

 private:
  std::size_t c6_index(std::size_t k, std::size_t l, int a) const {
    return ((k * kinds() + l) * kMaxReferences + a) * kMaxReferences;
  }

  /// The last is s8 C8/C6. bj: R^6, R^8; zero: the squares of the radii of the C6 and the C8 term;
  /// zerom: the inverses of the radii, and beta R0.
  static PairConstants constants_of(int z, int y, const D3Damping& d) {
    const double c8_per_c6 = 3.0 * sqrt_q(z) * sqrt_q(y), r0 = cutoff_radius(z, y);
    const double last = d.s8 * c8_per_c6 * kBohr * kBohr;
    if (d.kind == D3Damping::Kind::bj) {
      const double r = (d.a1 * std::sqrt(c8_per_c6) + d.a2) * kBohr;
      return {std::pow(r, 6), std::pow(r, 8), 0.0, last};
    }
    const double r6 = d.rs6 * r0 * kBohr, r8 = d.rs8 * r0 * kBohr;
    if (d.kind == D3Damping::Kind::zero) return {r6 * r6, r8 * r8, 0.0, last};
    return {1.0 / r6, 1.0 / r8, d.beta * r0, last};
  }

  std::vector<int> numbers_;
  std::vector<double> c6_, radius_, cutoff_radius_;
  std::vector<PairConstants> constants_;
};

}  // namespace mdbench::d3
