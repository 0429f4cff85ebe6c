// SPDX-License-Identifier: MIT
// D3 as its formulas stand: loops over atoms and lattice vectors, no lists, no derivatives.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include "d3.hpp"
#include "reference.hpp"

namespace slow {

using namespace mdbench;
using namespace mdbench::d3;

struct System {
  std::vector<double> positions;
  std::vector<std::int32_t> numbers;
  std::array<double, 9> cell{};
  std::array<bool, 3> periodic{};

  std::size_t size() const { return numbers.size(); }
  D3Atoms atoms() const {
    D3Atoms a;
    a.positions = positions, a.numbers = numbers, a.cell = cell, a.periodic = periodic;
    a.num_central = size();
    return a;
  }
};

inline double fade(double r, double end, double width) {
  if (r >= end) return 0.0;
  if (r <= end - width) return 1.0;
  const double t = (r - end + width) / width;
  return 1.0 - t * t * t * (10.0 - 15.0 * t + 6.0 * t * t);
}

class Dispersion {
 public:
  Dispersion(const System& system, const D3Settings& settings) : s_(system), set_(settings) {
    find_images();
    for (std::size_t i = 0; i < s_.size(); ++i) cn_.push_back(coordination_number(i));
    for (std::size_t i = 0; i < s_.size(); ++i) weights_.push_back(weights(i));
  }

  /// [atoms] eV; half of a pair's energy and a third of a triple's is each atom's.
  std::vector<double> energies() const {
    std::vector<double> e(s_.size(), 0.0);
    for (std::size_t i = 0; i < s_.size(); ++i)
      for (const Image& p : images_) {
        const double r = distance(i, p);
        if (r == 0.0 || r >= set_.cutoff) continue;
        e[i] -=
            0.5 * kHartree * pair(i, p.atom, r / kBohr) * fade(r, set_.cutoff, set_.switch_width);
        if (r < set_.atm) e[i] += kHartree / 6.0 * triples(i, p, r);
      }
    return e;
  }
  double energy() const {
    double sum = 0.0;
    for (const double e : energies()) sum += e;
    return sum;
  }

 private:
  struct Image {
    std::size_t atom;
    std::array<double, 3> x;
  };

  /// Within the cutoff of any atom, found by trying generously many lattice vectors.
  void find_images() {
    std::array<int, 3> most{};
    for (int d = 0; d < 3; ++d)
      if (s_.periodic[d]) most[d] = 12;
    for (std::size_t j = 0; j < s_.size(); ++j)
      for (int a = -most[0]; a <= most[0]; ++a)
        for (int b = -most[1]; b <= most[1]; ++b)
          for (int c = -most[2]; c <= most[2]; ++c) {
            Image p{j, {}};
            for (int k = 0; k < 3; ++k)
              p.x[k] = s_.positions[3 * j + k] + a * s_.cell[k] + b * s_.cell[3 + k] +
                       c * s_.cell[6 + k];
            bool near = false;
            for (std::size_t i = 0; i < s_.size(); ++i) near |= distance(i, p) < set_.cutoff;
            if (near) images_.push_back(p);
          }
  }

  double distance(std::size_t i, const Image& p) const {
    return std::hypot(p.x[0] - s_.positions[3 * i], p.x[1] - s_.positions[3 * i + 1],
                      p.x[2] - s_.positions[3 * i + 2]);
  }

  double coordination_number(std::size_t i) const {
    double cn = 0.0;
    for (const Image& p : images_) {
      const double r = distance(i, p);
      const double radius = covalent_radius(s_.numbers[i]) + covalent_radius(s_.numbers[p.atom]);
      if (r > 0.0 && r < set_.cn)
        cn += fade(r, set_.cn, set_.switch_width) /
              (1.0 + std::exp(-16.0 * (radius * kBohr / r - 1.0)));
    }
    return cn;
  }

  std::vector<double> weights(std::size_t i) const {
    std::vector<double> w;
    double sum = 0.0;
    for (int a = 0; a < num_references(s_.numbers[i]); ++a) {
      w.push_back(std::exp(-4.0 * std::pow(cn_[i] - reference_cn(s_.numbers[i], a), 2)));
      sum += w.back();
    }
    for (double& x : w) x /= sum;
    return w;
  }

  double c6(std::size_t i, std::size_t j) const {
    double sum = 0.0;
    for (std::size_t a = 0; a < weights_[i].size(); ++a)
      for (std::size_t b = 0; b < weights_[j].size(); ++b)
        sum += weights_[i][a] * weights_[j][b] *
               reference_c6(s_.numbers[i], int(a), s_.numbers[j], int(b));
    return sum;
  }

  double pair(std::size_t i, std::size_t j, double r) const {
    const D3Damping& d = set_.damping;
    const double c6 = this->c6(i, j), ratio = 3.0 * sqrt_q(s_.numbers[i]) * sqrt_q(s_.numbers[j]);
    const double r0 = cutoff_radius(s_.numbers[i], s_.numbers[j]);
    if (d.kind == D3Damping::Kind::bj) {
      const double radius = d.a1 * std::sqrt(ratio) + d.a2;
      return c6 * (d.s6 / (std::pow(r, 6) + std::pow(radius, 6)) +
                   d.s8 * ratio / (std::pow(r, 8) + std::pow(radius, 8)));
    }
    const double shift = d.kind == D3Damping::Kind::zerom ? d.beta * r0 : 0.0;
    const double f6 = 1.0 / (1.0 + 6.0 * std::pow(r / (d.rs6 * r0) + shift, -14));
    const double f8 = 1.0 / (1.0 + 6.0 * std::pow(r / (d.rs8 * r0) + shift, -16));
    return c6 * (d.s6 * f6 / std::pow(r, 6) + d.s8 * ratio * f8 / std::pow(r, 8));
  }

  double triples(std::size_t i, const Image& j, double rij) const {
    const double width = std::min(set_.switch_width, 0.25 * set_.atm);
    double sum = 0.0;
    for (const Image& k : images_) {
      const double rik = distance(i, k);
      const double rjk = std::hypot(j.x[0] - k.x[0], j.x[1] - k.x[1], j.x[2] - k.x[2]);
      if (rik == 0.0 || rjk == 0.0 || rik >= set_.atm || rjk >= set_.atm) continue;
      const double a = std::pow(rij / kBohr, 2), b = std::pow(rik / kBohr, 2),
                   c = std::pow(rjk / kBohr, 2);
      const double c9 = std::sqrt(c6(i, j.atom) * c6(i, k.atom) * c6(j.atom, k.atom));
      const double angles = 0.375 * (a + b - c) * (a + c - b) * (b + c - a) / (a * b * c);
      const auto r0 = [&](std::size_t m, std::size_t n) {
        return cutoff_radius(s_.numbers[m], s_.numbers[n]);
      };
      const double scaled =
          std::cbrt(r0(i, j.atom) * r0(i, k.atom) * r0(j.atom, k.atom) / std::sqrt(a * b * c));
      const double damping = 1.0 / (1.0 + 6.0 * std::pow(4.0 / 3.0 * scaled, 16));
      sum += set_.damping.s9 * c9 * (angles + 1.0) / std::pow(a * b * c, 1.5) * damping *
             fade(rij, set_.atm, width) * fade(rik, set_.atm, width) * fade(rjk, set_.atm, width);
    }
    return sum;  // each triple of an atom comes twice: hence a sixth
  }

  const System& s_;
  D3Settings set_;
  std::vector<Image> images_;
  std::vector<double> cn_;
  std::vector<std::vector<double>> weights_;
};

}  // namespace slow
