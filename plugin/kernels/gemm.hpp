// SPDX-License-Identifier: MIT
#pragma once

#include "simd.hpp"

namespace mdbench {

/// A matrix: rows at a stride, their elements at a step (other than 1 only for A).
template <class Real>
struct Matrix {
  Real* data;
  std::ptrdiff_t stride;
  std::ptrdiff_t step = 1;
};

namespace detail {

template <int Rows, int Vectors, class Real>
inline void gemm_tile(int inner, Matrix<const Real> a, Matrix<const Real> b, Matrix<Real> c,
                      bool accumulate) {
  constexpr int W = kWidth<Real>;
  Vec<Real> sum[Rows][Vectors];
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      sum[r][v] = accumulate ? load<Real>(c.data + r * c.stride + v * W) : Vec<Real>(Real(0));
  for (int k = 0; k < inner; ++k) {
    Vec<Real> row[Vectors];
    for (int v = 0; v < Vectors; ++v) row[v] = load<Real>(b.data + k * b.stride + v * W);
    for (int r = 0; r < Rows; ++r) {
      const Vec<Real> x(a.data[r * a.stride + k * a.step]);
      for (int v = 0; v < Vectors; ++v) sum[r][v] += x * row[v];
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v) store<Real>(c.data + r * c.stride + v * W, sum[r][v]);
}

template <int Vectors, class Real>
inline void gemm_panel(int rows, int inner, Matrix<const Real> a, Matrix<const Real> b,
                       Matrix<Real> c, bool accumulate) {
  constexpr int kRows = 6;
  int r = 0;
  const auto tile = [&]<int Rows>() {
    gemm_tile<Rows, Vectors, Real>(inner, {a.data + r * a.stride, a.stride, a.step}, b,
                                   {c.data + r * c.stride, c.stride}, accumulate);
    r += Rows;
  };
  while (r + kRows <= rows) tile.template operator()<kRows>();
  if (rows - r >= 4) tile.template operator()<4>();
  if (rows - r >= 2) tile.template operator()<2>();
  if (rows - r >= 1) tile.template operator()<1>();
}

}  // namespace detail

/// C[rows, columns] (+)= A[rows, inner] B[inner, columns]; columns is a multiple of the width.
/// Our matrices are small (inner <= a few hundred) and lie in cache: a library's packing and
/// dispatch cost more than they gain there (measured in benchmarks/).
template <class Real>
void gemm(int rows, int inner, int columns, Matrix<const Real> a, Matrix<const Real> b,
          Matrix<Real> c, bool accumulate) {
  constexpr int W = kWidth<Real>;
  // 32 vector registers hold 6 x 4 sums, 16 hold 6 x 2
  constexpr int kVectors = sizeof(Vec<Real>) == 64 ? 4 : 2;
  int j = 0;
  for (; j + kVectors * W <= columns; j += kVectors * W)
    detail::gemm_panel<kVectors, Real>(rows, inner, a, {b.data + j, b.stride},
                                       {c.data + j, c.stride}, accumulate);
  for (; j + 2 * W <= columns; j += 2 * W)
    detail::gemm_panel<2, Real>(rows, inner, a, {b.data + j, b.stride}, {c.data + j, c.stride},
                                accumulate);
  for (; j < columns; j += W)
    detail::gemm_panel<1, Real>(rows, inner, a, {b.data + j, b.stride}, {c.data + j, c.stride},
                                accumulate);
}

}  // namespace mdbench
