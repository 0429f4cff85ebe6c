// SPDX-License-Identifier: MIT
#pragma once

#include "device.hpp"
#include "layout.hpp"

/// Sums over the lanes of a warp, in an order that does not change, and sums of integers over many
/// warps, in which the order does not show. Every lane of the warp has to take part.
namespace mdbench::cuda {

__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }

/// The sum over the lanes, the same in all of them.
template <class T>
__device__ __forceinline__ T sum_lanes(T x) {
#pragma unroll
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
  return x;
}

/// Of the lanes with `upper` set the second half of `v`, of the others the first, each with the
/// other lane's added.
template <int N, int Offset, int Stop = 0, class T>
__device__ __forceinline__ void halve_lanes(T* v) {
  if constexpr (Offset > Stop) {
    constexpr int half = (N + 1) / 2;
    if constexpr (N == 1) {
      v[0] += __shfl_xor_sync(kAllLanes, v[0], Offset);
    } else {
      const bool upper = (lane_index() & Offset) != 0;
#pragma unroll
      for (int i = 0; i < half; ++i) {
        const T first = v[i], second = i + half < N ? v[i + half < N ? i + half : 0] : T(0);
        const T received = __shfl_xor_sync(kAllLanes, upper ? first : second, Offset);
        v[i] = (upper ? second : first) + received;
      }
    }
    halve_lanes<half, Offset / 2, Stop>(v);
  }
}

/// Numbers that `reduce_lanes` leaves in each lane.
__host__ __device__ constexpr int reduced_values(int n) { return (n + kWarp - 1) / kWarp; }

/// Sums each of `v[0 .. N - 1]` over the lanes: some N exchanges instead of 5 N. Lane by lane,
/// v[k] becomes the sum number `reduced_index<N>(k)`, k < reduced_values(N).
template <int N, class T>
__device__ __forceinline__ void reduce_lanes(T (&v)[N]) {
  halve_lanes<N, kWarp / 2>(v);
}

/// Which sum v[k] of this lane is after `reduce_lanes<N>`; -1 where it is none, or another lane's.
/// Sums are spread over the lanes so that each has one owner.
template <int N, int Offset = kWarp / 2, int Stop = 0>
__device__ __forceinline__ int reduced_index(int k = 0) {
  if constexpr (Offset == Stop) {
    return k < N ? k : -1;
  } else {
    constexpr int half = (N + 1) / 2;
    const bool upper = (lane_index() & Offset) != 0;
    const int index = reduced_index<half, Offset / 2, Stop>(k);
    if (!upper || index < 0) return index;
    return N > 1 && index + half < N ? index + half : -1;
  }
}

/// A float times 2^40 is a float.
__device__ __forceinline__ Fixed to_fixed(float x) {
  return static_cast<Fixed>(__float2ll_rn(x * float(kFixedUnit)));
}
__device__ __forceinline__ Fixed to_fixed(double x) {
  return static_cast<Fixed>(__double2ll_rn(x * kFixedUnit));
}

/// Adds a number to a sum of integers; one that is not below `limit` raises kNotFinite.
__device__ __forceinline__ void add_fixed(Fixed* at, double x, double limit, unsigned* flags) {
  if (fabs(x) < limit)
    atomicAdd(at, to_fixed(x));
  else
    atomicOr(flags, static_cast<unsigned>(kNotFinite));
}

}  // namespace mdbench::cuda
