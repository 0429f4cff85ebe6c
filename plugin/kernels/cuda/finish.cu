// SPDX-License-Identifier: MIT
#include "layout.hpp"
#include "warp.hpp"

/// From sums of integers to floating-point numbers.
namespace mdbench::cuda {
namespace {

constexpr int kThreads = 512, kVirial = 9;

/// A block adds up a component of the receivers' virials: threads take every 512th, four sums
/// each, which a tree adds.
__device__ void sum_virial(const Finish& p, int component) {
  __shared__ double sums[kThreads / kWarp];
  const int thread = static_cast<int>(threadIdx.x);
  double part[4] = {};
  for (std::int64_t i = thread; i < p.receivers; i += 4 * kThreads)
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const std::int64_t receiver = i + k * kThreads;
      if (receiver < p.receivers) part[k] += p.virial[receiver * kVirial + component];
    }
  const double sum = sum_lanes((part[0] + part[1]) + (part[2] + part[3]));
  if (lane_index() == 0) sums[thread / kWarp] = sum;
  __syncthreads();
  if (thread >= kWarp) return;
  const double total = sum_lanes(thread < kThreads / kWarp ? sums[thread] : 0.0);
  if (thread == 0) p.total_virial[component] = total;
}

__global__ void __launch_bounds__(kThreads) finish_kernel(Finish p) {
  int block = static_cast<int>(blockIdx.x);
  if (p.total_virial != nullptr) {
    if (block < kVirial) {
      sum_virial(p, block);
      return;
    }
    block -= kVirial;
  }
  const std::int64_t forces = 3 * static_cast<std::int64_t>(p.nodes);
  const std::int64_t virials = kVirial * static_cast<std::int64_t>(p.nodes);
  const std::int64_t i = static_cast<std::int64_t>(block) * kThreads + threadIdx.x;
  if (p.force != nullptr && i < forces) p.force_out[i] = from_fixed(p.force[i]);
  if (p.node_virial != nullptr && i < virials) p.node_virial_out[i] = from_fixed(p.node_virial[i]);
}

template <class Real>
__global__ void __launch_bounds__(kThreads) take_gradients_kernel(TakeGradients<Real> p) {
  const int place = static_cast<int>(blockIdx.x), row = p.components * p.channels;
  const std::int64_t from = static_cast<std::int64_t>(p.node[p.pass.begin + place]) * row;
  for (int i = static_cast<int>(threadIdx.x); i < row; i += static_cast<int>(blockDim.x)) {
    const int component = i / p.channels, channel = i % p.channels;
    const std::int64_t to =
        (static_cast<std::int64_t>(component) * p.pass.capacity + place) * p.channels + channel;
    p.out[to] =
        p.fixed != nullptr ? static_cast<Real>(from_fixed(p.fixed[from + i])) : p.real[from + i];
  }
}

}  // namespace

void finish(const Finish& p, cudaStream_t stream) {
  const int wide = p.node_virial != nullptr ? kVirial : p.force != nullptr ? 3 : 0;
  const std::int64_t values = static_cast<std::int64_t>(wide) * p.nodes;
  const auto blocks = static_cast<unsigned>((values + kThreads - 1) / kThreads);
  launch(finish_kernel, dim3(blocks + (p.total_virial != nullptr ? kVirial : 0)), kThreads, 0,
         stream, p);
}

template <class Real>
void take_gradients(const TakeGradients<Real>& p, cudaStream_t stream) {
  const int warps = (p.components * p.channels + kWarp - 1) / kWarp;
  launch(take_gradients_kernel<Real>, dim3(p.pass.count), kWarp * (warps < 8 ? warps : 8), 0,
         stream, p);
}

template void take_gradients<float>(const TakeGradients<float>&, cudaStream_t);
template void take_gradients<double>(const TakeGradients<double>&, cudaStream_t);

}  // namespace mdbench::cuda
