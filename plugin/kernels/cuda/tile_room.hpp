// SPDX-License-Identifier: MIT
#pragma once

#include "host_device.hpp"

namespace mdbench::cuda {

/// Tiles that the edges of a receiver need at most whose senders are of one kind, among which it
/// has `pairs` pairs: however they spread over the segments.
MDBENCH_HD constexpr int tile_room(int pairs, int segments) {
  return (pairs + 3 * (pairs < segments ? pairs : segments)) / 4;
}

}  // namespace mdbench::cuda
