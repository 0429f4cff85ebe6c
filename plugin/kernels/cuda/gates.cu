// SPDX-License-Identifier: MIT
#include <cmath>

#include "gates.hpp"
#include "warp.hpp"

/// Gates between the sums of a layer's messages and what its product multiplies.
namespace mdbench::cuda {
namespace {

constexpr int kThreads = 256;

template <class Real>
__device__ __forceinline__ Real sigmoid(Real x) {
  return Real(1) / (Real(1) + std::exp(-x));
}

/// A channel of a receiver in arrays [row][capacity][K].
template <class Real>
struct Place {
  std::int64_t at, stride;
  __device__ Place(const Pass& pass, int channels)
      : at(std::int64_t{blockIdx.x} * kThreads + threadIdx.x),
        stride(std::int64_t{pass.capacity} * channels) {}
  __device__ bool outside(const Pass& pass, int channels) const {
    return at >= std::int64_t{pass.count} * channels;
  }
  __device__ Real load(const Real* array, int row) const { return array[row * stride + at]; }
  __device__ void store(Real* array, int row, Real x) const { array[row * stride + at] = x; }
};

template <class Real>
__global__ void __launch_bounds__(kThreads) gates_kernel(const Gates<Real> x) {
  const Place<Real> place(x.pass, x.channels);
  if (place.outside(x.pass, x.channels)) return;
  const auto sum = [&](int row) {
    return place.load(x.messages, row) + place.load(x.residual, row);
  };
  const int components = (x.max_ell + 1) * (x.max_ell + 1);
  const Real scalar = sum(0);
  place.store(x.opened, 0, scalar * sigmoid(scalar));
  for (int l = 1; l <= x.max_ell; ++l) {
    const Real open = sigmoid(sum(components + l - 1));
    for (int m = l * l; m < (l + 1) * (l + 1); ++m) place.store(x.opened, m, open * sum(m));
  }
}

template <class Real>
__global__ void __launch_bounds__(kThreads) gates_reverse_kernel(const GatesReverse<Real> x) {
  const Place<Real> place(x.pass, x.channels);
  if (place.outside(x.pass, x.channels)) return;  // whole warps: channels fill them
  const int components = (x.max_ell + 1) * (x.max_ell + 1);
  Real onto_density = 0;
  const auto sum = [&](int row) {
    return place.load(x.messages, row) + place.load(x.residual, row);
  };
  const auto keep = [&](int row, Real bar) {
    place.store(x.sums_bar, row, bar);
    onto_density += bar * place.load(x.messages, row);
  };
  const Real scalar = sum(0), s = sigmoid(scalar);
  keep(0, place.load(x.opened_bar, 0) * s * (Real(1) + scalar * (Real(1) - s)));
  for (int l = 1; l <= x.max_ell; ++l) {
    const Real open = sigmoid(sum(components + l - 1));
    Real gate_bar = 0;
    for (int m = l * l; m < (l + 1) * (l + 1); ++m) {
      const Real bar = place.load(x.opened_bar, m);
      gate_bar += bar * sum(m);
      keep(m, open * bar);
    }
    keep(components + l - 1, gate_bar * open * (Real(1) - open));
  }
  if (x.density == nullptr) return;
  const Real total = sum_lanes(onto_density);
  const std::int64_t warp = place.at / kWarp;
  if (lane_index() == 0)
    x.density_bar[warp] = -static_cast<double>(total) / x.density[warp / (x.channels / kWarp)];
}

template <class Real>
__global__ void __launch_bounds__(kThreads) give_gradients_kernel(const GiveGradients<Real> p) {
  const int place = static_cast<int>(blockIdx.x), row = p.components * p.channels;
  const std::int64_t to = std::int64_t{p.node[p.pass.begin + place]} * row;
  for (int i = static_cast<int>(threadIdx.x); i < row; i += static_cast<int>(blockDim.x)) {
    const int component = i / p.channels, channel = i % p.channels;
    const Real x = p.in[(std::int64_t{component} * p.pass.capacity + place) * p.channels + channel];
    if (p.fixed == nullptr)
      p.real[to + i] += x;
    else
      add_fixed(p.fixed + to + i, static_cast<double>(x), p.limit, p.flags);
  }
}

unsigned blocks(const Pass& pass, int channels) {
  return static_cast<unsigned>((std::int64_t{pass.count} * channels + kThreads - 1) / kThreads);
}

}  // namespace

template <class Real>
void gates(const Gates<Real>& x, cudaStream_t stream) {
  launch(gates_kernel<Real>, dim3(blocks(x.pass, x.channels)), kThreads, 0, stream, x);
}

template <class Real>
void gates_reverse(const GatesReverse<Real>& x, cudaStream_t stream) {
  launch(gates_reverse_kernel<Real>, dim3(blocks(x.pass, x.channels)), kThreads, 0, stream, x);
}

template <class Real>
void give_gradients(const GiveGradients<Real>& p, cudaStream_t stream) {
  const int warps = (p.components * p.channels + kWarp - 1) / kWarp;
  launch(give_gradients_kernel<Real>, dim3(p.pass.count), kWarp * (warps < 8 ? warps : 8), 0,
         stream, p);
}

template void gates<float>(const Gates<float>&, cudaStream_t);
template void gates<double>(const Gates<double>&, cudaStream_t);
template void gates_reverse<float>(const GatesReverse<float>&, cudaStream_t);
template void gates_reverse<double>(const GatesReverse<double>&, cudaStream_t);
template void give_gradients<float>(const GiveGradients<float>&, cudaStream_t);
template void give_gradients<double>(const GiveGradients<double>&, cudaStream_t);

}  // namespace mdbench::cuda
