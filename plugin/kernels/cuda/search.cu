// SPDX-License-Identifier: MIT
#include "geometry.hpp"
#include "search.hpp"
#include "tile_room.hpp"
#include "warp.hpp"

/// Linked cells, and a warp for each receiver that looks at the cells around it. Atoms are counted
/// and placed by atomics, and then ordered by index: nothing that is left depends on scheduling.
namespace mdbench::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = 4;
constexpr int kBlocks = 8;  ///< of a multiprocessor: else the compiler wants more, and spills

/// The cell along axis `d` of a place; that of the border for places outside.
__device__ __forceinline__ int cell_along(const Cells& cells, int d, double x) {
  const double at = (x - cells.low[d]) / cells.size;
  return static_cast<int>(fmin(fmax(at, 0.0), static_cast<double>(cells.shape[d] - 1)));
}

__device__ __forceinline__ std::int64_t row_of(const Cells& cells, int a, int b) {
  return (static_cast<std::int64_t>(a) * cells.shape[1] + b) * cells.shape[2];
}

__device__ __forceinline__ std::int64_t cell_of(const SortAtoms& p, int atom) {
  const double* x = p.position + 3 * static_cast<std::int64_t>(atom);
  return row_of(p.cells, cell_along(p.cells, 0, x[0]), cell_along(p.cells, 1, x[1])) +
         cell_along(p.cells, 2, x[2]);
}

__device__ __forceinline__ int thread_index() {
  return static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
}

__global__ void __launch_bounds__(kThreads) count_atoms_kernel(SortAtoms p) {
  const int i = thread_index();
  if (i < p.members) atomicAdd(p.count + cell_of(p, p.member[i]), 1);
}

__global__ void __launch_bounds__(kThreads) place_atoms_kernel(SortAtoms p) {
  const int i = thread_index();
  if (i >= p.members) return;
  const std::int64_t cell = cell_of(p, p.member[i]);
  p.unordered[p.scan.out[cell] + atomicAdd(p.count + cell, -1) - 1] = p.member[i];
}

/// Each atom counts those of its cell that come before it.
__global__ void __launch_bounds__(kThreads) order_atoms_kernel(SortAtoms p) {
  const int i = thread_index();
  if (i >= p.members) return;
  const int atom = p.unordered[i];
  const std::int64_t cell = cell_of(p, atom), first = p.scan.out[cell], end = p.scan.out[cell + 1];
  std::int64_t place = first;
  for (std::int64_t other = first; other < end; ++other) place += p.unordered[other] < atom;
  const double* x = p.position + 3 * static_cast<std::int64_t>(atom);
  p.sorted[place] = {x[0], x[1], x[2], atom, p.kind[p.node[atom]]};
}

/// A receiver, and the cells that are within reach of it.
struct Around {
  double x[3];
  int receiver, atom;
  int low[3], high[3];
};

__device__ Around around(const FindPairs& p, int receiver) {
  Around a;
  a.receiver = receiver;
  a.atom = p.receiver_atom[receiver];
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    a.x[d] = p.position[3 * static_cast<std::int64_t>(a.atom) + d];
    a.low[d] = cell_along(p.cells, d, a.x[d] - p.radius);
    a.high[d] = cell_along(p.cells, d, a.x[d] + p.radius);
  }
  return a;
}

__device__ __forceinline__ bool is_pair(const FindPairs& p, const Around& a,
                                        const CellAtom& other) {
  const Vector d{other.x - a.x[0], other.y - a.x[1], other.z - a.x[2]};
  return squared_length(d) < p.radius * p.radius && other.atom != a.atom;
}

/// Calls visit(kind of the sender, its atom) in every lane for every 32 atoms around; -1 where a
/// lane has no pair.
template <class Visit>
__device__ __forceinline__ void for_atoms_around(const FindPairs& p, const Around& a,
                                                 Visit&& visit) {
  for (int i = a.low[0]; i <= a.high[0]; ++i)
    for (int j = a.low[1]; j <= a.high[1]; ++j) {
      const std::int64_t row = row_of(p.cells, i, j);
      const std::int64_t end = p.first_in_cell[row + a.high[2] + 1];
      for (std::int64_t begin = p.first_in_cell[row + a.low[2]]; begin < end; begin += kWarp) {
        CellAtom other{};
        other.kind = -1;
        if (begin + lane_index() < end) {
          other = p.sorted[begin + lane_index()];
          if (!is_pair(p, a, other)) other.kind = -1;
        }
        visit(other.kind, other.atom);
      }
    }
}

/// Pairs of each kind; `count` is the warp's. Calls visit(its atom) for each sender.
template <class Visit>
__device__ void count_kinds(const FindPairs& p, const Around& a, int* count, Visit&& visit) {
  for (int kind = lane_index(); kind < p.kinds; kind += kWarp) count[kind] = 0;
  __syncwarp();
  for_atoms_around(p, a, [&](int kind, int atom) {
    if (kind < 0) return;
    atomicAdd(count + kind, 1);
    visit(atom);
  });
  __syncwarp();
}

__global__ void __launch_bounds__(kWarps* kWarp, kBlocks) count_pairs_kernel(FindPairs p) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int receiver = static_cast<int>(blockIdx.x) * kWarps + warp;
  if (receiver >= p.receivers) return;
  int* count = shared_memory<int>() + warp * p.kinds;
  int pairs = 0, tiles = 0, most = 0;
  count_kinds(p, around(p, receiver), count,
              [&](int atom) { most = max(most, atomicAdd(p.of_sender + p.node[atom], 1) + 1); });
  for (int kind = lane_index(); kind < p.kinds; kind += kWarp) {
    pairs += count[kind];
    tiles += tile_room(count[kind], p.segments);
  }
  pairs = sum_lanes(pairs);
  tiles = sum_lanes(tiles);
  most = static_cast<int>(__reduce_max_sync(kAllLanes, static_cast<unsigned>(most)));
  if (lane_index() != 0) return;
  atomicMax(p.most, most);
  p.pairs[receiver] = pairs;
  p.tiles[receiver] = tiles;
}

/// From the pairs of each kind to the place of its first.
__device__ void place_kinds(const FindPairs& p, int* count) {
  const int lane = lane_index();
  int before = 0;
  for (int begin = 0; begin < p.kinds; begin += kWarp) {
    const int kind = begin + lane;
    const int own = kind < p.kinds ? count[kind] : 0;
    int last = own;
#pragma unroll
    for (int offset = 1; offset < kWarp; offset *= 2) {
      const int lower = __shfl_up_sync(kAllLanes, last, offset);
      if (lane >= offset) last += lower;
    }
    if (kind < p.kinds) count[kind] = before + last - own;
    before += __shfl_sync(kAllLanes, last, kWarp - 1);
  }
  __syncwarp();
}

__global__ void __launch_bounds__(kWarps* kWarp, kBlocks) write_pairs_kernel(FindPairs p) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int receiver = static_cast<int>(blockIdx.x) * kWarps + warp;
  if (receiver >= p.receivers) return;
  int* next = shared_memory<int>() + warp * p.kinds;
  const Around a = around(p, receiver);
  count_kinds(p, a, next, [](int) {});
  place_kinds(p, next);
  const std::int64_t first = p.first_pair[receiver];
  for_atoms_around(p, a, [&](int kind, int atom) {
    const unsigned same = __match_any_sync(kAllLanes, kind);
    const int before = __popc(same & ((1u << lane_index()) - 1u));
    if (kind >= 0) {
      const std::int64_t place = first + next[kind] + before;
      p.sender[place] = p.node[atom];
      p.sender_atom[place] = atom;
    }
    __syncwarp();
    if (kind >= 0 && before == 0) next[kind] += __popc(same);
    __syncwarp();
  });
}

unsigned blocks_of(int count, int size) {
  return static_cast<unsigned>((static_cast<std::int64_t>(count) + size - 1) / size);
}

}  // namespace

void sort_atoms(const SortAtoms& p, cudaStream_t stream) {
  const dim3 blocks(blocks_of(p.members, kThreads));
  launch(count_atoms_kernel, blocks, kThreads, 0, stream, p);
  scan(p.scan, stream);
  launch(place_atoms_kernel, blocks, kThreads, 0, stream, p);
  launch(order_atoms_kernel, blocks, kThreads, 0, stream, p);
}

void count_pairs(const FindPairs& p, cudaStream_t stream) {
  launch(count_pairs_kernel, dim3(blocks_of(p.receivers, kWarps)), kWarps * kWarp,
         sizeof(int) * kWarps * p.kinds, stream, p);
}

void write_pairs(const FindPairs& p, cudaStream_t stream) {
  launch(write_pairs_kernel, dim3(blocks_of(p.receivers, kWarps)), kWarps * kWarp,
         sizeof(int) * kWarps * p.kinds, stream, p);
}

}  // namespace mdbench::cuda
