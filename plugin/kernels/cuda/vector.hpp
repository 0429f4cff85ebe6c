// SPDX-License-Identifier: MIT
#pragma once

#include "device.hpp"

/// Numbers that a thread loads and stores together, aligned as a whole.
namespace mdbench::cuda {

template <class Real, int N = 16 / sizeof(Real)>
struct alignas(sizeof(Real) * N) Vector {
  static constexpr int kSize = N;
  Real at[N];
};

namespace detail {
float read_type(Vector<float, 1>);
float2 read_type(Vector<float, 2>);
float4 read_type(Vector<float, 4>);
double read_type(Vector<double, 1>);
double2 read_type(Vector<double, 2>);
}  // namespace detail

template <class Real, int N = 16 / sizeof(Real)>
__device__ __forceinline__ Vector<Real, N> load_vector(const Real* from) {
  return *reinterpret_cast<const Vector<Real, N>*>(from);
}

/// From global memory that nobody writes to while the kernel runs.
template <class Real, int N = 16 / sizeof(Real)>
__device__ __forceinline__ Vector<Real, N> read_vector(const Real* from) {
  using Result = Vector<Real, N>;
  using Type = decltype(detail::read_type(Result{}));
  return __builtin_bit_cast(Result, __ldg(reinterpret_cast<const Type*>(from)));
}

template <class Real, int N>
__device__ __forceinline__ void store_vector(Real* to, const Vector<Real, N>& x) {
  *reinterpret_cast<Vector<Real, N>*>(to) = x;
}

}  // namespace mdbench::cuda
