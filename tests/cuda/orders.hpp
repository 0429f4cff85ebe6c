// SPDX-License-Identifier: MIT
#pragma once

#include "device.hpp"

namespace check {

/// Calls body() with the threads of the emulation in order and shuffled, on a GPU once: a kernel
/// that lacks a barrier gives other numbers then.
template <class Body>
void for_orders(Body&& body) {
#ifdef MDBENCH_EMULATE_CUDA
  const unsigned before = emulation::shuffle_order(0);
  for (const unsigned seed : {0u, 1u, 2u}) {
    emulation::shuffle_order(seed);
    body();
  }
  emulation::shuffle_order(before);
#else
  body();
#endif
}

}  // namespace check
