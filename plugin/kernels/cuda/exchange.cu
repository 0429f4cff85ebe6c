// SPDX-License-Identifier: MIT
#include "exchange.hpp"
#include "warp.hpp"

/// Rows of features, or of gradients by them, between the arrays of nodes and the buffer in which
/// they travel from rank to rank. A block takes a row.
namespace mdbench::cuda {
namespace {

constexpr int kThreads = 256;

/// Calls function(place in the array of nodes, place in the buffer) for the numbers of this row.
template <class Real, class Function>
__device__ __forceinline__ void for_numbers(const ExchangeRows<Real>& p, int channels,
                                            Function&& function) {
  const int row = static_cast<int>(blockIdx.x);
  const std::int64_t node = p.node != nullptr ? p.node[row] : p.first_node + row;
  for (int i = static_cast<int>(threadIdx.x); i < p.components * channels; i += kThreads) {
    const int component = i / channels, channel = i % channels;
    function((node * p.components + component) * p.channels + channel,
             (static_cast<std::int64_t>(row) * p.components + component) * p.width + channel,
             channel);
  }
}

template <class Real>
__global__ void __launch_bounds__(kThreads) pack_kernel(ExchangeRows<Real> p) {
  for_numbers(p, p.width, [&](std::int64_t from, std::int64_t to, int) {
    p.rows[to] = p.fixed != nullptr ? from_fixed(p.fixed[from]) : static_cast<double>(p.real[from]);
  });
}

template <class Real>
__global__ void __launch_bounds__(kThreads) set_kernel(ExchangeRows<Real> p) {
  for_numbers(p, p.channels, [&](std::int64_t to, std::int64_t from, int channel) {
    p.real[to] = channel < p.width ? static_cast<Real>(p.rows[from]) : Real(0);
  });
}

/// What other ranks add has no bound: the sum has to be looked at.
__device__ __forceinline__ void add_to_sum(Fixed* at, double x, unsigned* flags) {
  if (fabs(x) < kFixedRange && fabs(from_fixed(*at) + x) < kFixedRange - 1.0)
    *at += to_fixed(x);
  else
    atomicOr(flags, static_cast<unsigned>(kNotFinite));
}

template <class Real>
__global__ void __launch_bounds__(kThreads) add_kernel(ExchangeRows<Real> p) {
  for_numbers(p, p.width, [&](std::int64_t to, std::int64_t from, int) {
    if (p.fixed != nullptr)
      add_to_sum(p.fixed + to, p.rows[from], p.flags);
    else
      p.real[to] += static_cast<Real>(p.rows[from]);
  });
}

}  // namespace

template <class Real>
void pack_rows(const ExchangeRows<Real>& p, cudaStream_t stream) {
  launch(pack_kernel<Real>, dim3(p.count), kThreads, 0, stream, p);
}

template <class Real>
void set_rows(const ExchangeRows<Real>& p, cudaStream_t stream) {
  launch(set_kernel<Real>, dim3(p.count), kThreads, 0, stream, p);
}

template <class Real>
void add_rows(const ExchangeRows<Real>& p, cudaStream_t stream) {
  launch(add_kernel<Real>, dim3(p.count), kThreads, 0, stream, p);
}

template void pack_rows<float>(const ExchangeRows<float>&, cudaStream_t);
template void pack_rows<double>(const ExchangeRows<double>&, cudaStream_t);
template void set_rows<float>(const ExchangeRows<float>&, cudaStream_t);
template void set_rows<double>(const ExchangeRows<double>&, cudaStream_t);
template void add_rows<float>(const ExchangeRows<float>&, cudaStream_t);
template void add_rows<double>(const ExchangeRows<double>&, cudaStream_t);

}  // namespace mdbench::cuda
