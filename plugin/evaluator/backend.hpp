// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace mdbench {

/// A symbol of a library beside the plugin. Back ends are separate libraries so that LAMMPS starts
/// without loading torch, so that the plugin works where torch is absent, and so that each
/// instruction set has a build of its own.
/// @param what "the native evaluator", say: for messages. @throws Error with the remedy
void* backend_symbol(const std::string& what, const std::string& library, const char* symbol,
                     const std::string& remedy);

/// The library of the kernels for this processor. @throws Error when MDBENCH_ISA asks for one that
/// it lacks.
std::string native_library();

/// The library of the CUDA kernels, and its function that counts the GPUs which it sees.
inline constexpr char kCudaLibrary[] = "mdbench_native_cuda.so";
inline constexpr char kCudaDevicesSymbol[] = "mdbench_cuda_devices_v1";

/// GPUs for the CUDA kernels; 0 where their library is missing.
/// @throws Error when it is there and cannot be loaded
int cuda_devices();

}  // namespace mdbench
