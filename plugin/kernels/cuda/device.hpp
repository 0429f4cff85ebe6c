// SPDX-License-Identifier: MIT
#pragma once

/// CUDA as the kernels see it: nvcc's, or the emulation that runs the same kernels on the CPU, in
/// which tests and sanitizers look at every one of them where no GPU is at hand.
#ifdef MDBENCH_EMULATE_CUDA
#include "emulation.hpp"
#else
#include <cuda_runtime.h>
#endif

namespace mdbench::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

/// Shared memory that is there without asking, and what a block may ask for on all of the GPUs.
inline constexpr std::size_t kPlainShared = 48 * 1024, kMostShared = 99 * 1024;

/// Asks for shared memory beyond what is there without asking, and always for the most: the limit
/// is the kernel's, and another thread may be about to start it with more.
template <class Arguments>
bool allow_shared(void (*kernel)(Arguments), std::size_t bytes) {
  return bytes <= kPlainShared ||
         cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(kMostShared)) == cudaSuccess;
}

/// cudaSuccess where the GPU in use runs the kernels of this build, of which it loads one.
cudaError_t load_kernel();

#if defined(MDBENCH_EMULATE_CUDA)

/// The block's dynamic shared memory.
template <class T>
T* shared_memory() {
  return static_cast<T*>(emulation::shared_buffer());
}

/// Starts `kernel(arguments)`; what fails to start shows in cudaGetLastError.
template <class Arguments>
void launch(void (*kernel)(Arguments), dim3 grid, int threads, std::size_t shared_bytes,
            cudaStream_t stream, const Arguments& arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || !allow_shared(kernel, shared_bytes)) return;
  emulation::launch({reinterpret_cast<const void*>(kernel), [=] { kernel(arguments); }, grid,
                     dim3(static_cast<unsigned>(threads)), shared_bytes},
                    stream);
}

#elif defined(__CUDACC__)

template <class T>
__device__ __forceinline__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char mdbench_shared_bytes[];
  return reinterpret_cast<T*>(mdbench_shared_bytes);
}

template <class Arguments>
void launch(void (*kernel)(Arguments), dim3 grid, int threads, std::size_t shared_bytes,
            cudaStream_t stream, const Arguments& arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || !allow_shared(kernel, shared_bytes)) return;
  // clang-format off
  kernel<<<grid, threads, shared_bytes, stream>>>(arguments);
  // clang-format on
}

#endif

}  // namespace mdbench::cuda
