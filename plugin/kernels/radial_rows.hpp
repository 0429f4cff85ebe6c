// SPDX-License-Identifier: MIT
#pragma once

#include "simd.hpp"

namespace mdbench {

/// R = U V, and with its slopes R' = U' V, for a tile of edges that share the rows V.
template <int Tile, class Real>
struct RadialRows {
  int rank, paths;
  const Real* v;      ///< [path][rank][lanes]
  const Real* value;  ///< U: [edge][columns]
  const Real* slope;  ///< U'
  std::ptrdiff_t columns;
  Real* value_out[Tile];  ///< R of each edge: [lanes]; next path at path_stride
  Real* slope_out[Tile];
  std::ptrdiff_t path_stride;
};

namespace detail {

/// Unrolled when Rank > 0: ranks are around six, so a loop of its own would be mostly overhead.
template <int Rank, int Vectors, bool WithSlope, int Tile, class Real>
inline void radial_rows(const RadialRows<Tile, Real>& t) {
  constexpr int W = kWidth<Real>;
  const int rank = Rank > 0 ? Rank : t.rank;
  const Real* v_rows = t.v;
  for (int p = 0; p < t.paths; ++p) {
    Vec<Real> r[Tile][Vectors], d[Tile][Vectors];
    for (int i = 0; i < Tile; ++i)
      for (int v = 0; v < Vectors; ++v) r[i][v] = d[i][v] = Real(0);
#pragma GCC unroll 16
    for (int q = 0; q < rank; ++q, v_rows += Vectors * W) {
      Vec<Real> x[Vectors];
      for (int v = 0; v < Vectors; ++v) x[v] = in_register(load(v_rows + v * W));
      for (int i = 0; i < Tile; ++i) {
        const Vec<Real> u = in_register(Vec<Real>(t.value[i * t.columns + q]));
        for (int v = 0; v < Vectors; ++v) r[i][v] += x[v] * u;
        if constexpr (WithSlope) {
          const Vec<Real> du = in_register(Vec<Real>(t.slope[i * t.columns + q]));
          for (int v = 0; v < Vectors; ++v) d[i][v] += x[v] * du;
        }
      }
    }
    for (int i = 0; i < Tile; ++i)
      for (int v = 0; v < Vectors; ++v) {
        store(t.value_out[i] + p * t.path_stride + v * W, r[i][v]);
        if constexpr (WithSlope) store(t.slope_out[i] + p * t.path_stride + v * W, d[i][v]);
      }
  }
}

}  // namespace detail

template <int Vectors, bool WithSlope, int Tile, class Real>
inline void radial_rows(const RadialRows<Tile, Real>& t) {
  const auto with = [&]<int Rank>() { detail::radial_rows<Rank, Vectors, WithSlope>(t); };
  switch (t.rank) {
    case 4:
      return with.template operator()<4>();
    case 5:
      return with.template operator()<5>();
    case 6:
      return with.template operator()<6>();
    case 7:
      return with.template operator()<7>();
    case 8:
      return with.template operator()<8>();
    case 9:
      return with.template operator()<9>();
    case 10:
      return with.template operator()<10>();
    case 11:
      return with.template operator()<11>();
    case 12:
      return with.template operator()<12>();
    default:
      return with.template operator()<0>();
  }
}

}  // namespace mdbench
