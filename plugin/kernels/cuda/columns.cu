// SPDX-License-Identifier: MIT
#include "layout.hpp"
#include "radial_formulas.hpp"
#include "warp.hpp"

/// Columns of the radial tables for each edge. A block takes a receiver and deals its tiles to its
/// warps; the lanes of a warp stand for eight columns of the tile's four edges.
namespace mdbench::cuda {
namespace {

constexpr int kWarps = 4, kColumns = kWarp / kTile;

/// Where an edge is in its piece of a table.
template <class Real>
struct Local {
  const Real* coefficients;  ///< of the piece
  Real t;                    ///< in [-1, 1]
};

template <class Real>
__device__ Local<Real> local_variable(const RadialColumns<Real>& p, const Table<Real>& table,
                                      int segment, double r) {
  const int per = table.pieces_per_segment, width = p.tables.width;
  // the tile's segment decides, not rounding; a layer with one segment has all pieces in it
  const int first = p.tables.segments == p.tile_segments ? segment * per : 0;
  const double x = (r - kShortestTabulated) * table.inverse_length;
  const int piece = max(first, min(static_cast<int>(x), first + per - 1));
  return {table.coefficients + static_cast<std::int64_t>(piece) * (kTableDegree + 1) * width,
          static_cast<Real>(2.0 * (x - piece) - 1.0)};
}

/// The columns of a tile; returns the density function where the lane's edge and column have it.
template <class Real>
__device__ double tile_columns(const RadialColumns<Real>& p, int receiver_kind, std::int64_t tile) {
  const int lane = lane_index(), edge = lane % kTile, width = p.tables.width;
  const int run = p.tiles.run[tile], segment = run % p.tile_segments;
  const int pair = receiver_kind * p.tables.kinds + run / p.tile_segments;
  const Table<Real>& table = p.tables.table[p.tables.table_of_pair[pair]];
  const bool empty = p.tiles.pair[tile * kTile + edge] < 0;
  const auto local = local_variable(p, table, segment, p.tiles.distance[tile * kTile + edge]);
  const Real chain = static_cast<Real>(2.0 * table.inverse_length);
  Real* out = p.columns + tile * 2 * width * kTile + edge;
  double density = 0.0;
  for (int q = lane / kTile; q < width; q += kColumns) {
    Real c[kTableDegree + 1];
#pragma unroll
    for (int i = 0; i <= kTableDegree; ++i) c[i] = __ldg(local.coefficients + i * width + q);
    Real value = c[kTableDegree], slope = 0;
#pragma unroll
    for (int i = kTableDegree - 1; i >= 0; --i) {
      slope = slope * local.t + value;
      value = value * local.t + c[i];
    }
    if (empty) value = slope = 0;
    out[q * kTile] = value;
    out[(width + q) * kTile] = slope * chain;
    if (q == p.tables.rank) density = value;
  }
  return density;
}

template <class Real>
__global__ void __launch_bounds__(kWarps* kWarp) columns_kernel(RadialColumns<Real> p) {
  __shared__ double sums[kWarps];
  const int place = static_cast<int>(blockIdx.x), receiver = p.pass.begin + place;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, tiles = p.tiles.count[place];
  const std::int64_t first = p.pairs.first_tile[receiver] - p.tiles.first;
  const int kind = p.pairs.receiver_kind[receiver];
  double density = 0.0;
  for (int i = warp; i < tiles; i += kWarps) density += tile_columns(p, kind, first + i);
  if (p.density == nullptr) return;
  density = sum_lanes(density);
  if (lane_index() == 0) sums[warp] = density;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double sum = 1.0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += sums[w];
  p.density[place] = sum;
}

}  // namespace

template <class Real>
void radial_columns(const RadialColumns<Real>& p, cudaStream_t stream) {
  launch(columns_kernel<Real>, dim3(p.pass.count), kWarps * kWarp, 0, stream, p);
}

template void radial_columns<float>(const RadialColumns<float>&, cudaStream_t);
template void radial_columns<double>(const RadialColumns<double>&, cudaStream_t);

}  // namespace mdbench::cuda
