// SPDX-License-Identifier: MIT
#pragma once

#include "device.hpp"

namespace check {

/// Calls body() with the threads of the emulation in several orders, on a GPU once: a kernel that
/// lacks a barrier gives other numbers then.
template <class Body>
void for_orders(Body&& body) {
#ifdef MDBENCH_EMULATE_CUDA
  const unsigned before = emulation::set_order(emulation::kInTurn);
  for (unsigned order = emulation::kInTurn; order <= emulation::kLastFirst + 1; ++order) {
    emulation::set_order(order);
    body();
  }
  emulation::set_order(before);
#else
  body();
#endif
}

}  // namespace check
