// SPDX-License-Identifier: MIT
#include "geometry.hpp"
#include "harmonics.hpp"
#include "layout.hpp"
#include "quad.hpp"
#include "warp.hpp"
#include "zbl.hpp"

/// From the gradients with respect to distances and harmonics to forces and virials. A block takes
/// a receiver and deals its tiles to its warps, eight at a time; a lane has an edge.
namespace mdbench::cuda {
namespace {

constexpr int kWarps = 4, kTiles = kWarp / kTile, kVirial = 9;

/// What is summed over a receiver's edges: force, virial, repulsion.
constexpr int kForceSum = 0, kVirialSum = 3, kEnergySum = 12, kSums = 13;

struct Edge {
  int place, receiver;  ///< its receiver, in the pass and of all
  std::int64_t tile, at, pair;
  int lane;  ///< within the tile
  int sender_kind;
};

/// Layers after the first: what the warps of the edge product left.
template <int MaxEll, class Real>
__device__ void later_bars(const EdgeGradients<Real>& p, const Edge& edge, double* bar) {
  constexpr int comps = components(MaxEll);
  const Real* in = p.edge_bar + edge.tile * p.warps * comps * kTile + edge.lane;
  for (int w = 0; w < p.warps; ++w, in += comps * kTile)
#pragma unroll
    for (int m = 0; m < comps; ++m) bar[m] += in[m * kTile];
}

/// Layer 0: dE/dY_m = sum_q U_q Mbar_mq, dE/dr = sum_q U'_q sum_m Y_m Mbar_mq.
template <int MaxEll, class Real>
__device__ void first_bars(const EdgeGradients<Real>& p, const Edge& edge, double* bar) {
  constexpr int comps = components(MaxEll);
  const std::int64_t stride = static_cast<std::int64_t>(p.pass.capacity) * p.row;
  const Real* moments_bar = p.moments_bar + edge.sender_kind * comps * stride +
                            static_cast<std::int64_t>(edge.place) * p.row;
  const Real* u_of = p.columns + edge.tile * 2 * p.width * kTile + edge.lane;
  const Real* slope_of = u_of + p.width * kTile;
  Real y[comps], y_bar[comps] = {}, r_bar = 0;
#pragma unroll
  for (int m = 0; m < comps; ++m)
    y[m] = p.tiles.harmonics[(edge.tile * comps + m) * kTile + edge.lane];
  for (int q = 0; q < p.rank; q += 4) {
    Real u[4], slope[4], along[4] = {};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      u[i] = q + i < p.rank ? u_of[(q + i) * kTile] : Real(0);
      slope[i] = q + i < p.rank ? slope_of[(q + i) * kTile] : Real(0);
    }
#pragma unroll
    for (int m = 0; m < comps; ++m) {
      const Quad<Real> b = load_quad(moments_bar + m * stride + q);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        y_bar[m] += u[i] * b.x[i];
        along[i] += y[m] * b.x[i];
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) r_bar += slope[i] * along[i];
  }
  bar[0] = r_bar;
#pragma unroll
  for (int m = 1; m < comps; ++m) bar[m] = y_bar[m];
}

/// dE/dr from the density that divides the messages.
template <class Real>
__device__ double density_slope(const EdgeGradients<Real>& p, const Edge& edge) {
  double bar = 0.0;
  for (int w = 0; w < p.density_warps; ++w) bar += p.density_bar[edge.place * p.density_warps + w];
  return bar * p.columns[((edge.tile * 2 + 1) * p.width + p.width - 1) * kTile + edge.lane];
}

/// The gradient with respect to the edge vector d, of length r, from dE/dr and dE/dY.
template <int MaxEll>
__device__ Vector to_vector(const Vector& d, double r, const double* bar) {
  const double inverse = r > 0.0 ? 1.0 / r : 0.0;
  const double x = d.x * inverse, y = d.y * inverse, z = d.z * inverse;
  double g[3], radial;
  harmonics_gradient(MaxEll, x, y, z, bar, g, &radial);
  const double along = bar[0] - radial * inverse;
  return {g[0] * inverse + along * x, g[1] * inverse + along * y, g[2] * inverse + along * z};
}

__device__ bool fits(const Vector& g, double limit) {
  return fabs(g.x) < limit && fabs(g.y) < limit && fabs(g.z) < limit;
}

/// Adds an edge's gradient g to what is its own and its sender's; `sums` gets the receiver's part.
template <class Real>
__device__ void add_gradient(const EdgeGradients<Real>& p, const Edge& edge, const Vector& d,
                             const Vector& g, double* sums) {
  const double from[3] = {d.x, d.y, d.z}, to[3] = {g.x, g.y, g.z};
  const std::int64_t sender = p.tiles.sender[edge.at];
#pragma unroll
  for (int a = 0; a < 3; ++a) {
    if (p.edge_gradient != nullptr) p.edge_gradient[3 * edge.pair + a] += to[a];
    if (p.force != nullptr) add_fixed(p.force + 3 * sender + a, -to[a], p.limit, p.flags);
    sums[kForceSum + a] = to[a];
#pragma unroll
    for (int b = 0; b < 3; ++b) {
      const double virial = -from[a] * to[b];
      sums[kVirialSum + 3 * a + b] = virial;
      if (p.node_virial != nullptr)
        add_fixed(p.node_virial + kVirial * sender + 3 * a + b, 0.5 * virial, p.limit, p.flags);
    }
  }
}

/// Energy of an edge's repulsion and its slope.
template <class Real>
__device__ Jet repulsion(const EdgeGradients<Real>& p, const Edge& edge, double r) {
  const int kind = p.pairs.receiver_kind[edge.receiver];
  const double cutoff = p.zbl.radius[edge.sender_kind] + p.zbl.radius[kind];
  if (r >= cutoff) return {};
  const ZblFormula zbl{p.zbl.power, p.zbl.terms, p.zbl.c, p.zbl.d, p.zbl.exponent, p.zbl.prefactor};
  const Jet energy =
      zbl.energy(cutoff, p.zbl.atomic_number[edge.sender_kind], p.zbl.atomic_number[kind], r);
  return {p.zbl.scale * energy.value, p.zbl.scale * energy.slope};
}

template <int MaxEll, bool First, class Real>
__device__ void take_edge(const EdgeGradients<Real>& p, const Edge& edge, double* sums) {
  const double r = p.tiles.distance[edge.at];
  // first, while few numbers wait in registers
  Jet pair;
  if (First && p.zbl.power != 0) pair = repulsion(p, edge, r);
  double bar[components(MaxEll)] = {};
  if constexpr (First)
    first_bars<MaxEll>(p, edge, bar);
  else
    later_bars<MaxEll>(p, edge, bar);
  bar[0] += pair.slope;
  if (p.density_bar != nullptr) bar[0] += density_slope(p, edge);
  const Vector d = edge_vector(p.at, p.pairs, edge.receiver, edge.pair);
  const Vector g = to_vector<MaxEll>(d, r, bar);
  sums[kEnergySum] = pair.value;
  if (fits(g, p.limit))
    add_gradient(p, edge, d, g, sums);
  else
    atomicOr(p.flags, static_cast<unsigned>(kNotFinite));
}

/// The sums over a receiver's edges to where they belong.
template <class Real>
__device__ void add_sum(const EdgeGradients<Real>& p, int receiver, int i, double sum) {
  const std::int64_t node = p.pairs.node[receiver], row = receiver;
  if (i < kVirialSum) {
    if (p.force != nullptr) add_fixed(p.force + 3 * node + i, sum, p.limit, p.flags);
  } else if (i < kEnergySum) {
    const int component = i - kVirialSum;
    if (p.virial != nullptr) p.virial[kVirial * row + component] += sum;
    if (p.node_virial != nullptr)
      add_fixed(p.node_virial + kVirial * node + component, 0.5 * sum, p.limit, p.flags);
  } else if (p.zbl.power != 0) {
    p.energy[receiver] += sum;
  }
}

/// Blocks that a multiprocessor shall hold: with these the compiler spills no registers.
template <class Real>
constexpr int min_blocks(bool first) {
  return !first ? 5 : sizeof(Real) == sizeof(float) ? 4 : 2;
}

template <int MaxEll, bool First, class Real>
__global__ void __launch_bounds__(kWarps* kWarp, min_blocks<Real>(First))
    gradients_kernel(EdgeGradients<Real> p) {
  __shared__ double shared[kWarps][kSums];
  const int place = static_cast<int>(blockIdx.x), receiver = p.pass.begin + place;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = lane_index();
  const int tiles = p.tiles.count[place];
  const std::int64_t first = p.pairs.first_tile[receiver] - p.tiles.first;
  double own = 0.0;  // the sum that the lane has after reduce_lanes
  for (int i = warp * kTiles; i < tiles; i += kWarps * kTiles) {
    const std::int64_t tile = first + i + lane / kTile, at = tile * kTile + lane % kTile;
    const int pair = i + lane / kTile < tiles ? p.tiles.pair[at] : -1;
    double sums[kSums] = {};
    if (pair >= 0)
      take_edge<MaxEll, First>(p,
                               {place, receiver, tile, at, p.pairs.first_pair[receiver] + pair,
                                lane % kTile, p.tiles.run[tile] / p.segments},
                               sums);
    reduce_lanes<kSums>(sums);
    own += sums[0];
  }
  if (const int i = reduced_index<kSums>(); i >= 0) shared[warp][i] = own;
  __syncthreads();
  const int i = static_cast<int>(threadIdx.x);
  if (i >= kSums) return;
  double sum = 0.0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += shared[w][i];
  add_sum(p, receiver, i, sum);
}

template <int MaxEll, class Real>
void launch_gradients(const EdgeGradients<Real>& p, cudaStream_t stream) {
  if (p.moments_bar != nullptr)
    launch(gradients_kernel<MaxEll, true, Real>, dim3(p.pass.count), kWarps * kWarp, 0, stream, p);
  else
    launch(gradients_kernel<MaxEll, false, Real>, dim3(p.pass.count), kWarps * kWarp, 0, stream, p);
}

}  // namespace

template <class Real>
void edge_gradients(const EdgeGradients<Real>& p, cudaStream_t stream) {
  if (p.max_ell == 0)
    launch_gradients<0>(p, stream);
  else if (p.max_ell == 1)
    launch_gradients<1>(p, stream);
  else if (p.max_ell == 2)
    launch_gradients<2>(p, stream);
  else
    launch_gradients<3>(p, stream);
}

template void edge_gradients<float>(const EdgeGradients<float>&, cudaStream_t);
template void edge_gradients<double>(const EdgeGradients<double>&, cudaStream_t);

}  // namespace mdbench::cuda
