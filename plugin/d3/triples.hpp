// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "lanes.hpp"
#include "reference.hpp"

namespace mdbench::d3 {

/// The neighbours of one atom within the cutoff of the triples, sorted by kind; a workspace.
struct Triples {
  std::vector<std::int32_t> found;                ///< images, in the order of the list
  std::vector<std::size_t> first;                 ///< [kinds + 1] of each kind's neighbours
  std::vector<std::int32_t> image;                ///< [neighbours]
  Buffer<double> x, y, z;                         ///< from the atom
  Buffer<double> r2, inverse_r3, damp;            ///< damp: (R0/r)^(16/3)
  Buffer<double> fade, slope;                     ///< S and dS/d(r^2)
  Buffer<double> c6, log_slope;                   ///< with the atom; d ln(C6) / dCN of the atom
  Buffer<double> weight[kMaxReferences];          ///< of the neighbour's references

  /// Room for `n` neighbours and for reading one vector past the last.
  void resize(std::size_t n) {
    image.resize(n);
    for (auto* b : {&x, &y, &z, &r2, &inverse_r3, &damp, &fade, &slope, &c6, &log_slope})
      b->assign(n + W, 1.0);
    for (auto& w : weight) w.assign(n + W, 0.0);
  }
};

/// What the triples of one atom add up to.
struct TripleSums {
  Lanes energy = 0.0, by_cn = 0.0, fx = 0.0, fy = 0.0, fz = 0.0;
  Lanes virial[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
};

}  // namespace mdbench::d3
