// SPDX-License-Identifier: MIT
#include "sample_kernels.hpp"

namespace mdbench::cuda::sample {

namespace {

__global__ void lanes_kernel(Lanes arguments) {
  const int lane = static_cast<int>(threadIdx.x);
  LaneResults result;
  result.from_seventh = __shfl_sync(kAllLanes, 1.5 * lane, (7 * lane + 3) % 32);
  result.within_eight = __shfl_sync(kAllLanes, 0.5f * static_cast<float>(lane), 5, 8);
  result.up = __shfl_up_sync(kAllLanes, lane, 3, 16);
  result.down = __shfl_down_sync(kAllLanes, lane, 5);
  result.exchanged = __shfl_xor_sync(kAllLanes, (1ll << 40) + lane, 16, 16);
  result.equal = __match_any_sync(kAllLanes, lane % 5);
  result.third = __ballot_sync(kAllLanes, lane % 3 == 0);
  result.largest = __reduce_max_sync(kAllLanes, static_cast<unsigned>(7 * lane % 32));
  int sum = lane;
  if (lane < 16) {
    const unsigned half = 0x0000ffffu;
    result.any = __any_sync(half, lane == 20);
    result.all = __all_sync(half, lane < 16);
    for (int d = 8; d > 0; d /= 2) sum += __shfl_xor_sync(half, sum, d);
  } else {
    const unsigned half = 0xffff0000u;
    for (int d = 8; d > 0; d /= 2) sum += __shfl_xor_sync(half, sum, d);
    result.any = __any_sync(half, lane == 20);
    result.all = __all_sync(half, lane < 16);
  }
  result.sum = sum;
  __syncwarp();
  arguments.out[lane] = result;
}

__global__ void reverse_kernel(Reverse arguments) {
  __shared__ int shared[128];
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int first = static_cast<int>(blockIdx.x) * threads;
  shared[thread] = arguments.in[first + thread];
  __syncthreads();
  arguments.out[first + thread] = shared[threads - 1 - thread];
}

__global__ void reverse_dynamic_kernel(Reverse arguments) {
  int* const shared = shared_memory<int>();
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  const int first = static_cast<int>(blockIdx.x) * threads;
  shared[thread] = arguments.in[first + thread];
  __syncthreads();
  arguments.out[first + thread] = shared[threads - 1 - thread];
}

__global__ void shift_kernel(Shift arguments) {
  __shared__ int shared[128];
  const int thread = static_cast<int>(threadIdx.x);
  shared[thread] = arguments.in[thread];
  if (arguments.with_barrier) __syncthreads();
  arguments.out[thread] = shared[max(thread - 1, 0)];
}

__global__ void convert_kernel(Convert arguments) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < arguments.count) arguments.out[i] = __double2ll_rn(arguments.in[i]);
}

__global__ void accumulate_kernel(Accumulate arguments) {
  const int thread = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const long long value = 3 - 2 * static_cast<long long>(thread);
  atomicAdd(arguments.sum, static_cast<unsigned long long>(value));
  atomicOr(arguments.bits, 1u << (thread % 20));
  atomicAdd(arguments.count, 1);
  atomicMax(arguments.largest, thread);
}

__global__ void faulty_kernel(Faulty arguments) {
  __shared__ int shared[64];
  const int thread = static_cast<int>(threadIdx.x);
  int value = thread;
  switch (arguments.fault) {
    case Fault::early_return:
      if (thread == 40) return;
      __syncthreads();
      break;
    case Fault::other_barrier:
      if (thread < 32) {
        __syncthreads();
      } else {
        __syncthreads();
      }
      break;
    case Fault::lane_missing:
      if (thread != 9) value = __shfl_xor_sync(kAllLanes, value, 1);
      break;
    case Fault::other_call:
      if (thread % 2 == 0)
        value = __shfl_sync(kAllLanes, value, 0);
      else
        value = __shfl_sync(kAllLanes, value, 1);
      break;
    case Fault::outside_mask:
      value = __shfl_sync(0xffu, value, 0);
      break;
    case Fault::overflow:
      shared_memory<int>()[thread] = 0;  // launched with room for fewer
      break;
  }
  shared[thread] = value;
  arguments.out[thread] = shared[thread];
}

__global__ void racing_kernel(Racing arguments) {
  __shared__ int shared[64];
  const int thread = static_cast<int>(threadIdx.x);
  int* const own = arguments.out + 64 * blockIdx.x + thread;
  int* const common = arguments.out + 128;
  shared[thread] = thread;
  int value = 0;
  if (arguments.race == Race::shuffle_is_no_barrier)
    value = __shfl_sync(kAllLanes, thread, 0);
  else
    __syncwarp();
  value += shared[arguments.race == Race::other_warp ? thread ^ 32 : thread ^ 1];
  if (arguments.race == Race::write_after_read) shared[thread] = 0;
  if (arguments.race == Race::other_block && thread == 0) *common = 1;
  if (arguments.race == Race::atomic_and_read || arguments.race == Race::none) atomicAdd(common, 1);
  if (arguments.race == Race::atomic_and_read) value += *common;
  *own = value;
  if (arguments.race == Race::read_only_cache) *common = __ldg(own);
}

}  // namespace

void lanes(const Lanes& arguments, cudaStream_t stream) {
  launch(lanes_kernel, dim3(1), 32, 0, stream, arguments);
}

void reverse(const Reverse& arguments, cudaStream_t stream) {
  launch(reverse_kernel, dim3(static_cast<unsigned>(arguments.blocks)), arguments.threads, 0,
         stream, arguments);
}

void reverse_dynamic(const Reverse& arguments, int elements, cudaStream_t stream) {
  const std::size_t bytes = sizeof(int) * static_cast<std::size_t>(elements);
  launch(reverse_dynamic_kernel, dim3(static_cast<unsigned>(arguments.blocks)), arguments.threads,
         bytes, stream, arguments);
}

void shift(const Shift& arguments, cudaStream_t stream) {
  launch(shift_kernel, dim3(1), arguments.threads, 0, stream, arguments);
}

void convert(const Convert& arguments, cudaStream_t stream) {
  launch(convert_kernel, dim3(1), 64, 0, stream, arguments);
}

void accumulate(const Accumulate& arguments, cudaStream_t stream) {
  launch(accumulate_kernel, dim3(static_cast<unsigned>(arguments.blocks)), arguments.threads, 0,
         stream, arguments);
}

void faulty(const Faulty& arguments, cudaStream_t stream) {
  launch(faulty_kernel, dim3(1), 64, 4 * sizeof(int), stream, arguments);
}

void racing(const Racing& arguments, cudaStream_t stream) {
  launch(racing_kernel, dim3(2), 64, 0, stream, arguments);
}

}  // namespace mdbench::cuda::sample
