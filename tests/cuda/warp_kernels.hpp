// SPDX-License-Identifier: MIT
#pragma once

#include "layout.hpp"

namespace cuda_test {

/// What a warp makes of N values a lane, [lane][N].
struct WarpSums {
  const double* in;
  double* total;                ///< [32]: the sum of the first values, in each lane
  double* reduced;              ///< [N]
  int* owners;                  ///< [N]: lanes that held each sum
  mdbench::cuda::Fixed* fixed;  ///< [1]: sum of all values
  unsigned* flags;
};
template <int N>
void warp_sums(const WarpSums& p);

}  // namespace cuda_test
