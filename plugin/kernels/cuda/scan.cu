// SPDX-License-Identifier: MIT
#include "search.hpp"
#include "warp.hpp"

/// Sums of blocks, sums over the blocks before by one block, and then each block's own.
namespace mdbench::cuda {
namespace {

constexpr int kWarps = kScanThreads / kWarp;

struct Sums {
  std::int64_t before, all;
};

/// Sums over the threads of the block before this one, and over all. Every thread takes part.
__device__ Sums scan_threads(std::int64_t own) {
  __shared__ std::int64_t of_warp[kWarps];
  const int lane = lane_index(), warp = static_cast<int>(threadIdx.x) / kWarp;
  std::int64_t last = own;
#pragma unroll
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const std::int64_t before = __shfl_up_sync(kAllLanes, last, offset);
    if (lane >= offset) last += before;
  }
  if (lane == kWarp - 1) of_warp[warp] = last;
  __syncthreads();
  Sums sums{last - own, 0};
#pragma unroll
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) sums.before += of_warp[w];
    sums.all += of_warp[w];
  }
  __syncthreads();  // the next call writes there
  return sums;
}

/// The first of the elements that a thread adds up.
__device__ std::int64_t first_item() {
  return (static_cast<std::int64_t>(blockIdx.x) * kScanThreads + threadIdx.x) * kScanItems;
}

__device__ std::int64_t sum_items(const Scan& p) {
  const std::int64_t first = first_item();
  std::int64_t sum = 0;
#pragma unroll
  for (int i = 0; i < kScanItems; ++i)
    if (first + i < p.count) sum += p.in[first + i];
  return sum;
}

__global__ void __launch_bounds__(kScanThreads) sum_blocks_kernel(Scan p) {
  const Sums sums = scan_threads(sum_items(p));
  if (threadIdx.x == 0) p.block_sums[blockIdx.x] = sums.all;
}

/// One block: few sums are left.
__global__ void __launch_bounds__(kScanThreads) scan_sums_kernel(Scan p) {
  const std::int64_t blocks = scan_blocks(p.count);
  std::int64_t before = 0;
  for (std::int64_t begin = 0; begin < blocks; begin += kScanThreads) {
    const std::int64_t i = begin + threadIdx.x;
    const Sums sums = scan_threads(i < blocks ? p.block_sums[i] : 0);
    if (i < blocks) p.block_sums[i] = before + sums.before;
    before += sums.all;
  }
  if (threadIdx.x == 0) p.out[p.count] = before;
}

__global__ void __launch_bounds__(kScanThreads) scan_items_kernel(Scan p) {
  const std::int64_t first = first_item();
  std::int64_t sum = p.block_sums[blockIdx.x] + scan_threads(sum_items(p)).before;
#pragma unroll
  for (int i = 0; i < kScanItems; ++i)
    if (first + i < p.count) {
      p.out[first + i] = sum;
      sum += p.in[first + i];
    }
}

}  // namespace

cudaError_t load_kernel() {
  cudaFuncAttributes found;
  return cudaFuncGetAttributes(&found, scan_sums_kernel);
}

void scan(const Scan& p, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(scan_blocks(p.count)));
  launch(sum_blocks_kernel, blocks, kScanThreads, 0, stream, p);
  launch(scan_sums_kernel, dim3(1), kScanThreads, 0, stream, p);
  launch(scan_items_kernel, blocks, kScanThreads, 0, stream, p);
}

}  // namespace mdbench::cuda
