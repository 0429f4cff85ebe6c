// SPDX-License-Identifier: MIT
#pragma once

#include "panels.hpp"
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

/// Vectors of a panel of B: 32 registers hold 6 x 4 sums, 16 hold 6 x 2.
template <class Real>
inline constexpr int kPanelVectors = sizeof(Vec<Real>) == 64 ? 4 : 2;

namespace detail {

/// `part` gives B from a column on.
template <class Real, class Part>
void gemm_parts(int rows, int inner, int columns, Matrix<const Real> a, Part&& part, Matrix<Real> c,
                bool accumulate) {
  constexpr int W = kWidth<Real>, kVectors = kPanelVectors<Real>;
  int j = 0;
  for (; j + kVectors * W <= columns; j += kVectors * W)
    gemm_panel<kVectors, Real>(rows, inner, a, part(j), {c.data + j, c.stride}, accumulate);
  for (; j + 2 * W <= columns; j += 2 * W)
    gemm_panel<2, Real>(rows, inner, a, part(j), {c.data + j, c.stride}, accumulate);
  for (; j < columns; j += W)
    gemm_panel<1, Real>(rows, inner, a, part(j), {c.data + j, c.stride}, accumulate);
}

}  // namespace detail

/// C[rows, columns] (+)= A[rows, inner] B[inner, columns]; columns is a multiple of the width.
/// Our matrices are small (inner <= a few hundred) and lie in cache: a library's packing and
/// dispatch cost more than they gain there (measured in benchmarks/).
template <class Real>
void gemm(int rows, int inner, int columns, Matrix<const Real> a, Matrix<const Real> b,
          Matrix<Real> c, bool accumulate) {
  const auto part = [=](int j) { return Matrix<const Real>{b.data + j, b.stride}; };
  detail::gemm_parts<Real>(rows, inner, columns, a, part, c, accumulate);
}

/// The same with a B in panels of `kPanelVectors`, for large ones: a part of a panel that fits the
/// first cache meets all rows of A before the next one does.
template <class Real>
void gemm(int rows, Matrix<const Real> a, const Panels& shape, const Real* b, Matrix<Real> c,
          bool accumulate) {
  constexpr int kInner = 16384 / (kPanelVectors<Real> * sizeof(Vec<Real>));
  for (int first = 0; first < shape.rows; first += kInner) {
    const auto part = [&](int j) {
      return Matrix<const Real>{b + shape.index(first, j), shape.width_at(j)};
    };
    detail::gemm_parts<Real>(rows, std::min(kInner, shape.rows - first), shape.columns,
                             {a.data + first, a.stride}, part, c, accumulate || first > 0);
  }
}

}  // namespace mdbench
