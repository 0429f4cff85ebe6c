// SPDX-License-Identifier: MIT
#include "harmonics.hpp"
#include "layout.hpp"
#include "quad.hpp"
#include "warp.hpp"

/// Moments of layer 0. A warp takes a receiver and the senders of one kind, whose tiles stand
/// together. Four groups of eight lanes have a quarter of the components each; a lane has every
/// eighth row. Each sum is one lane's, over the edges in their order.
namespace mdbench::cuda {
namespace {

constexpr int kWarps = 4, kGroup = 8, kGroups = kWarp / kGroup;

struct TileRange {
  std::int64_t begin, end;
};

/// Tiles of a receiver's senders of a kind: they are sorted by kind.
template <class Real>
__device__ TileRange tiles_of_kind(const Moments<Real>& p, int place, int kind) {
  const std::int64_t first = p.pairs.first_tile[p.pass.begin + place] - p.tiles.first;
  const int tiles = p.tiles.count[place], low = kind * p.segments, high = low + p.segments;
  int below = 0, upto = 0;
  for (int i = 0; i < tiles; i += kWarp) {
    const bool inside = i + lane_index() < tiles;
    const int run = inside ? p.tiles.run[first + i + lane_index()] : high;
    below += __popc(__ballot_sync(kAllLanes, run < low));
    upto += __popc(__ballot_sync(kAllLanes, run < high));
  }
  return {first + below, first + upto};
}

/// Rows `first_row + 8 i` of the lane, i < Rows, of each component of the lane's group.
template <int MaxEll, int Rows, class Real>
__device__ void sum_rows(const Moments<Real>& p, int place, int kind, const TileRange& range,
                         int first_row) {
  constexpr int comps = components(MaxEll), own = (comps + kGroups - 1) / kGroups;
  const int first_component = lane_index() / kGroup * own;
  Real sum[own][Rows] = {};
#pragma unroll 2
  for (std::int64_t tile = range.begin; tile < range.end; ++tile) {
    const Real* y_of = p.tiles.harmonics + tile * comps * kTile;
    const Real* u_of = p.columns + tile * 2 * p.width * kTile;
    Quad<Real> u[Rows];
#pragma unroll
    for (int i = 0; i < Rows; ++i) {
      const int row = first_row + i * kGroup;
      u[i] = row < p.rank ? load_quad(u_of + row * kTile) : Quad<Real>{};
    }
#pragma unroll
    for (int m = 0; m < own; ++m) {
      if (comps % kGroups != 0 && first_component + m >= comps) break;
      const Quad<Real> y = load_quad(y_of + (first_component + m) * kTile);
#pragma unroll
      for (int e = 0; e < kTile; ++e)
#pragma unroll
        for (int i = 0; i < Rows; ++i) sum[m][i] += u[i].x[e] * y.x[e];
    }
  }
#pragma unroll
  for (int m = 0; m < own; ++m) {
    const int component = first_component + m;
    if (component >= comps) break;
    Real* out =
        p.moments +
        (static_cast<std::int64_t>(kind * comps + component) * p.pass.capacity + place) * p.row;
#pragma unroll
    for (int i = 0; i < Rows; ++i)
      if (first_row + i * kGroup < p.row) out[first_row + i * kGroup] = sum[m][i];
  }
}

template <int MaxEll, int Rows, class Real>
__global__ void __launch_bounds__(kWarps* kWarp) moments_kernel(Moments<Real> p) {
  const int place = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
  const int kind = static_cast<int>(blockIdx.y);
  if (place >= p.pass.count) return;
  const TileRange range = tiles_of_kind(p, place, kind);
  for (int row = lane_index() % kGroup; row - lane_index() % kGroup < p.row; row += Rows * kGroup)
    sum_rows<MaxEll, Rows>(p, place, kind, range, row);
}

template <int MaxEll, class Real>
void launch_rows(const Moments<Real>& p, cudaStream_t stream) {
  const dim3 grid((p.pass.count + kWarps - 1) / kWarps, p.kinds);
  // rows that a lane holds: as many as there are, or what leaves the fewest of several rounds idle
  const int rows = (p.row + kGroup - 1) / kGroup;
  const auto start = [&](auto kernel) { launch(kernel, grid, kWarps * kWarp, 0, stream, p); };
  if (rows <= 2)
    start(moments_kernel<MaxEll, 2, Real>);
  else if (rows == 3 || rows == 6)
    start(moments_kernel<MaxEll, 3, Real>);
  else if (rows == 5 || rows > 8)
    start(moments_kernel<MaxEll, 5, Real>);
  else
    start(moments_kernel<MaxEll, 4, Real>);
}

}  // namespace

template <class Real>
void moments(const Moments<Real>& p, cudaStream_t stream) {
  if (p.components == components(0))
    launch_rows<0>(p, stream);
  else if (p.components == components(1))
    launch_rows<1>(p, stream);
  else if (p.components == components(2))
    launch_rows<2>(p, stream);
  else
    launch_rows<3>(p, stream);
}

template void moments<float>(const Moments<float>&, cudaStream_t);
template void moments<double>(const Moments<double>&, cudaStream_t);

}  // namespace mdbench::cuda
