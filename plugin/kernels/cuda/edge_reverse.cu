// SPDX-License-Identifier: MIT
#include "edge_lanes.hpp"
#include "edge_units.hpp"

/// Gradients of the edge product. A warp takes a receiver, 32 channels (16 after 16 where numbers
/// are many) and a part of the tiles. dE/d(slot) waits in shared memory, each number of which is
/// read once a tile; features and their gradients stay in registers over a tile.
///
/// A warp's work at a tile, from the machine code for sm_90 (float, 10 paths of a model with l1 <=
/// 1 and max_ell = 3, rank 8): 2,820 instructions, 1,680 of them multiply-adds and 430 loads; some
/// 440 cycles of the first cache and shared memory, at 705 cycles of four schedulers. 160
/// registers: 12 warps a multiprocessor.
namespace mdbench::cuda {
namespace {

constexpr int kMostWarps = 4;  ///< of a block

constexpr int kMostM = 2 * kMaxEdgeEll + 1;
/// Rows of V of a path that wait in registers: they are loaded while the path before is at work.
constexpr int kHeldRows = 8;

/// What a warp works at, with C channels a lane.
template <int C, class Real>
struct Task {
  int place, receiver, block, split, tiles;
  int channel;                   ///< the lane's first
  Real* slots_bar;               ///< [slot][channel]
  std::int64_t first_tile;       ///< then every `splits`-th
  unsigned long long paths_of;   ///< of each l2 and l1, four bits each
  bool again;                    ///< other channels have written edge_bar before
  int written[kMaxEdgeEll + 1];  ///< which number of edge_bar the lane writes for each l2, or -1

  __device__ __forceinline__ int paths(int l2, int l1) const {
    return static_cast<int>(paths_of >> 4 * (l2 * (kMaxSenderL + 1) + l1)) & 15;
  }
};

/// What a lane gathers over a tile, and over the paths of an l2.
template <int Components, int C, class Real>
struct Gathered {
  Real h[Components][kEdges][C], h_bar[Components][kEdges][C] = {}, r_bar[kEdges] = {};
  Vector<Real, kEdges> y[kMostM];
  Real y_bar[kMostM][kEdges];
};

template <int C, class Real>
struct HeldRows {
  Vector<Real, C> row[kHeldRows];
  __device__ __forceinline__ void load(const Real* v, int twos) {
#pragma unroll
    for (int q = 0; q < kHeldRows; q += 2)
      if (q < 2 * twos) {
        row[q] = read_early<Real, C>(v + q * kWarp);
        row[q + 1] = read_early<Real, C>(v + (q + 1) * kWarp);
      }
  }
};

/// R and R' of a path.
template <int C, class Real>
struct Radial {
  Real value[kEdges][C] = {}, slope[kEdges][C] = {};

  /// Adds U V and U' V for N rows from q = First on.
  template <int N, int First>
  __device__ __forceinline__ void add(const TileView<Real>& tile, const Vector<Real, C>* v) {
    const Real *u = tile.u + First * kTile, *d = at_stride(u, 1, tile.slope_stride);
    Vector<Real, kEdges> uq[N], dq[N];
#pragma unroll
    for (int q = 0; q < N; ++q) {
      uq[q] = read_vector<Real, kEdges>(u + q * kTile);
      dq[q] = read_vector<Real, kEdges>(d + q * kTile);
    }
#pragma unroll
    for (int q = 0; q < N; ++q)
#pragma unroll
      for (int e = 0; e < kEdges; ++e)
#pragma unroll
        for (int c = 0; c < C; ++c) {
          value[e][c] += uq[q].at[e] * v[q].at[c];
          slope[e][c] += dq[q].at[e] * v[q].at[c];
        }
  }
  __device__ __forceinline__ Radial(const TileView<Real>& tile, const Real* v,
                                    const HeldRows<C, Real>& held) {
    if (tile.twos >= 2)
      add<4, 0>(tile, held.row);
    else
      add<2, 0>(tile, held.row);
    if (tile.twos >= 4)
      add<4, 4>(tile, held.row + 4);
    else if (tile.twos == 3)
      add<2, 4>(tile, held.row + 4);
    TileView<Real> rest = tile;
#pragma unroll 1
    for (int i = kHeldRows / 2; i < tile.twos; ++i) {
      rest.u += 2 * kTile;
      Vector<Real, C> row[2];
      for (int q = 0; q < 2; ++q) row[q] = read_vector<Real, C>(v + (2 * i + q) * kWarp);
      add<2, kHeldRows - 2>(rest, row);
    }
  }
};

/// A path with its slots at `s`.
template <int L1, int L2, int C, class Real, class Sums>
__device__ __forceinline__ void reverse_path(const Radial<C, Real>& r, const Real* s, Sums& sums) {
  constexpr int N = 2 * L1 + 1, M = 2 * L2 + 1;
  Real along[kEdges][C] = {};
#pragma unroll
  for (int n = 0; n < N; ++n) {
    const Real(&h)[kEdges][C] = sums.h[L1 * L1 + n];
    Real t[kEdges][C] = {};
#pragma unroll
    for (int m = 0; m < M; ++m) {
      const auto sm = load_vector<Real, C>(s + (n * M + m) * kSweep<C>);
#pragma unroll
      for (int e = 0; e < kEdges; ++e)
#pragma unroll
        for (int c = 0; c < C; ++c) {
          t[e][c] += sm.at[c] * sums.y[m].at[e];
          if (M > 1) sums.y_bar[m][e] += sm.at[c] * (r.value[e][c] * h[e][c]);
        }
    }
#pragma unroll
    for (int e = 0; e < kEdges; ++e)
#pragma unroll
      for (int c = 0; c < C; ++c) {
        sums.h_bar[L1 * L1 + n][e][c] += r.value[e][c] * t[e][c];
        along[e][c] += t[e][c] * h[e][c];
      }
  }
#pragma unroll
  for (int e = 0; e < kEdges; ++e)
#pragma unroll
    for (int c = 0; c < C; ++c) sums.r_bar[e] += r.slope[e][c] * along[e][c];
}

/// Writes the lane's share of sums over lanes.
template <int N, class Real>
__device__ __forceinline__ void write_sum(Real (*sums)[kEdges], Real* edge_bar, int at,
                                          bool again) {
  const Real sum = shared_sum<N * kEdges>(&sums[0][0]);
  if (at >= 0) edge_bar[at] = again ? edge_bar[at] + sum : sum;
}

/// Where a warp is in the paths of a tile.
template <int C, class Real>
struct Cursor {
  const Real *v, *s;
  int left;  ///< paths
  HeldRows<C, Real> held;
};

/// The paths with l1 = L1 and up of one l2.
template <int L1, int MaxL1, int L2, int C, class Real, class Sums>
__device__ __forceinline__ void reverse_paths(const Task<C, Real>& task, const TileView<Real>& tile,
                                              Cursor<C, Real>& at, Sums& sums) {
#pragma unroll 1
  for (int p = task.paths(L2, L1); p > 0; --p) {
    const Radial<C, Real> r(tile, at.v, at.held);
    at.v = at_stride(at.v, 1, tile.path_stride);
    if (--at.left > 0) at.held.load(at.v, tile.twos);
    reverse_path<L1, L2, C>(r, at.s, sums);
    at.s += (2 * L1 + 1) * (2 * L2 + 1) * kSweep<C>;
  }
  if constexpr (L1 < MaxL1) reverse_paths<L1 + 1, MaxL1, L2>(task, tile, at, sums);
}

/// The paths with l2 = L2 and up.
template <int L2, int MaxL1, int C, class Real, class Sums>
__device__ __forceinline__ void reverse_tile(const EdgeProduct<Real>& product,
                                             const Task<C, Real>& task, const TileView<Real>& tile,
                                             Real* edge_bar, Cursor<C, Real>& at, Sums& sums) {
  constexpr int M = 2 * L2 + 1;
  if (L2 > product.max_ell) return;
#pragma unroll
  for (int m = 0; m < M; ++m) {
    sums.y[m] = read_early<Real, kEdges>(tile.y + (L2 * L2 + m) * kTile);
    sums.y_bar[m][0] = sums.y_bar[m][1] = Real(0);
  }
  reverse_paths<0, MaxL1, L2>(task, tile, at, sums);
  if constexpr (L2 > 0) write_sum<M>(sums.y_bar, edge_bar, task.written[L2], task.again);
  if constexpr (L2 < kMaxEdgeEll)
    reverse_tile<L2 + 1, MaxL1>(product, task, tile, edge_bar, at, sums);
}

/// A lane's number of edge_bar after `shared_sum` over all components of an l2.
template <int L2>
__device__ __forceinline__ int written_of() {
  const int index = shared_sum_index<(2 * L2 + 1) * kEdges>();
  return index < 0 ? -1 : (L2 * L2 + index / kEdges) * kTile + lane_edge() + index % kEdges;
}

__device__ __forceinline__ bool fits(float x, float limit) { return fabsf(x) < limit; }
__device__ __forceinline__ bool fits(double x, double limit) { return fabs(x) < limit; }
__device__ __forceinline__ void add_to(Fixed* at, float x) { atomicAdd(at, to_fixed(x)); }
__device__ __forceinline__ void add_to(Fixed* at, double x) { atomicAdd(at, to_fixed(x)); }
__device__ __forceinline__ void add_to(float* at, float x) { atomicAdd(at, x); }
__device__ __forceinline__ void add_to(double* at, double x) { atomicAdd(at, x); }

/// Replaces numbers that do not fit by zeros, which is rare, and so not done one by one.
template <int Components, int C, class Real>
__device__ __forceinline__ void drop_unfit(Real (&x)[Components][kEdges][C], Real limit,
                                           unsigned* flags) {
  bool good = true;
#pragma unroll
  for (int i = 0; i < Components * kEdges * C; ++i) good = good & fits((&x[0][0][0])[i], limit);
  if (good) return;
#pragma unroll
  for (int i = 0; i < Components * kEdges * C; ++i)
    if (!fits((&x[0][0][0])[i], limit)) (&x[0][0][0])[i] = Real(0);
  atomicOr(flags, static_cast<unsigned>(kNotFinite));
}

/// Adds to the features' gradients of one sender, from `out` on.
template <int Components, class Real, class Place>
__device__ __forceinline__ void add_sender(Place* out, int sender, unsigned row, const Real* x,
                                           int step) {
  const Place* at = at_stride(const_cast<const Place*>(out), sender, row * Components);
#pragma unroll
  for (int n = 0; n < Components; ++n)
    add_to(const_cast<Place*>(at_stride(at, n, row)), x[n * step]);
}

/// dE/dh of a tile; `out` is at the lane's channel. Two lanes with two channels each exchange
/// numbers, so that a lane has one channel of all four edges, and the lanes add to places that
/// follow each other.
template <int Components, int C, class Real, class Place>
__device__ __forceinline__ void add_features(const EdgeReverse<Real>& f, std::int64_t tile,
                                             const Real (&h_bar)[Components][kEdges][C],
                                             Place* out) {
  const int4 sender = __ldg(reinterpret_cast<const int4*>(f.tiles.sender) + tile);
  const int4 pair = __ldg(reinterpret_cast<const int4*>(f.tiles.pair) + tile);
  const unsigned row = static_cast<unsigned>(f.product.channels) * sizeof(Place);
  constexpr int N = kEdges * C;
  Real x[Components][N];
#pragma unroll
  for (int n = 0; n < Components; ++n)
#pragma unroll
    for (int e = 0; e < kEdges; ++e) {
      x[n][e] = h_bar[n][e][0];
      if constexpr (C == 2) {
        const Real even = h_bar[n][e][0], odd = h_bar[n][e][1];
        const Real received = __shfl_xor_sync(kAllLanes, odd_lane() ? even : odd, 1);
        x[n][e] = odd_lane() ? received : even;
        x[n][e + kEdges] = odd_lane() ? odd : received;
      }
    }
  const bool far = C == 1 && odd_lane();  // with one channel a lane keeps to its edges
  if ((far ? pair.z : pair.x) >= 0)
    add_sender<Components>(out, far ? sender.z : sender.x, row, &x[0][0], N);
  if ((far ? pair.w : pair.y) >= 0)
    add_sender<Components>(out, far ? sender.w : sender.y, row, &x[0][1], N);
  if constexpr (C == 2) {
    if (pair.z >= 0) add_sender<Components>(out, sender.z, row, &x[0][2], N);
    if (pair.w >= 0) add_sender<Components>(out, sender.w, row, &x[0][3], N);
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
  const int all = (product.max_ell + 1) * (product.max_ell + 1) * kTile;
  const int warps = product.channels / kWarp;
  Real* edge_bar = f.edge_bar + (task.first_tile * warps + task.block) * all;
  const int channel = C == 2 ? task.channel + lane_index() % 2 : task.channel;
  int2 sender = reader.senders(0);
#pragma unroll 1
  for (int t = 0; t < task.tiles; ++t) {
    Gathered<components, C, Real> sums;
    read_features(product, f.sender + task.channel, sender, sums.h);
    sender = reader.senders(t + 1 < task.tiles ? t + 1 : t);
    if (t % kWarp == 0) reader.find_rows(t, task.tiles, table_of_sender);
    const TileView<Real> tile = reader.view(t);
    Cursor<C, Real> at{tile.v, task.slots_bar + lane_channel<C>(), product.paths, {}};
    at.held.load(tile.v, tile.twos);
    reverse_tile<0, MaxL1>(product, task, tile, edge_bar, at, sums);
    write_sum<1>(&sums.r_bar, edge_bar, task.written[0], task.again);
    edge_bar += f.splits * warps * all;
    const std::int64_t number = task.first_tile + static_cast<std::int64_t>(t) * f.splits;
    drop_unfit(sums.h_bar, f.limit, f.flags);
    if (f.sender_bar != nullptr)
      add_features(f, number, sums.h_bar, f.sender_bar + channel);
    else
      add_features(f, number, sums.h_bar, f.sender_bar_real + channel);
  }
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

/// Blocks that share a multiprocessor: as few as the registers need.
template <class Real, int MaxL1>
inline constexpr int kBlocks = sizeof(Real) == 8 && MaxL1 == 2 ? 2 : 3;

template <class Real, int MaxL1, int C>
__global__ void __launch_bounds__(kMostWarps* kWarp, (kBlocks<Real, MaxL1>))
    reverse(const EdgeReverse<Real> f) {
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
  task.paths_of = 0;
#pragma unroll
  for (int l2 = kMaxEdgeEll; l2 >= 0; --l2)
#pragma unroll
    for (int l1 = kMaxSenderL; l1 >= 0; --l1)
      task.paths_of = task.paths_of << 4 | static_cast<unsigned>(f.product.paths_of[l2][l1]);
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
  const dim3 grid(static_cast<unsigned>((f.pass.count + shape.warps - 1) / shape.warps),
                  static_cast<unsigned>(f.product.channels / kWarp),
                  static_cast<unsigned>(f.splits));
  launch(reverse<Real, MaxL1, C>, grid, shape.warps * kWarp, shape.bytes, stream, f);
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
