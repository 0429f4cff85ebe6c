// SPDX-License-Identifier: MIT
// Indices beyond 32 bits, as 10^7 atoms have them, for arrays that are small.
#pragma once

#include <cstdint>

namespace check {

inline constexpr std::int64_t kFarTile = 4'400'000'000, kFarPair = 4'500'000'000;
inline constexpr int kFarNode = 1'900'000'000, kFarAtom = 2'000'000'000;

/// Where an array would begin whose element number `far` is at `p`.
template <class T>
T* begin_of_far(T* p, std::int64_t far) {
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(p) - sizeof(T) * far);
}

}  // namespace check
