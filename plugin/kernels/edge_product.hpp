// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "harmonics.hpp"
#include "simd.hpp"

namespace mdbench {

/// The product R(r) h Y over the edges of an atom, in uncontracted slots (row, m2): a row is a
/// path with one component of the sender's features. Clebsch-Gordan coefficients are applied to
/// the sums, once an atom instead of once an edge.
struct SlotRow {
  int path;       ///< among the paths of this l2
  int component;  ///< of the sender's features
};

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

/// Where the reverse pass of `accumulate_slots` adds its results.
template <class Sum>
struct EdgeGradients {
  const std::int64_t* sender_row;  ///< offset of the sender's feature gradient
  Sum* features;                   ///< at this vector of channels
  double* harmonics;               ///< dE/dY of this l2; next edge at kMaxComponents
  double* distance;                ///< [edge] dE/dr
};

/// Gradients of the slots' sums for `Vectors` vectors of channels at once: slots_bar is
/// [vector][row][m2][lanes], radial and its slope [path][edge][vector][lanes].
template <int M, int Vectors, class Real, class Sum>
void reverse_slots(const EdgeSpan<Real>& e, const std::vector<SlotRow>& rows, const Real* radial,
                   const Real* slope, std::ptrdiff_t path_stride, const Real* slots_bar,
                   const EdgeGradients<Sum>& out) {
  constexpr int W = kWidth<Real>;
  const std::ptrdiff_t edge_stride = Vectors * W;
  const int count = static_cast<int>(rows.size());
  const std::ptrdiff_t vector_stride = static_cast<std::ptrdiff_t>(count) * M * W;
  for (int i = 0; i < e.count; ++i) {
    const Real* y = e.harmonics + i * e.harmonics_stride;
    Vec<Real> ym[M], bar[M + 1];  // dE/dY, dE/dr
    for (int m = 0; m < M; ++m) ym[m] = Vec<Real>(y[m]);
    for (int m = 0; m <= M; ++m) bar[m] = Real(0);
    const Real* sender = e.features + e.sender_row[i];
    Sum* sender_bar = out.features + out.sender_row[i];
    for (int row = 0; row < count;) {
      const int component = rows[row].component;
      const std::ptrdiff_t at = component * e.component_stride;
      Vec<Real> h[Vectors], h_bar[Vectors];
      for (int v = 0; v < Vectors; ++v) {
        h[v] = load(sender + at + v * W);
        h_bar[v] = Real(0);
      }
      for (; row < count && rows[row].component == component; ++row) {
        const std::ptrdiff_t here = rows[row].path * path_stride + i * edge_stride;
        for (int v = 0; v < Vectors; ++v) {
          const Real* s = slots_bar + v * vector_stride + row * M * W;
          const Vec<Real> r = load(radial + here + v * W), x = r * h[v];
          Vec<Real> t(Real(0));
          for (int m = 0; m < M; ++m) {
            const Vec<Real> sm = load(s + m * W);
            t += sm * ym[m];
            bar[m] += sm * x;
          }
          h_bar[v] += r * t;
          bar[M] += load(slope + here + v * W) * (t * h[v]);
        }
      }
      for (int v = 0; v < Vectors; ++v) add_to(sender_bar + at + v * W, h_bar[v]);
    }
    double sums[M + 1] = {};
    add_lane_sums(bar, sums);
    for (int m = 0; m < M; ++m) out.harmonics[i * kMaxComponents + m] += sums[m];
    out.distance[i] += sums[M];
  }
}

}  // namespace mdbench
