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

/// Starts `kernel(arguments)`; what fails to start shows in cudaGetLastError.
template <class Arguments>
void launch(void (*kernel)(Arguments), dim3 grid, int threads, std::size_t shared_bytes,
            cudaStream_t stream, const Arguments& arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#ifdef MDBENCH_EMULATE_CUDA
  emulation::launch([=] { kernel(arguments); }, grid, dim3(threads), shared_bytes, stream);
#elif defined(__CUDACC__)
  kernel<<<grid, threads, shared_bytes, stream>>>(arguments);
#endif
}

}  // namespace mdbench::cuda
