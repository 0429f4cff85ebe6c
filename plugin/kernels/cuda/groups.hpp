// SPDX-License-Identifier: MIT
#pragma once

#include "layout.hpp"

namespace mdbench::cuda {

/// Takes places first .. first + N - 1 together where they all exist and have the same kind, so
/// that what depends on the kind is loaded once for them, and else one by one: calls
/// function<N>(first) or function<1>(place).
template <int N, class Function>
__device__ __forceinline__ void for_group(const Pass& pass, const int* receiver_kind, int first,
                                          Function&& function) {
  const int* kind = receiver_kind + pass.begin + first;
  const int last = pass.count - first < N ? pass.count - first : N;
  bool together = last == N;
  for (int n = 1; n < last; ++n) together = together && kind[n] == kind[0];
  if (N == 1 || together)
    function.template operator()<N>(first);
  else if constexpr (N > 1)
    for (int n = 0; n < last; ++n) function.template operator()<1>(first + n);
}

}  // namespace mdbench::cuda
