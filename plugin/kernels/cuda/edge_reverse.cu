// SPDX-License-Identifier: MIT
#include "edge_lanes.hpp"
#include "edge_units.hpp"

/// Gradients of the edge product. A warp takes a receiver, 32 channels (16 after 16 where numbers
/// are many) and a part of the tiles. dE/d(slot) waits in shared memory, each number of which is
/// read once a tile; features and their gradients stay in registers over a tile.
namespace mdbench::cuda {
namespace {

constexpr int kMostWarps = 4;  ///< of a block

/// What a warp works at, with C channels a lane.
template <int C, class Real>
struct Task {
  int place, receiver, block, split, tiles;
  int channel;                 ///< the lane's first
  Real* slots_bar;             ///< [slot][channel]
  std::int64_t first_tile;     ///< then every `splits`-th
  bool again;                  ///< other channels have written edge_bar before
  int written[kMaxEdgeEll + 1];  ///< which number of edge_bar the lane writes for each l2, or -1
};

/// R = U V and R' = U' V for N rows from q = First on.
template <int N, int First, int C, class Real>
__device__ __forceinline__ void add_slopes(const Real* u, const Real* v, unsigned slope_stride,
                                           Real (&r)[kEdges][C], Real (&slope)[kEdges][C]) {
  Vector<Real, kEdges> uq[N], dq[N];
  Vector<Real, C> vq[N];
#pragma unroll
  for (int q = 0; q < N; ++q) {
    vq[q] = read_vector<Real, C>(v + (First + q) * kWarp);
    uq[q] = read_vector<Real, kEdges>(u + (First + q) * kTile);
    dq[q] = read_vector<Real, kEdges>(at_stride(u, 1, slope_stride) + (First + q) * kTile);
  }
#pragma unroll
  for (int q = 0; q < N; ++q)
#pragma unroll
    for (int e = 0; e < kEdges; ++e)
#pragma unroll
      for (int c = 0; c < C; ++c) {
        r[e][c] += uq[q].at[e] * vq[q].at[c];
        slope[e][c] += dq[q].at[e] * vq[q].at[c];
      }
}

template <int C, class Real>
__device__ __forceinline__ void radial_slopes(const TileView<Real>& tile, const Real* v,
                                              Real (&r)[kEdges][C], Real (&slope)[kEdges][C]) {
  const Real* u = tile.u;
  int twos = tile.twos;
#pragma unroll 1
  for (; twos >= 2; twos -= 2, u += 4 * kTile, v += 4 * kWarp)
    add_slopes<4, 0, C>(u, v, tile.slope_stride, r, slope);
  if (twos > 0) add_slopes<2, 0, C>(u, v, tile.slope_stride, r, slope);
}

/// What a lane gathers over a tile.
template <int Components, int C, class Real>
struct Gathered {
  Real h[Components][kEdges][C], h_bar[Components][kEdges][C], r_bar[kEdges];
};

/// One path: its slots at `s`, its rows at `v`.
template <int L1, int L2, int C, class Real, class Sums>
__device__ __forceinline__ void reverse_path(const TileView<Real>& tile, const Real* v,
                                             const Real* s, const Vector<Real, kEdges>* y,
                                             Real (*y_bar)[kEdges], Sums& sums) {
  constexpr int N = 2 * L1 + 1, M = 2 * L2 + 1;
  Real r[kEdges][C] = {}, slope[kEdges][C] = {}, along[kEdges][C] = {};
  radial_slopes(tile, v, r, slope);
#pragma unroll
  for (int n = 0; n < N; ++n) {
    Real t[kEdges][C] = {};
#pragma unroll
    for (int m = 0; m < M; ++m) {
      const auto sm = load_vector<Real, C>(s + (n * M + m) * kSweep<C>);
#pragma unroll
      for (int e = 0; e < kEdges; ++e)
#pragma unroll
        for (int c = 0; c < C; ++c) {
          t[e][c] += sm.at[c] * y[m].at[e];
          if (M > 1) y_bar[m][e] += sm.at[c] * (r[e][c] * sums.h[L1 * L1 + n][e][c]);
        }
    }
#pragma unroll
    for (int e = 0; e < kEdges; ++e)
#pragma unroll
      for (int c = 0; c < C; ++c) {
        sums.h_bar[L1 * L1 + n][e][c] += r[e][c] * t[e][c];
        along[e][c] += t[e][c] * sums.h[L1 * L1 + n][e][c];
      }
  }
#pragma unroll
  for (int e = 0; e < kEdges; ++e)
#pragma unroll
    for (int c = 0; c < C; ++c) sums.r_bar[e] += slope[e][c] * along[e][c];
}

/// The paths of L1 and up; `v` and `s` move on.
template <int L1, int MaxL1, int L2, int C, class Real, class Sums>
__device__ __forceinline__ void reverse_paths(const int* paths, const TileView<Real>& tile,
                                              const Real*& v, const Real*& s,
                                              const Vector<Real, kEdges>* y,
                                              Real (*y_bar)[kEdges], Sums& sums) {
#pragma unroll 1
  for (int p = 0; p < paths[L1]; ++p) {
    reverse_path<L1, L2, C>(tile, v, s, y, y_bar, sums);
    v = at_stride(v, 1, tile.path_stride);
    s += (2 * L1 + 1) * (2 * L2 + 1) * kSweep<C>;
  }
  if constexpr (L1 < MaxL1)
    reverse_paths<L1 + 1, MaxL1, L2, C>(paths, tile, v, s, y, y_bar, sums);
}

/// Writes the lane's share of the sums over lanes.
template <int N, class Real>
__device__ __forceinline__ void write_sum(Real (*sums)[kEdges], Real* edge_bar, int at,
                                          bool again) {
  const Real sum = shared_sum<N * kEdges>(&sums[0][0]);
  if (at >= 0) edge_bar[at] = again ? edge_bar[at] + sum : sum;
}

/// The paths of L2 and up.
template <int L2, int MaxL1, int C, class Real, class Sums>
__device__ __forceinline__ void reverse_tile(const EdgeProduct<Real>& product,
                                             const Task<C, Real>& task, const TileView<Real>& tile,
                                             const Real* v, const Real* s, Real* edge_bar,
                                             Sums& sums) {
  constexpr int M = 2 * L2 + 1;
  if (L2 > product.max_ell) return;
  Vector<Real, kEdges> y[M];
  Real y_bar[M][kEdges] = {};
#pragma unroll
  for (int m = 0; m < M; ++m) y[m] = read_early<Real, kEdges>(tile.y + (L2 * L2 + m) * kTile);
  reverse_paths<0, MaxL1, L2, C>(product.paths_of[L2], tile, v, s, y, y_bar, sums);
  if constexpr (L2 > 0) write_sum<M>(y_bar, edge_bar, task.written[L2], task.again);
  if constexpr (L2 < kMaxEdgeEll)
    reverse_tile<L2 + 1, MaxL1>(product, task, tile, v, s, edge_bar, sums);
}

/// A lane's number of edge_bar after `shared_sum` over all components of an l2.
template <int L2>
__device__ __forceinline__ int written_of() {
  constexpr int N = L2 == 0 ? 1 : 2 * L2 + 1;
  const int index = shared_sum_index<N * kEdges>();
  return index < 0 ? -1 : (L2 * L2 + index / kEdges) * kTile + lane_edge() + index % kEdges;
}

/// Adds gradients of features, numbers that do not fit excepted.
template <class Real>
class Adder {
 public:
  __device__ Adder(const EdgeReverse<Real>& f, int channel)
      : f_(f), channel_(channel), row_(f.product.channels), stride_(row_ * f.product.sender_components) {}
  __device__ __forceinline__ void add(int sender, int component, Real x) {
    const std::int64_t at =
        static_cast<std::int64_t>(sender) * stride_ + component * row_ + channel_;
    const bool fits = fabs(x) < static_cast<Real>(kFixedLimit);
    if (fits) {
      if (f_.sender_bar != nullptr)
        atomicAdd(f_.sender_bar + at, static_cast<Fixed>(__double2ll_rn(x * kFixedUnit)));
      else
        atomicAdd(f_.sender_bar_real + at, x);
    }
    bad_ = bad_ || !fits;
  }
  __device__ __forceinline__ void finish() const {
    if (bad_) atomicOr(f_.flags, static_cast<unsigned>(kNotFinite));
  }

 private:
  const EdgeReverse<Real>& f_;
  int channel_, row_, stride_;
  bool bad_ = false;
};

/// dE/dh of a tile. Two lanes with two channels each exchange numbers, so that a lane has a channel
/// of all four edges, and the lanes add to places that follow each other.
template <int Components, int C, class Real>
__device__ __forceinline__ void add_features(const EdgeReverse<Real>& f, std::int64_t tile,
                                             const Real (&h_bar)[Components][kEdges][C],
                                             Adder<Real>& adder) {
  const int4 sender = __ldg(reinterpret_cast<const int4*>(f.tiles.sender + tile * kTile));
  const int4 pair = __ldg(reinterpret_cast<const int4*>(f.tiles.pair + tile * kTile));
  const int senders[kTile] = {sender.x, sender.y, sender.z, sender.w};
  const int pairs[kTile] = {pair.x, pair.y, pair.z, pair.w};
#pragma unroll
  for (int e = 0; e < kEdges; ++e)
#pragma unroll
    for (int n = 0; n < Components; ++n) {
      const Real even = h_bar[n][e][0], odd = h_bar[n][e][C - 1];
      if constexpr (C == 2) {
        const Real received = __shfl_xor_sync(kAllLanes, odd_lane() ? even : odd, 1);
        if (pairs[e] >= 0) adder.add(senders[e], n, odd_lane() ? received : even);
        if (pairs[e + kEdges] >= 0)
          adder.add(senders[e + kEdges], n, odd_lane() ? odd : received);
      } else if ((odd_lane() ? pairs[e + kEdges] : pairs[e]) >= 0) {
        adder.add(odd_lane() ? senders[e + kEdges] : senders[e], n, even);
      }
    }
}

template <int MaxL1, int C, class Real>
__device__ __forceinline__ void reverse_tiles(const EdgeReverse<Real>& f,
                                              const Task<C, Real>& task) {
  constexpr int components = (MaxL1 + 1) * (MaxL1 + 1);
  const EdgeProduct<Real>& product = f.product;
  const int* table_of_sender =
      product.table_of_pair + f.pairs.receiver_kind[task.receiver] * product.kinds;
  TileReader<Real> reader(product, f.tiles, f.columns, task.first_tile, f.splits, task.channel);
  Adder<Real> adder(f, C == 2 ? task.channel + lane_index() % 2 : task.channel);
  const int all = (product.max_ell + 1) * (product.max_ell + 1) * kTile;
  const int warps = product.channels / kWarp;
  Real* edge_bar = f.edge_bar + (task.first_tile * warps + task.block) * all;
  int2 sender = reader.senders(0);
#pragma unroll 1
  for (int t = 0; t < task.tiles; ++t) {
    Gathered<components, C, Real> sums;
    read_features(product, f.sender + task.channel, sender, sums.h);
    sender = reader.senders(t + 1 < task.tiles ? t + 1 : t);
#pragma unroll
    for (int n = 0; n < components; ++n)
#pragma unroll
      for (int e = 0; e < kEdges; ++e)
#pragma unroll
        for (int c = 0; c < C; ++c) sums.h_bar[n][e][c] = Real(0);
    sums.r_bar[0] = sums.r_bar[1] = Real(0);
    if (t % kWarp == 0) reader.find_rows(t, task.tiles, table_of_sender);
    const TileView<Real> tile = reader.view(t);
    Real* out = edge_bar + static_cast<std::int64_t>(t) * f.splits * warps * all;
    reverse_tile<0, MaxL1>(product, task, tile, tile.v,
                           const_cast<const Real*>(task.slots_bar) + lane_channel<C>(), out, sums);
    write_sum<1>(&sums.r_bar, out, task.written[0], task.again);
    add_features(f, task.first_tile + static_cast<std::int64_t>(t) * f.splits, sums.h_bar, adder);
  }
  adder.finish();
}

/// dE/d(slot) of the channels from dE/d(message).
template <int C, class Real>
__device__ __forceinline__ void fill_slots(const EdgeReverse<Real>& f, const Task<C, Real>& task,
                                           int first_channel) {
  const EdgeProduct<Real>& product = f.product;
  const int lane = lane_index();
  if (lane >= kSweep<C>) return;
  for (int s = 0; s < product.slots; ++s) task.slots_bar[s * kSweep<C> + lane] = Real(0);
  const std::int64_t stride = static_cast<std::int64_t>(f.pass.capacity) * product.channels;
  const Real* in = f.messages_bar + static_cast<std::int64_t>(task.place) * product.channels +
                   first_channel + lane;
  int slot = 0;
  Real sum = 0;
#pragma unroll 4
  for (int i = 0; i < product.num_couplings; ++i) {
    const SlotCoupling<Real>* c = product.by_slot + i;
    const int to = __ldg(&c->slot);
    const Real term = __ldg(&c->value) * __ldg(in + __ldg(&c->row) * stride);
    if (to != slot) {
      task.slots_bar[slot * kSweep<C> + lane] = sum;
      slot = to;
      sum = 0;
    }
    sum += term;
  }
  task.slots_bar[slot * kSweep<C> + lane] = sum;
}

template <class Real, int MaxL1, int C>
__global__ void __launch_bounds__(kMostWarps* kWarp, 3) reverse(const EdgeReverse<Real> f) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  Task<C, Real> task;
  task.place = static_cast<int>(blockIdx.x * (blockDim.x / kWarp)) + warp;
  if (task.place >= f.pass.count) return;
  task.split = static_cast<int>(blockIdx.z);
  task.tiles = (f.tiles.count[task.place] - task.split + f.splits - 1) / f.splits;
  if (task.tiles <= 0) return;
  task.receiver = f.pass.begin + task.place;
  task.block = static_cast<int>(blockIdx.y);
  task.first_tile = f.pairs.first_tile[task.receiver] - f.tiles.first + task.split;
  task.slots_bar = shared_memory<Real>() + warp * f.product.slots * kSweep<C>;
  task.written[0] = written_of<0>();
  task.written[1] = written_of<1>();
  task.written[2] = written_of<2>();
  task.written[3] = written_of<3>();
#pragma unroll 1
  for (int sweep = 0; sweep < kWarp / kSweep<C>; ++sweep) {
    const int first_channel = task.block * kWarp + sweep * kSweep<C>;
    task.channel = first_channel + lane_channel<C>();
    task.again = sweep > 0;
    fill_slots(f, task, first_channel);
    __syncwarp();
    reverse_tiles<MaxL1>(f, task);
    __syncwarp();
  }
}

template <int MaxL1, int C, class Real>
void start(const EdgeReverse<Real>& f, cudaStream_t stream) {
  const auto shape = edge_reverse_shared_bytes(f.product.slots, kSweep<C>, sizeof(Real));
  const auto kernel = reverse<Real, MaxL1, C>;
  if (shape.bytes > kPlainShared)
    cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         static_cast<int>(shape.bytes));
  const dim3 grid(static_cast<unsigned>((f.pass.count + shape.warps - 1) / shape.warps),
                  static_cast<unsigned>(f.product.channels / kWarp),
                  static_cast<unsigned>(f.splits));
  launch(kernel, grid, shape.warps * kWarp, shape.bytes, stream, f);
}

}  // namespace

template <class Real>
void edge_reverse(const EdgeReverse<Real>& f, cudaStream_t stream) {
  constexpr int C = kChannels<Real>;
  if (f.product.sender_components == 1) start<0, C>(f, stream);
  if (f.product.sender_components == 4) start<1, C>(f, stream);
  // registers and shared memory for half as many channels at a time
  if (f.product.sender_components == 9) start<2, 1>(f, stream);
}

template void edge_reverse<float>(const EdgeReverse<float>&, cudaStream_t);
template void edge_reverse<double>(const EdgeReverse<double>&, cudaStream_t);

}  // namespace mdbench::cuda
