// SPDX-License-Identifier: MIT
#pragma once

#include "device.hpp"

namespace mdbench::cuda {

/// Four numbers that are loaded together: those of the edges of a tile, or of neighbouring columns.
template <class Real>
struct alignas(16) Quad {
  Real x[4];
};

/// `p` is aligned to four numbers.
template <class Real>
__device__ __forceinline__ Quad<Real> load_quad(const Real* p) {
  return *reinterpret_cast<const Quad<Real>*>(p);
}

}  // namespace mdbench::cuda
