// SPDX-License-Identifier: MIT
#include "warp.hpp"
#include "warp_kernels.hpp"

namespace cuda_test {
namespace {

using namespace mdbench::cuda;

template <int N>
__global__ void warp_sums_kernel(WarpSums p) {
  const int lane = lane_index();
  double values[N];
  for (int i = 0; i < N; ++i) {
    values[i] = p.in[lane * N + i];
    add_fixed(p.fixed, values[i], fixed_limit(kWarp * N), p.flags);
  }
  p.total[lane] = sum_lanes(values[0]);
  reduce_lanes<N>(values);
#pragma unroll
  for (int k = 0; k < reduced_values(N); ++k) {
    const int i = reduced_index<N>(k);
    if (i < 0) continue;
    p.reduced[i] = values[k];
    atomicAdd(p.owners + i, 1);
  }
}

}  // namespace

template <int N>
void warp_sums(const WarpSums& p) {
  launch(warp_sums_kernel<N>, dim3(1), kWarp, 0, nullptr, p);
}

template void warp_sums<1>(const WarpSums&);
template void warp_sums<2>(const WarpSums&);
template void warp_sums<5>(const WarpSums&);
template void warp_sums<13>(const WarpSums&);
template void warp_sums<16>(const WarpSums&);
template void warp_sums<20>(const WarpSums&);
template void warp_sums<32>(const WarpSums&);
template void warp_sums<33>(const WarpSums&);
template void warp_sums<64>(const WarpSums&);
template void warp_sums<100>(const WarpSums&);

}  // namespace cuda_test
