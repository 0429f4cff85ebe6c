// SPDX-License-Identifier: MIT
#include "edge_lanes.hpp"
#include "edge_units.hpp"

/// The edge product: sums of R h Y over the edges of a receiver in slots (path, m1, m2), then
/// Clebsch-Gordan. A warp takes a receiver, 32 channels (16 in double), and as many paths as its
/// registers hold the sums of; the warps of a block take receivers that follow each other, which
/// are of the same element and so read the same rows of V.
///
/// The three warps' work at a tile, from the machine code for sm_90 (float, 10 paths of a model
/// with l1 <= 1 and max_ell = 3, rank 8): 1,280 instructions, 760 of them multiply-adds and 190
/// loads; some 190 cycles of the first cache, at 320 cycles of four schedulers. 168 registers: 12
/// warps a multiprocessor.
namespace mdbench::cuda {
namespace {

constexpr int kWarps = 4;
/// Tiles whose sums are in Real where the sums over more are wide.
constexpr int kNarrowTiles = 4;
constexpr int kAnyPaths = -1;
constexpr int kMostSlots = 35;  ///< of a warp

/// Paths that a warp takes: the natural ones with l1 and l2 in these ranges, or any one path.
template <int FirstL1, int LastL1, int FirstL2, int LastL2, int MaxEll>
struct PathSet {
  static constexpr int kFirstL1 = FirstL1, kLastL1 = LastL1, kFirstL2 = FirstL2, kLastL2 = LastL2;
  static constexpr int kFirstComponent = FirstL1 * FirstL1;
  static constexpr int kComponents = (LastL1 + 1) * (LastL1 + 1) - kFirstComponent;
  MDBENCH_HD static constexpr int paths(int l1, int l2) {
    if (l1 < FirstL1 || l1 > LastL1 || l2 < FirstL2 || l2 > LastL2) return 0;
    return MaxEll == kAnyPaths ? 1 : natural_paths(l1, l2, MaxEll);
  }
  MDBENCH_HD static constexpr int paths_of(int l2) {
    return paths(0, l2) + paths(1, l2) + paths(2, l2);
  }
  MDBENCH_HD static constexpr int slots_of(int l2) {
    return (paths(0, l2) + 3 * paths(1, l2) + 5 * paths(2, l2)) * (2 * l2 + 1);
  }
  /// Slots of the set before those of l2.
  MDBENCH_HD static constexpr int slots_before(int l2) {
    int slots = 0;
    for (int l = FirstL2; l < l2; ++l) slots += slots_of(l);
    return slots;
  }
  static constexpr int kSlots = slots_before(LastL2 + 1);
};

/// Where a set's paths of each l2 begin in the layer.
struct Starts {
  int path[kMaxEdgeEll + 1], slot[kMaxEdgeEll + 1];
};

/// At the first path of (l1, l2), or `skip` paths further.
template <class Real>
__device__ __forceinline__ Starts starts_of(const EdgeProduct<Real>& product, int l1, int skip) {
  Starts starts;
  int path = 0, slot = 0;
#pragma unroll
  for (int b = 0; b <= kMaxEdgeEll; ++b)
#pragma unroll
    for (int a = 0; a <= kMaxSenderL; ++a) {
      const int slots = (2 * a + 1) * (2 * b + 1);
      if (a == l1) starts.path[b] = path + skip, starts.slot[b] = slot + skip * slots;
      path += product.paths_of[b][a];
      slot += product.paths_of[b][a] * slots;
    }
  return starts;
}

/// sums[slot] += R h Y for the paths of L1 and up, of one l2.
template <class Set, int L1, int L2, int C, class Real>
__device__ __forceinline__ void add_products(const Real (*r)[kEdges][C],
                                             const Real (&h)[Set::kComponents][kEdges][C],
                                             const Vector<Real, kEdges>* y, Real (*sums)[C]) {
  constexpr int P = Set::paths(L1, L2), M = 2 * L2 + 1, N = 2 * L1 + 1;
  constexpr int first = L1 * L1 - Set::kFirstComponent;
#pragma unroll
  for (int p = 0; p < P; ++p)
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int e = 0; e < kEdges; ++e)
#pragma unroll
        for (int c = 0; c < C; ++c) {
          const Real x = r[p][e][c] * h[first + n][e][c];
#pragma unroll
          for (int m = 0; m < M; ++m) sums[(p * N + n) * M + m][c] += x * y[m].at[e];
        }
  if constexpr (L1 < Set::kLastL1) add_products<Set, L1 + 1, L2, C>(r + P, h, y, sums + P * N * M);
}

/// The same for all paths of L2 and up.
template <class Set, int L2, int C, class Real>
__device__ __forceinline__ void add_tile(const TileView<Real>& tile, const Starts& starts,
                                         const Real (&h)[Set::kComponents][kEdges][C],
                                         Real (&sums)[Set::kSlots][C]) {
  constexpr int P = Set::paths_of(L2), M = 2 * L2 + 1;
  Vector<Real, kEdges> y[M];
#pragma unroll
  for (int m = 0; m < M; ++m) y[m] = read_early<Real, kEdges>(tile.y + (L2 * L2 + m) * kTile);
  Real r[P][kEdges][C];
  radial_values(tile, at_stride(tile.v, starts.path[L2], tile.path_stride), r);
  add_products<Set, Set::kFirstL1, L2, C>(r, h, y, sums + Set::slots_before(L2));
  if constexpr (L2 < Set::kLastL2) add_tile<Set, L2 + 1, C>(tile, starts, h, sums);
}

/// Adds the sums to `slots`, each lane's own column, and clears them. A lane has sums over half of
/// the edges: of two channels it gives one away; of one both lanes get the sum.
template <int Slots, int C, class Real, class Sum>
__device__ __forceinline__ void flush(Real (&sums)[Slots][C], Sum* slots) {
#pragma unroll
  for (int s = 0; s < Slots; ++s) {
    const Real even = sums[s][0], odd = sums[s][C - 1];
    const Real received = __shfl_xor_sync(kAllLanes, odd_lane() ? even : odd, 1);
    slots[s * kWarp] += (odd_lane() ? odd : even) + received;
#pragma unroll
    for (int c = 0; c < C; ++c) sums[s][c] = Real(0);
  }
}

/// Messages of a unit from `count` slots that begin at `first` in the layer.
template <class Real, class Sum>
__device__ __forceinline__ void couple(const EdgeForward<Real>& f, const EdgeUnit& unit, int first,
                                       int count, const Sum* slots, Real* out) {
  const std::int64_t stride = static_cast<std::int64_t>(f.pass.capacity) * f.product.channels;
  int row = -1;
  Sum sum = 0;
#pragma unroll 4
  for (int i = unit.first_coupling; i < unit.last_coupling; ++i) {
    const SlotCoupling<Real>* c = f.product.by_row + i;
    const int slot = __ldg(&c->slot) - first, to = __ldg(&c->row);
    const Real value = __ldg(&c->value);
    if (slot < 0 || slot >= count) continue;  // of a path that another warp has
    if (to != row) {
      if (row >= 0) out[row * stride] = static_cast<Real>(sum);
      row = to;
      sum = 0;
    }
    sum += value * slots[slot * kWarp];
  }
  if (row >= 0) out[row * stride] = static_cast<Real>(sum);
}

template <class Set, int L2, class Real, class Sum>
__device__ __forceinline__ void write_messages(const EdgeForward<Real>& f, const Starts& starts,
                                               const Sum* slots, Real* out) {
  const int first = starts.slot[L2];
  for (int u = 0; u < f.product.num_units; ++u) {
    const EdgeUnit unit = f.product.units[u];
    if (unit.l2 == L2)
      couple(f, unit, first, Set::slots_of(L2), slots + Set::slots_before(L2) * kWarp, out);
  }
  if constexpr (L2 < Set::kLastL2) write_messages<Set, L2 + 1>(f, starts, slots, out);
}

/// What a warp works at.
struct Task {
  int place, receiver, channel;  ///< the lane's first
  std::int64_t first_tile;
  int tiles;
};

template <class Real>
__device__ __forceinline__ Task this_task(const EdgeForward<Real>& f) {
  constexpr int C = kChannels<Real>;
  Task task;
  task.place = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
  if (task.place >= f.pass.count) return task;
  task.receiver = f.pass.begin + task.place;
  task.channel = static_cast<int>(blockIdx.y) * kSweep<C> + lane_channel<C>();
  task.first_tile = f.pairs.first_tile[task.receiver] - f.tiles.first;
  task.tiles = f.tiles.count[task.place];
  return task;
}

template <class Set, class Real, class Sum>
__device__ __forceinline__ void add_tiles(const EdgeForward<Real>& f, const Task& task,
                                          const Starts& starts, Sum* slots) {
  constexpr int C = kChannels<Real>;
  const EdgeProduct<Real>& product = f.product;
  const int* table_of_sender =
      product.table_of_pair + f.pairs.receiver_kind[task.receiver] * product.kinds;
  TileReader<Real> reader(product, f.tiles, f.columns, task.first_tile, 1, task.channel);
  const Real* features = f.sender + Set::kFirstComponent * product.channels + task.channel;
  int2 sender = reader.senders(0);
  Real sums[Set::kSlots][C] = {};
#pragma unroll 1
  for (int t = 0; t < task.tiles; ++t) {
    Real h[Set::kComponents][kEdges][C];
    read_features(product, features, sender, h);
    const bool last = t + 1 == task.tiles;
    sender = reader.senders(last ? t : t + 1);
    if (t % kWarp == 0) reader.find_rows(t, task.tiles, table_of_sender);
    add_tile<Set, Set::kFirstL2>(reader.view(t), starts, h, sums);
    if (last || (sizeof(Sum) > sizeof(Real) && t % kNarrowTiles == kNarrowTiles - 1))
      flush(sums, slots);
  }
}

template <class Set, class Sum, class Real>
__device__ __forceinline__ void forward_task(const EdgeForward<Real>& f, int skip) {
  static_assert(Set::kSlots <= kMostSlots);
  constexpr int C = kChannels<Real>;
  const Task task = this_task(f);
  if (task.place >= f.pass.count) return;
  Sum* slots = shared_memory<Sum>() + (threadIdx.x / kWarp * Set::kSlots) * kWarp + lane_index();
#pragma unroll
  for (int s = 0; s < Set::kSlots; ++s) slots[s * kWarp] = Sum(0);
  const Starts starts = starts_of(f.product, Set::kFirstL1, skip);
  if (task.tiles > 0) add_tiles<Set>(f, task, starts, slots);
  if (C == 1 && odd_lane()) return;
  Real* out = f.messages + static_cast<std::int64_t>(task.place) * f.product.channels +
              task.channel + (C == 1 ? 0 : lane_index() % 2);
  write_messages<Set, Set::kFirstL2>(f, starts, slots, out);
}

/// Path number `path` of the layer, whatever it is.
template <int L1, int L2, class Sum, class Real>
__device__ __forceinline__ void path_task(const EdgeForward<Real>& f, int path) {
  constexpr int Next = L1 == kMaxSenderL ? L2 + 1 : L2;
  const int paths = f.product.paths_of[L2][L1];
  if (path < paths)
    forward_task<PathSet<L1, L1, L2, L2, kAnyPaths>, Sum>(f, path);
  else if constexpr (Next <= kMaxEdgeEll)
    path_task<L1 == kMaxSenderL ? 0 : L1 + 1, Next, Sum>(f, path - paths);
}

/// Any paths: a warp has one.
template <class Real, class Sum>
__global__ void __launch_bounds__(kWarps* kWarp, 3) any_paths(const EdgeForward<Real> f) {
  path_task<0, 0, Sum>(f, static_cast<int>(blockIdx.z));
}

/// Warps for a receiver and its channels. Those of l1 = 2 have a path each where l2 > 1.
constexpr int natural_tasks(int max_l1, int max_ell) {
  if (max_l1 == 0) return 1;
  int tasks = max_ell;
  if (max_l1 == 2) ++tasks;
  for (int l2 = 2; max_l1 == 2 && l2 <= max_ell; ++l2) tasks += natural_paths(2, l2, max_ell);
  return tasks;
}

template <class Real, class Sum, int MaxL1, int MaxEll>
__global__ void __launch_bounds__(kWarps* kWarp, 3) all_paths(const EdgeForward<Real> f) {
  const int task = static_cast<int>(blockIdx.z);
  constexpr int of_2 = MaxEll + 1, of_3 = of_2 + natural_paths(2, 2, MaxEll);
  if constexpr (MaxL1 == 0) {
    forward_task<PathSet<0, 0, 0, MaxEll, MaxEll>, Sum>(f, 0);
  } else {
    if (task == 0) forward_task<PathSet<0, 1, 0, 1, MaxEll>, Sum>(f, 0);
    if (task == 1) forward_task<PathSet<0, 1, 2, 2, MaxEll>, Sum>(f, 0);
    if constexpr (MaxEll == 3)
      if (task == 2) forward_task<PathSet<0, 1, 3, 3, MaxEll>, Sum>(f, 0);
    if constexpr (MaxL1 == 2) {
      if (task == MaxEll) forward_task<PathSet<2, 2, 0, 1, MaxEll>, Sum>(f, 0);
      if (task >= of_2 && task < of_3)
        forward_task<PathSet<2, 2, 2, 2, kAnyPaths>, Sum>(f, task - of_2);
      if constexpr (MaxEll == 3)
        if (task >= of_3) forward_task<PathSet<2, 2, 3, 3, kAnyPaths>, Sum>(f, task - of_3);
    }
  }
}

template <class Real, class Sum>
void start(void (*kernel)(EdgeForward<Real>), const EdgeForward<Real>& f, int tasks,
           cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>((f.pass.count + kWarps - 1) / kWarps);
  const auto sweeps = static_cast<unsigned>(f.product.channels / kSweep<kChannels<Real>>);
  launch(kernel, dim3(blocks, sweeps, static_cast<unsigned>(tasks)), kWarps * kWarp,
         kWarps * kMostSlots * kWarp * sizeof(Sum), stream, f);
}

template <class Real, class Sum, int MaxEll>
void start_natural(const EdgeForward<Real>& f, cudaStream_t stream) {
  const auto with = [&]<int MaxL1>() {
    start<Real, Sum>(all_paths<Real, Sum, MaxL1, MaxEll>, f, natural_tasks(MaxL1, MaxEll), stream);
  };
  if (f.product.sender_components == 1) with.template operator()<0>();
  if (f.product.sender_components == 4) with.template operator()<1>();
  if (f.product.sender_components == 9) with.template operator()<2>();
}

template <class Real, class Sum>
void start_any(const EdgeForward<Real>& f, cudaStream_t stream) {
  if (is_natural(f.product) && f.product.max_ell == 3)
    start_natural<Real, Sum, 3>(f, stream);
  else if (is_natural(f.product) && f.product.max_ell == 2)
    start_natural<Real, Sum, 2>(f, stream);
  else
    start<Real, Sum>(any_paths<Real, Sum>, f, f.product.paths, stream);
}

}  // namespace

template <class Real>
void edge_forward(const EdgeForward<Real>& f, cudaStream_t stream) {
  if (f.wide_sums)
    start_any<Real, double>(f, stream);
  else
    start_any<Real, Real>(f, stream);
}

template void edge_forward<float>(const EdgeForward<float>&, cudaStream_t);
template void edge_forward<double>(const EdgeForward<double>&, cudaStream_t);

}  // namespace mdbench::cuda
