// SPDX-License-Identifier: MIT
#include "activation.hpp"
#include "groups.hpp"
#include "layout.hpp"
#include "warp.hpp"

/// Energies from the invariant outputs of the layers, and the way back.
namespace mdbench::cuda {
namespace {

constexpr int kWarps = 4, kThreads = kWarps * kWarp;

__device__ __forceinline__ Activated activate(Activation kind, double x) {
  if (kind == Activation::silu) return silu_activation(x);
  if (kind == Activation::tanh) return tanh_activation(x);
  return linear_activation(x);
}

/// Lanes that stand for neurons: a power of two; the other factor of 32 shares the channels.
__device__ __forceinline__ int neuron_lanes(int neurons) {
  int lanes = 1;
  while (lanes < neurons && lanes < kWarp) lanes *= 2;
  return lanes;
}

/// A lane's share of the sum over the channels of all sources.
template <class Real>
__device__ Real sum_channels(const Readout<Real>& x, int place, int neuron, int first, int step) {
  const std::int64_t receiver = x.pass.begin + place, kind = x.receiver_kind[receiver];
  Real sum = 0;
#pragma unroll
  for (int s = 0; s < kMaxLayers; ++s) {
    if (s >= x.num_sources || !x.source[s].weight) continue;
    const ReadoutSource<Real>& source = x.source[s];
    const Real* c = source.c + (source.of_all ? receiver : place) * x.channels;
    const Real* weight = source.weight + kind * source.kind_stride + neuron;
#pragma unroll 8
    for (int k = first; k < x.channels; k += step)
      sum += __ldg(c + k) * __ldg(weight + k * x.neurons);
  }
  return sum;
}

/// The second hidden layer of a warp's receiver: the energy, and dE/d(pre-activation) of the first.
template <class Real>
__device__ double read_mid(const Readout<Real>& x, const double* value, const double* slope,
                           double* bar, Real* neurons_bar) {
  double energy = 0.0;
  for (int j = lane_index(); j < x.neurons; j += kWarp) {
    double pre = x.mid_bias[j];
    for (int i = 0; i < x.neurons; ++i) pre += value[i] * x.mid[i * x.neurons + j];
    const Activated y = activate(x.activation, pre);
    energy += x.out[j] * y.value;
    bar[j] = x.out[j] * y.slope;
  }
  __syncwarp();
  for (int i = lane_index(); i < x.neurons; i += kWarp) {
    double sum = 0.0;
    for (int j = 0; j < x.neurons; ++j) sum += x.mid[i * x.neurons + j] * bar[j];
    neurons_bar[i] = static_cast<Real>(slope[i] * sum);
  }
  return energy;
}

/// A warp for each receiver.
template <class Real, bool Mid>
__global__ void __launch_bounds__(kThreads) readout_kernel(const Readout<Real> x) {
  const int place = blockIdx.x * kWarps + threadIdx.x / kWarp, lane = lane_index();
  if (place >= x.pass.count) return;
  const std::int64_t receiver = x.pass.begin + place;
  const int kind = x.receiver_kind[receiver];
  const int lanes = neuron_lanes(x.neurons), own = lane % lanes;
  double energy = 0.0;
  [[maybe_unused]] double *value = nullptr, *slope = nullptr;
  if constexpr (Mid) {
    value = shared_memory<double>() + threadIdx.x / kWarp * 3 * x.neurons;
    slope = value + x.neurons;
  }
  for (int first = 0; first < x.neurons; first += lanes) {
    const int i = first + own;
    Real pre = 0;
    if (i < x.neurons) pre = sum_channels(x, place, i, lane / lanes, kWarp / lanes);
    for (int offset = lanes; offset < kWarp; offset *= 2)
      pre += __shfl_xor_sync(kAllLanes, pre, offset);
    if (lane >= lanes || i >= x.neurons) continue;
    const Activated y = activate(x.activation, pre + x.bias[kind * x.neurons + i]);
    if constexpr (Mid) {
      value[i] = y.value;
      slope[i] = y.slope;
    } else {
      energy += x.out[i] * y.value;
      x.neurons_bar[receiver * x.neurons + i] = static_cast<Real>(x.out[i] * y.slope);
    }
  }
  if constexpr (Mid) {
    __syncwarp();
    energy = read_mid(x, value, slope, slope + x.neurons, x.neurons_bar + receiver * x.neurons);
  }
  energy = sum_lanes(energy);
  if (lane == 0) x.energy[receiver] = energy + (x.isolated ? x.isolated[kind] : x.energy[receiver]);
}

constexpr int kGroup = 4;  ///< receivers that share the loads of weights

/// dE/dc of one channel of N receivers.
template <class Real, int N>
__device__ void reverse_group(const ReadoutReverse<Real>& x, int place, int channel) {
  const std::int64_t receiver = x.pass.begin + place, kind = x.receiver_kind[receiver];
  Real sum[N] = {};
#pragma unroll
  for (int r = 0; r < kMaxLayers; ++r) {
    if (r >= x.num_readers) continue;
    const auto& reader = x.reader[r];
    const Real* weight =
        reader.weight + kind * reader.kind_stride + std::int64_t{channel} * reader.neurons;
    const Real* bar = reader.neurons_bar + receiver * reader.neurons;
#pragma unroll 4
    for (int i = 0; i < reader.neurons; ++i) {
      const Real w = __ldg(weight + i);
#pragma unroll
      for (int n = 0; n < N; ++n) sum[n] += w * __ldg(bar + n * reader.neurons + i);
    }
  }
#pragma unroll
  for (int n = 0; n < N; ++n)
    for (int o = 0; o < x.outputs; ++o)
      x.c_bar[(std::int64_t{o} * x.pass.capacity + place + n) * x.channels + channel] =
          o == 0 ? sum[n] : Real(0);
}

/// A warp for 32 channels of a group of receivers.
template <class Real>
__global__ void __launch_bounds__(kThreads) readout_reverse_kernel(const ReadoutReverse<Real> x) {
  const int warps = x.channels / kWarp, index = blockIdx.x * kWarps + threadIdx.x / kWarp;
  const int first = index / warps * kGroup, channel = index % warps * kWarp + lane_index();
  if (first >= x.pass.count) return;
  for_group<kGroup>(x.pass, x.receiver_kind, first,
                    [&]<int N>(int place) { reverse_group<Real, N>(x, place, channel); });
}

}  // namespace

template <class Real>
void readout(const Readout<Real>& x, cudaStream_t stream) {
  const dim3 blocks((x.pass.count + kWarps - 1) / kWarps);
  const std::size_t shared = 3 * kWarps * x.neurons * sizeof(double);
  if (x.mid)
    launch(readout_kernel<Real, true>, blocks, kThreads, shared, stream, x);
  else
    launch(readout_kernel<Real, false>, blocks, kThreads, 0, stream, x);
}

template <class Real>
void readout_reverse(const ReadoutReverse<Real>& x, cudaStream_t stream) {
  const int warps = (x.pass.count + kGroup - 1) / kGroup * (x.channels / kWarp);
  launch(readout_reverse_kernel<Real>, dim3((warps + kWarps - 1) / kWarps), kThreads, 0, stream, x);
}

template void readout<float>(const Readout<float>&, cudaStream_t);
template void readout<double>(const Readout<double>&, cudaStream_t);
template void readout_reverse<float>(const ReadoutReverse<float>&, cudaStream_t);
template void readout_reverse<double>(const ReadoutReverse<double>&, cudaStream_t);

}  // namespace mdbench::cuda
