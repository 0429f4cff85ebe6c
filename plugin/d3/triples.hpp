// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "cell.hpp"
#include "lanes.hpp"
#include "reference.hpp"

namespace mdbench::d3 {

struct Partner {
  std::int32_t slot;
  Vector place;  ///< from the atom
  double r2;
};

/// The neighbours of one atom within the cutoff of the triples, sorted by kind; a workspace.
struct Triples {
  std::vector<std::vector<Partner>> found;  ///< of each kind
  std::vector<std::size_t> first;           ///< [kinds + 1] of each kind's neighbours
  Buffer<double> x, y, z;                   ///< from the atom
  Buffer<double> r2, inverse_r3, damp;      ///< damp: (R0/r)^(16/3)
  Buffer<double> fade, slope;               ///< S and dS/d(r^2)
  Buffer<double> c6, log_slope;             ///< with the atom; d ln(C6) / dCN of the atom
  Buffer<double> weight[kMaxReferences];    ///< of the neighbour's references

  /// Room for `n` neighbours and for reading one vector past the last.
  void resize(std::size_t n) {
    for (auto* b : {&x, &y, &z, &r2, &inverse_r3, &damp, &fade, &slope, &c6, &log_slope})
      b->assign(n + W, 1.0);
    for (auto& w : weight) w.assign(n + W, 0.0);
  }
  /// All but what needs C6. @param r0 cutoff radius of the pair
  void put(std::size_t n, const Partner& p, double r0, const Fade& fade_out) {
    x[n] = p.place[0], y[n] = p.place[1], z[n] = p.place[2];
    const double r = std::sqrt(p.r2);
    r2[n] = p.r2;
    inverse_r3[n] = 1.0 / (p.r2 * r);
    damp[n] = std::pow(r0 * r0 / p.r2, 8.0 / 3);
    Lanes s, by_r;
    fade_out(r, s, by_r);
    fade[n] = s[0], slope[n] = 0.5 * by_r[0] / r;
  }
};

/// What the triples of one atom add up to.
struct TripleSums {
  Lanes energy = 0.0, by_cn = 0.0, fx = 0.0, fy = 0.0, fz = 0.0;
  Lanes virial[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
};

}  // namespace mdbench::d3
