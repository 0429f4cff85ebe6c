// SPDX-License-Identifier: MIT
#include <cmath>

#include "geometry.hpp"
#include "harmonics.hpp"
#include "layout.hpp"
#include "radial_formulas.hpp"
#include "warp.hpp"

/// A warp makes the tiles of a receiver: a stable counting sort of its edges by sender kind and
/// segment, in which nothing depends on the order in which anything runs.
namespace mdbench::cuda {
namespace {

constexpr int kWarps = 4;

/// What a warp knows of its receiver.
struct Receiver {
  int place, index, pairs;
  std::int64_t first_pair, first_tile;
  int room;  ///< in tiles
};

template <class Real>
__device__ Receiver receiver_of(const MakeTiles<Real>& p, int place) {
  const int index = p.pass.begin + place;
  const std::int64_t first = p.pairs.first_pair[index], tile = p.pairs.first_tile[index];
  return {place,
          index,
          static_cast<int>(p.pairs.first_pair[index + 1] - first),
          first,
          tile - p.tiles.first,
          static_cast<int>(p.pairs.first_tile[index + 1] - tile)};
}

/// Key of a pair: sender kind and segment; -1 of pairs that are no edges.
template <class Real>
__device__ int key_of(const MakeTiles<Real>& p, const Receiver& receiver, int pair,
                      unsigned& found) {
  if (pair >= receiver.pairs) return -1;
  const auto& shape = p.shape;
  const std::int64_t at = receiver.first_pair + pair;
  const double r2 = squared_length(edge_vector(p.at, p.pairs, receiver.index, at));
  if (!std::isfinite(r2)) found |= kNotFinite;
  if (!(r2 < shape.cutoff * shape.cutoff)) return -1;
  const double beyond = sqrt(r2) - kShortestTabulated;
  if (beyond < 0.0) found |= kTooClose;
  const int segment =
      static_cast<int>(beyond * shape.segments / (shape.cutoff - kShortestTabulated));
  const int kind = p.pairs.sender_kind[p.pairs.sender[at]];
  return kind * shape.segments + max(0, min(segment, shape.segments - 1));
}

/// Edges of each key; returns those of all.
template <class Real>
__device__ int count_edges(const MakeTiles<Real>& p, const Receiver& receiver, int* count,
                           unsigned& found) {
  const int lane = lane_index(), keys = p.shape.kinds * p.shape.segments;
  for (int key = lane; key < keys; key += kWarp) count[key] = 0;
  __syncwarp();
  int edges = 0;
  for (int pair = lane; pair - lane < receiver.pairs; pair += kWarp) {
    const int key = key_of(p, receiver, pair, found);
    edges += __popc(__ballot_sync(kAllLanes, key >= 0));
    if (key >= 0) atomicAdd(count + key, 1);
  }
  __syncwarp();
  return edges;
}

/// From the edges of each key to its first place; names the tiles' runs, and returns how many tiles
/// there are.
template <class Real>
__device__ int place_keys(const MakeTiles<Real>& p, const Receiver& receiver, int* count) {
  const int lane = lane_index(), keys = p.shape.kinds * p.shape.segments;
  int tiles = 0;
  for (int begin = 0; begin < keys; begin += kWarp) {
    const int key = begin + lane;
    const int own = key < keys ? (count[key] + kTile - 1) / kTile : 0;
    int last = own;
#pragma unroll
    for (int offset = 1; offset < kWarp; offset *= 2) {
      const int before = __shfl_up_sync(kAllLanes, last, offset);
      if (lane >= offset) last += before;
    }
    last += tiles;
    if (key < keys) count[key] = (last - own) * kTile;
    for (int tile = last - own; tile < min(last, receiver.room); ++tile)
      p.tiles.run[receiver.first_tile + tile] = key;
    tiles = __shfl_sync(kAllLanes, last, kWarp - 1);
  }
  return tiles;
}

/// Writes each edge's pair to its place, those of a key in their order; -1 to the empty places. The
/// whole warp sees them.
template <class Real>
__device__ void place_pairs(const MakeTiles<Real>& p, const Receiver& receiver, int* next,
                            int places) {
  const int lane = lane_index();
  int* out = p.tiles.pair + receiver.first_tile * kTile;
  for (int i = lane; i < places; i += kWarp) out[i] = -1;
  __syncwarp();  // `out` is cleared, and `next` is what `place_keys` made it
  unsigned ignored = 0;
  for (int pair = lane; pair - lane < receiver.pairs; pair += kWarp) {
    const int key = key_of(p, receiver, pair, ignored);
    const unsigned same = __match_any_sync(kAllLanes, key);
    const int before = __popc(same & ((1u << lane) - 1u));
    const int place = key >= 0 ? next[key] + before : places;
    if (place < places) out[place] = pair;
    __syncwarp();
    if (key >= 0 && before == 0) next[key] += __popc(same);
    __syncwarp();
  }
}

/// Everything else of the places.
template <class Real>
__device__ void fill_places(const MakeTiles<Real>& p, const Receiver& receiver, int places) {
  const int comps = components(p.shape.max_ell);
  for (int i = lane_index(); i < places; i += kWarp) {
    const std::int64_t tile = receiver.first_tile + i / kTile, at = receiver.first_tile * kTile + i;
    const int pair = p.tiles.pair[at];
    const bool empty = pair < 0;
    double y[kMaxComponents] = {}, r = p.shape.cutoff;
    int sender = p.pairs.node[receiver.index];
    Vector d{};
    if (!empty) {
      d = edge_vector(p.at, p.pairs, receiver.index, receiver.first_pair + pair);
      r = sqrt(squared_length(d));
      sender = p.pairs.sender[receiver.first_pair + pair];
    }
    const double inverse = r > 0.0 ? 1.0 / r : 0.0;
    spherical_harmonics(p.shape.max_ell, d.x * inverse, d.y * inverse, d.z * inverse, y);
    p.tiles.sender[at] = sender;
    p.tiles.distance[at] = fmax(r, kShortestTabulated);
    Real* out = p.tiles.harmonics + tile * comps * kTile + i % kTile;
#pragma unroll
    for (int m = 0; m < kMaxComponents; ++m)
      if (m < comps) out[m * kTile] = empty ? Real(0) : static_cast<Real>(y[m]);
  }
}

template <class Real>
__global__ void __launch_bounds__(kWarps* kWarp) make_tiles_kernel(MakeTiles<Real> p) {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int place = static_cast<int>(blockIdx.x) * kWarps + warp;
  if (place >= p.pass.count) return;
  int* count = shared_memory<int>() + warp * p.shape.kinds * p.shape.segments;
  const Receiver receiver = receiver_of(p, place);
  unsigned found = 0;
  if (p.at.position != nullptr && lane_index() < 3) {
    const auto row = static_cast<std::int64_t>(p.pairs.receiver_atom[receiver.index]);
    if (!std::isfinite(p.at.position[3 * row + lane_index()])) found |= kNotFinite;
  }
  const int edges = count_edges(p, receiver, count, found);
  int tiles = place_keys(p, receiver, count);
  if (tiles > receiver.room) {
    found |= kNoRoom;
    tiles = receiver.room;
  }
  place_pairs(p, receiver, count, tiles * kTile);
  fill_places(p, receiver, tiles * kTile);
  if (lane_index() == 0) {
    p.tiles.count[place] = tiles;
    p.edges[receiver.index] = edges;
  }
  if (found != 0) atomicOr(p.flags, found);
}

}  // namespace

template <class Real>
void make_tiles(const MakeTiles<Real>& p, cudaStream_t stream) {
  const std::size_t shared = sizeof(int) * kWarps * p.shape.kinds * p.shape.segments;
  launch(make_tiles_kernel<Real>, dim3((p.pass.count + kWarps - 1) / kWarps), kWarps * kWarp,
         shared, stream, p);
}

template void make_tiles<float>(const MakeTiles<float>&, cudaStream_t);
template void make_tiles<double>(const MakeTiles<double>&, cudaStream_t);

}  // namespace mdbench::cuda
