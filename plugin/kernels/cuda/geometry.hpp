// SPDX-License-Identifier: MIT
#pragma once

#include "layout.hpp"

/// The edges' vectors.
namespace mdbench::cuda {

struct Vector {
  double x, y, z;
};

/// x_sender - x_receiver in Angstrom; `pair` counts those of all receivers.
__device__ __forceinline__ Vector edge_vector(const Coordinates& at, const Pairs& pairs,
                                              int receiver, std::int64_t pair) {
  if (at.position == nullptr) {
    const double* v = at.vector + 3 * pair;
    return {v[0], v[1], v[2]};
  }
  const double* a = at.position + 3 * static_cast<std::int64_t>(pairs.receiver_atom[receiver]);
  const double* b = at.position + 3 * static_cast<std::int64_t>(pairs.sender_atom[pair]);
  return {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
}

/// Each operation is rounded, so that all who compare it with a cutoff decide alike: every place
/// in the kernels, however it is compiled, and the CPU.
__device__ __forceinline__ double squared_length(const Vector& d) {
  return __dadd_rn(__dadd_rn(__dmul_rn(d.x, d.x), __dmul_rn(d.y, d.y)), __dmul_rn(d.z, d.z));
}

}  // namespace mdbench::cuda
