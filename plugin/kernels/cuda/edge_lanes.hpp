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

/// p[index * stride], the stride in bytes: one instruction.
template <class T>
__device__ __forceinline__ const T* at_stride(const T* p, int index, unsigned stride) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(p) +
                                    static_cast<unsigned long long>(static_cast<unsigned>(index)) *
                                        stride);
}

/// Loads that stay where they are written: the compiler would put them after the loops that are to
/// hide how long they take.
template <class Real, int N>
__device__ __forceinline__ Vector<Real, N> read_early(const Real* from) {
#ifdef __CUDA_ARCH__
  constexpr bool single = sizeof(Real) == 4;
  Vector<Real, N> x;
  if constexpr (single && N == 1)
    asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(x.at[0]) : "l"(from));
  else if constexpr (single)
    asm volatile("ld.global.nc.v2.f32 {%0, %1}, [%2];" : "=f"(x.at[0]), "=f"(x.at[1]) : "l"(from));
  else if constexpr (N == 1)
    asm volatile("ld.global.nc.f64 %0, [%1];" : "=d"(x.at[0]) : "l"(from));
  else
    asm volatile("ld.global.nc.v2.f64 {%0, %1}, [%2];" : "=d"(x.at[0]), "=d"(x.at[1]) : "l"(from));
  return x;
#else
  return read_vector<Real, N>(from);
#endif
}

/// Features of the senders of the lane's edges: `Components` from `h` on.
template <int Components, int C, class Real>
__device__ __forceinline__ void read_features(const EdgeProduct<Real>& product, const Real* h,
                                              int2 sender, Real (&x)[Components][kEdges][C]) {
  const unsigned row = static_cast<unsigned>(product.channels) * sizeof(Real);
  const Real *first = at_stride(h, sender.x, row * product.sender_components),
             *second = at_stride(h, sender.y, row * product.sender_components);
#pragma unroll
  for (int n = 0; n < Components; ++n) {
    const auto a = read_early<Real, C>(at_stride(first, n, row)),
               b = read_early<Real, C>(at_stride(second, n, row));
#pragma unroll
    for (int c = 0; c < C; ++c) x[n][0][c] = a.at[c], x[n][1][c] = b.at[c];
  }
}

/// A tile, as a lane sees it.
template <class Real>
struct TileView {
  const Real *u, *y;  ///< of the lane's edges
  const Real* v;      ///< of the lane's channels
  int twos;           ///< rows of V
  unsigned path_stride, slope_stride;
};

/// The tiles of a receiver that a warp takes one after the other: number `first`, and every
/// `step`-th from there.
template <class Real>
class TileReader {
 public:
  __device__ TileReader(const EdgeProduct<Real>& product, const Tiles<Real>& tiles,
                        const Real* columns, std::int64_t first, int step, int channel)
      : product_(product), step_(step) {
    const int components = (product.max_ell + 1) * (product.max_ell + 1);
    const std::int64_t block =
        static_cast<std::int64_t>(product.paths) * radial_rows(product.rank) * kWarp;
    run_ = tiles.run + first;
    sender_ = tiles.sender + first * kTile + lane_edge();
    u_ = columns + first * 2 * product.width * kTile + lane_edge();
    y_ = tiles.harmonics + first * components * kTile + lane_edge();
    v_ = product.v + channel / kWarp * block + channel % kWarp;
    u_stride_ = static_cast<unsigned>(step * 2 * product.width * kTile * sizeof(Real));
    y_stride_ = static_cast<unsigned>(step * components * kTile * sizeof(Real));
    run_stride_ = static_cast<unsigned>(product.channels / kWarp * block * sizeof(Real));
  }
  /// Finds the rows of V for 32 tiles, a lane each: what takes three loads after each other is then
  /// no more than an exchange. To be called before tile `t` where t % 32 == 0.
  __device__ __forceinline__ void find_rows(int t, int count, const int* table_of_sender) {
    const int mine = t + lane_index();
    const int run = __ldg(run_ + static_cast<std::int64_t>(mine < count ? mine : t) * step_);
    const int kind = run / product_.segments;
    const int at =
        __ldg(table_of_sender + kind) * product_.segments + run - kind * product_.segments;
    packed_ = static_cast<unsigned>(at) * kPack +
              static_cast<unsigned>(__ldg(product_.run_rank + at) + 1) / 2;
  }
  __device__ __forceinline__ int2 senders(int t) const {
    return __ldg(reinterpret_cast<const int2*>(
        at_stride(sender_, t, static_cast<unsigned>(step_ * kTile * sizeof(int)))));
  }
  __device__ __forceinline__ TileView<Real> view(int t) const {
    // the same in all lanes, and known to be so: what depends on it are no branches of lanes
    const unsigned packed =
        __reduce_max_sync(kAllLanes, __shfl_sync(kAllLanes, packed_, t % kWarp));
    TileView<Real> view;
    view.u = at_stride(u_, t, u_stride_);
    view.y = at_stride(y_, t, y_stride_);
    view.v = at_stride(v_, static_cast<int>(packed / kPack), run_stride_);
    view.twos = static_cast<int>(packed % kPack);
    view.path_stride = static_cast<unsigned>(radial_rows(product_.rank) * kWarp * sizeof(Real));
    view.slope_stride = static_cast<unsigned>(product_.width * kTile * sizeof(Real));
    return view;
  }

 private:
  static constexpr unsigned kPack = radial_rows(kMaxEdgeRank) / 2 + 1;
  const EdgeProduct<Real>& product_;
  int step_;
  const int *run_, *sender_;
  const Real *u_, *y_, *v_;
  unsigned u_stride_, y_stride_, run_stride_;
  unsigned packed_ = 0;
};

/// Of the sums v[0 .. N - 1] over lanes of the same parity, the one with number
/// `shared_sum_index<N>()`; a fixed order.
template <int N, class T>
__device__ __forceinline__ T shared_sum(T* v) {
  static_assert(N <= kWarp / 2, "more sums than lanes of a parity");
  halve_lanes<N, kWarp / 2, 1>(v);
  return v[0];
}

/// -1 where the sum is another lane's, too.
template <int N>
__device__ __forceinline__ int shared_sum_index() {
  return reduced_index<N, kWarp / 2, 1>();
}

/// R += U V for N rows from q = First on: r[path][edge][channel].
template <int P, int N, int First, int C, class Real>
__device__ __forceinline__ void add_rows(const Real* u, const Real* v, unsigned path_stride,
                                         Real (&r)[P][kEdges][C]) {
  Vector<Real, kEdges> uq[N];
  Vector<Real, C> vq[P][N];
#pragma unroll
  for (int q = 0; q < N; ++q) uq[q] = read_vector<Real, kEdges>(u + (First + q) * kTile);
#pragma unroll
  for (int p = 0; p < P; ++p)
#pragma unroll
    for (int q = 0; q < N; ++q)
      vq[p][q] = read_vector<Real, C>(at_stride(v, p, path_stride) + (First + q) * kWarp);
#pragma unroll
  for (int q = 0; q < N; ++q)
#pragma unroll
    for (int p = 0; p < P; ++p)
#pragma unroll
      for (int e = 0; e < kEdges; ++e)
#pragma unroll
        for (int c = 0; c < C; ++c) r[p][e][c] += uq[q].at[e] * vq[p][q].at[c];
}

/// R = U V for paths that follow each other.
template <int P, int C, class Real>
__device__ __forceinline__ void radial_values(const TileView<Real>& tile, const Real* v,
                                              Real (&r)[P][kEdges][C]) {
#pragma unroll
  for (int p = 0; p < P; ++p)
#pragma unroll
    for (int e = 0; e < kEdges; ++e)
#pragma unroll
      for (int c = 0; c < C; ++c) r[p][e][c] = Real(0);
  const Real* u = tile.u;
  int twos = tile.twos;
#pragma unroll 1
  for (; twos >= 4; twos -= 4, u += 8 * kTile, v += 8 * kWarp) {
    add_rows<P, 4, 0, C>(u, v, tile.path_stride, r);
    add_rows<P, 4, 4, C>(u, v, tile.path_stride, r);
  }
  if (twos >= 2) {
    add_rows<P, 4, 0, C>(u, v, tile.path_stride, r);
    if (twos == 3) add_rows<P, 2, 4, C>(u, v, tile.path_stride, r);
  } else if (twos == 1) {
    add_rows<P, 2, 0, C>(u, v, tile.path_stride, r);
  }
}

}  // namespace mdbench::cuda
