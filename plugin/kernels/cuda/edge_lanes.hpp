// SPDX-License-Identifier: MIT
#pragma once

#include "layout.hpp"
#include "vector.hpp"
#include "warp.hpp"

/// How a warp works at a tile of edges: lanes 2g and 2g + 1 share channels, each has two of the
/// four edges. A number of the channels (a row of V, a slot) so serves two edges, a number of the
/// edges (U, Y) two channels; and as neighbouring lanes read the same channels, loads of them
/// return two registers a cycle. In double a lane has one channel, a warp 16 at a time.
namespace mdbench::cuda {

inline constexpr int kEdges = 2;
template <class Real>
inline constexpr int kChannels = 8 / static_cast<int>(sizeof(Real));

/// Channels of a warp at a time.
template <int C>
inline constexpr int kSweep = kWarp / kEdges * C;

__device__ __forceinline__ bool odd_lane() { return threadIdx.x % 2 != 0; }
/// First of the lane's edges within the tile.
__device__ __forceinline__ int lane_edge() { return odd_lane() ? kEdges : 0; }
/// First of the lane's channels among those of the warp.
template <int C>
__device__ __forceinline__ int lane_channel() {
  return lane_index() / 2 * C;
}

/// Rows of V for a tile, by twos.
template <class Real>
struct RunRows {
  const Real* v;
  int twos;
};

/// The rows of one tile after the other, for the channels of a lane. What finds those of the next
/// tile is loaded while the warp works at a tile: `look_ahead` at its beginning, `advance` at its
/// end.
template <class Real>
class RowReader {
 public:
  /// Of the tiles `run[0], run[step] ..`, before run[count]; there is at least one.
  __device__ RowReader(const EdgeProduct<Real>& product, int receiver_kind, int channel,
                       const int* run, int count, int step)
      : product_(product),
        table_of_sender_(product.table_of_pair + receiver_kind * product.kinds),
        run_(run),
        count_(count),
        step_(step),
        inverse_segments_(1.0f / static_cast<float>(product.segments)),
        path_stride_(radial_rows(product.rank) * kWarp) {
    const std::int64_t block = static_cast<std::int64_t>(product.paths) * path_stride_;
    v_ = product.v + channel / kWarp * block + channel % kWarp;
    run_stride_ = product.channels / kWarp * block;
    next_run_ = __ldg(run_);
    look_ahead(-step);
    advance();
  }
  /// At the tile `t`.
  __device__ __forceinline__ void look_ahead(int t) {
    const int kind = kind_of(next_run_);
    at_ = next_run_ - kind * product_.segments;
    table_ = __ldg(table_of_sender_ + kind);
    const int after = t + 2 * step_;
    next_run_ = __ldg(run_ + (after < count_ ? after : 0));
  }
  __device__ __forceinline__ void advance() {
    const int at = table_ * product_.segments + at_;
    rows_ = {v_ + at * run_stride_, (__ldg(product_.run_rank + at) + 1) / 2};
  }
  __device__ __forceinline__ const RunRows<Real>& rows() const { return rows_; }
  __device__ __forceinline__ int path_stride() const { return path_stride_; }

 private:
  /// Not a division, which takes twenty instructions; exact for all there can be.
  __device__ __forceinline__ int kind_of(int run) const {
    return static_cast<int>((static_cast<float>(run) + 0.5f) * inverse_segments_);
  }
  const EdgeProduct<Real>& product_;
  const int *table_of_sender_, *run_;
  int count_, step_, next_run_, table_, at_;
  float inverse_segments_;
  int path_stride_;
  std::int64_t run_stride_;
  const Real* v_;
  RunRows<Real> rows_;
};

/// Of the sums v[0 .. N - 1] over lanes of the same parity, the one with number
/// `shared_sum_index<N>()`; a fixed order.
template <int N, int Offset = kWarp / 2, class T>
__device__ __forceinline__ T shared_sum(T* v) {
  if constexpr (Offset == 1) {
    static_assert(N == 1);
    return v[0];
  } else {
    constexpr int half = (N + 1) / 2;
    if constexpr (N == 1) {
      v[0] += __shfl_xor_sync(kAllLanes, v[0], Offset);
    } else {
      const bool upper = (lane_index() & Offset) != 0;
#pragma unroll
      for (int i = 0; i < half; ++i) {
        const T first = v[i], second = i + half < N ? v[i + half < N ? i + half : 0] : T(0);
        const T received = __shfl_xor_sync(kAllLanes, upper ? first : second, Offset);
        v[i] = (upper ? second : first) + received;
      }
    }
    return shared_sum<half, Offset / 2>(v);
  }
}

/// -1 where the sum is another lane's, too.
template <int N, int Offset = kWarp / 2>
__device__ __forceinline__ int shared_sum_index() {
  if constexpr (Offset == 1) {
    return 0;
  } else {
    constexpr int half = (N + 1) / 2;
    const int index = shared_sum_index<half, Offset / 2>();
    if ((lane_index() & Offset) == 0 || index < 0) return index;
    return N > 1 && index + half < N ? index + half : -1;
  }
}

/// R += U V for N rows: r[path][edge][channel].
template <int P, int N, int C, class Real>
__device__ __forceinline__ void add_rows(const Real* u, const Real* v, int path_stride,
                                         Real (&r)[P][kEdges][C]) {
  Vector<Real, kEdges> uq[N];
  Vector<Real, C> vq[P][N];
#pragma unroll
  for (int q = 0; q < N; ++q) uq[q] = read_vector<Real, kEdges>(u + q * kTile);
#pragma unroll
  for (int p = 0; p < P; ++p)
#pragma unroll
    for (int q = 0; q < N; ++q) vq[p][q] = read_vector<Real, C>(v + p * path_stride + q * kWarp);
#pragma unroll
  for (int q = 0; q < N; ++q)
#pragma unroll
    for (int p = 0; p < P; ++p)
#pragma unroll
      for (int e = 0; e < kEdges; ++e)
#pragma unroll
        for (int c = 0; c < C; ++c) r[p][e][c] += uq[q].at[e] * vq[p][q].at[c];
}

}  // namespace mdbench::cuda
