// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace mdbench {

/// Calls function(share) for every share 0 .. shares - 1, on as many threads where there are. What
/// a share does must not depend on which thread runs it, nor throw: OpenMP may give fewer threads
/// than asked for (OMP_THREAD_LIMIT, OMP_DYNAMIC, nested regions). Where OpenMP is not compiled in,
/// one thread runs them all.
template <class Function>
void in_parallel(int shares, Function&& function) {
  if (shares == 1) return function(0);  // also after a fork, which no other threads survive
#ifdef _OPENMP
#pragma omp parallel for num_threads(shares) schedule(static, 1)
#endif
  for (int share = 0; share < shares; ++share) function(share);
}

/// Items of a share of `count`: [first, last).
struct Share {
  std::size_t first, last;
  Share(std::size_t count, int share, int shares)
      : first(count * share / shares), last(count * (share + 1) / shares) {}
};

}  // namespace mdbench
