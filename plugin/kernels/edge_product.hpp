// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "edge_slots.hpp"
#include "simd.hpp"

namespace mdbench {

/// The edges of one atom for one vector of channels.
template <class Real>
struct EdgeSpan {
  int count;
  const std::int64_t* sender_row;  ///< offset of the sender's features
  const Real* features;            ///< sender's features, at this vector of channels
  std::ptrdiff_t component_stride;
  const Real* harmonics;  ///< Y of this l2; next edge at harmonics_stride
  std::ptrdiff_t harmonics_stride;
};

namespace detail {

/// Edges summed in registers before the sums go to memory: bounds the error of "mixed".
inline constexpr int kEdgeBlock = 16;

template <int M, int N, class Real, class Sum>
inline void accumulate_block(const EdgeSpan<Real>& e, const SlotRow* rows, const Real* radial,
                             std::ptrdiff_t path_stride, std::ptrdiff_t edge_stride, Sum* slots) {
  constexpr int W = kWidth<Real>;
  constexpr bool wider = sizeof(Sum) > sizeof(Real);
  const Real* r[N];
  std::ptrdiff_t h[N];
  for (int n = 0; n < N; ++n) {
    r[n] = radial + rows[n].path * path_stride;
    h[n] = rows[n].component * e.component_stride;
  }
  const int block = wider ? kEdgeBlock : e.count;
  for (int first = 0; first < e.count; first += block) {
    const int last = std::min(first + block, e.count);
    Vec<Real> sum[N][M];
    for (int n = 0; n < N; ++n)
      for (int m = 0; m < M; ++m) sum[n][m] = Real(0);
    for (int i = first; i < last; ++i) {
      const Real* sender = e.features + e.sender_row[i];
      const Real* y = e.harmonics + i * e.harmonics_stride;
      Vec<Real> x[N];
      for (int n = 0; n < N; ++n) x[n] = load(r[n] + i * edge_stride) * load(sender + h[n]);
      for (int m = 0; m < M; ++m) {
        const Vec<Real> ym(y[m]);
        for (int n = 0; n < N; ++n) sum[n][m] += x[n] * ym;
      }
    }
    for (int n = 0; n < N; ++n)
      for (int m = 0; m < M; ++m) add_to(slots + (n * M + m) * W, sum[n][m]);
  }
}

/// Rows whose sums fit the registers together.
template <class Real>
constexpr int rows_at_once(int m) {
  if (sizeof(Vec<Real>) == 64) return m == 1 ? 8 : m == 3 ? 7 : m == 5 ? 4 : 3;
  return m == 1 ? 6 : m == 3 ? 3 : m == 5 ? 2 : 1;
}

template <int M, int N, class Real, class Sum>
void accumulate_rows(const EdgeSpan<Real>& e, const SlotRow* rows, int count, const Real* radial,
                     std::ptrdiff_t path_stride, std::ptrdiff_t edge_stride, Sum* slots) {
  while (count >= N) {
    accumulate_block<M, N>(e, rows, radial, path_stride, edge_stride, slots);
    rows += N, count -= N, slots += N * M * kWidth<Real>;
  }
  if constexpr (N > 1)
    if (count > 0)
      accumulate_rows<M, N - 1>(e, rows, count, radial, path_stride, edge_stride, slots);
}

}  // namespace detail

/// slots[row][m2] += sum over edges of R h Y, for l2 = (M - 1) / 2.
/// radial: [path][edge][lanes] at the given strides.
template <int M, class Real, class Sum>
void accumulate_slots(const EdgeSpan<Real>& e, const std::vector<SlotRow>& rows, const Real* radial,
                      std::ptrdiff_t path_stride, std::ptrdiff_t edge_stride, Sum* slots) {
  detail::accumulate_rows<M, detail::rows_at_once<Real>(M)>(
      e, rows.data(), static_cast<int>(rows.size()), radial, path_stride, edge_stride, slots);
}

/// One edge in the reverse pass of `accumulate_slots`, for some vectors of channels.
template <class Real>
struct ReverseEdge {
  int max_ell;
  const Real* harmonics;
  const Real* features;  ///< sender's features; next component at component_stride
  std::ptrdiff_t component_stride;
  const Real* radial;  ///< [vector][lanes]; next path at path_stride
  const Real* slope;
  std::ptrdiff_t path_stride;
  const Real* slots_bar;  ///< [vector][slot][lanes], of the receiver
  std::ptrdiff_t vector_stride;
};

namespace detail {

/// What an edge collects over one l2; all of it lies in registers.
template <int M, class Real>
struct HarmonicSums {
  Vec<Real> y[M], y_bar[M], r_bar;
};

template <int L1, int M, int Vectors, class Real>
[[gnu::always_inline]] inline void reverse_paths(const PathBlock& block, const ReverseEdge<Real>& e,
                                                 HarmonicSums<M, Real>& sums,
                                                 Vec<Real> (*features_bar)[Vectors]) {
  constexpr int W = kWidth<Real>, N = 2 * L1 + 1;
#pragma GCC unroll 2
  for (int v = 0; v < Vectors; ++v) {
    Vec<Real> h[N], h_bar[N];
    for (int n = 0; n < N; ++n) {
      h[n] = load(e.features + (L1 * L1 + n) * e.component_stride + v * W);
      h_bar[n] = M == 1 ? Vec<Real>(Real(0)) : features_bar[L1 * L1 + n][v];  // l2 = 0 is first
    }
    const Real* s = e.slots_bar + v * e.vector_stride + block.first_slot * W;
    std::ptrdiff_t at = block.first_path * e.path_stride + v * W;
    for (int p = 0; p < block.paths; ++p, s += N * M * W, at += e.path_stride) {
      const Vec<Real> r = load(e.radial + at);
      Vec<Real> along(Real(0));
      for (int n = 0; n < N; ++n) {
        Vec<Real> t(Real(0));
        if constexpr (M == 1) {
          t = in_register(load(s + n * W));
        } else {
          const Vec<Real> x = r * h[n];
          for (int m = 0; m < M; ++m) {
            const Vec<Real> sm = in_register(load(s + (n * M + m) * W));
            t += sm * sums.y[m];
            sums.y_bar[m] += sm * x;
          }
        }
        h_bar[n] += r * t;
        along += t * h[n];
      }
      sums.r_bar += load(e.slope + at) * along;
    }
    for (int n = 0; n < N; ++n) features_bar[L1 * L1 + n][v] = h_bar[n];
  }
}

/// The paths of one l2; y_bar gets dE/dY, r_bar adds up over the groups.
template <int L2, int MaxL1, int Vectors, class Real>
[[gnu::always_inline]] inline void reverse_group(const PathBlock* blocks,
                                                 const ReverseEdge<Real>& e,
                                                 Vec<Real> (*features_bar)[Vectors],
                                                 Vec<Real>* y_bar, Vec<Real>& r_bar) {
  constexpr int M = 2 * L2 + 1;
  if (L2 > 0 && L2 > e.max_ell) {
    for (int m = 0; m < M; ++m) y_bar[m] = Real(0);
    return;
  }
  HarmonicSums<M, Real> sums;
  for (int m = 0; m < M; ++m) {
    sums.y[m] = in_register(Vec<Real>(e.harmonics[L2 * L2 + m]));
    sums.y_bar[m] = Real(0);
  }
  sums.r_bar = r_bar;
  reverse_paths<0, M, Vectors>(blocks[0], e, sums, features_bar);
  if constexpr (MaxL1 > 0) reverse_paths<1, M, Vectors>(blocks[1], e, sums, features_bar);
  if constexpr (MaxL1 > 1) reverse_paths<2, M, Vectors>(blocks[2], e, sums, features_bar);
  for (int m = 0; m < M; ++m) y_bar[m] = sums.y_bar[m];
  r_bar = sums.r_bar;
}

template <int MaxL1, int Vectors, class Real, class Sum>
inline void reverse_edge(const PathBlocks& blocks, const ReverseEdge<Real>& e, Sum* features_bar,
                         double* harmonics_bar) {
  constexpr int comps = components(MaxL1);
  static_assert(kMaxEll == 3);
  Vec<Real> h_bar[comps][Vectors], y_bar[kMaxComponents], r_bar(Real(0));
  reverse_group<0, MaxL1, Vectors>(blocks[0].data(), e, h_bar, y_bar, r_bar);
  reverse_group<1, MaxL1, Vectors>(blocks[1].data(), e, h_bar, y_bar + 1, r_bar);
  reverse_group<2, MaxL1, Vectors>(blocks[2].data(), e, h_bar, y_bar + 4, r_bar);
  reverse_group<3, MaxL1, Vectors>(blocks[3].data(), e, h_bar, y_bar + 9, r_bar);
  for (int n = 0; n < comps; ++n)
    for (int v = 0; v < Vectors; ++v)
      add_to(features_bar + n * e.component_stride + v * kWidth<Real>, h_bar[n][v]);
  y_bar[0] = r_bar;  // Y_00 is a constant
  add_lane_sums(y_bar, harmonics_bar);
}

}  // namespace detail

/// Adds an edge's gradients of the slots' sums: to features_bar (dE/dh of the sender, next
/// component at component_stride), and to harmonics_bar: dE/dr, then dE/dY_m for m > 0.
template <int Vectors, class Real, class Sum>
inline void reverse_slots(const PathBlocks& blocks, int sender_components,
                          const ReverseEdge<Real>& e, Sum* features_bar, double* harmonics_bar) {
  static_assert(kMaxSenderEll == 2);
  if (sender_components == components(0))
    detail::reverse_edge<0, Vectors>(blocks, e, features_bar, harmonics_bar);
  else if (sender_components == components(1))
    detail::reverse_edge<1, Vectors>(blocks, e, features_bar, harmonics_bar);
  else
    detail::reverse_edge<2, Vectors>(blocks, e, features_bar, harmonics_bar);
}

}  // namespace mdbench
