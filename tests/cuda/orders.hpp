// SPDX-License-Identifier: MIT
#pragma once

#include "device.hpp"

namespace check {

/// Calls body() with the threads of the emulation in order and shuffled, on a GPU once: a kernel
/// that lacks a barrier gives other numbers then.
template <class Body>
void for_orders(Body&& body) {
#ifdef MDBENCH_EMULATE_CUDA
  for (const unsigned seed : {1u, 2u, 0u}) {
    emulation::shuffle_order(seed);
    body();
  }
#else
  body();
#endif
}

}  // namespace check
