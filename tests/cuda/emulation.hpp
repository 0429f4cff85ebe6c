// SPDX-License-Identifier: MIT
// The part of CUDA's C++ that the kernels are written in, on the CPU: the threads of a block are
// fibers that take turns, so barriers and warp operations are real, and a thread that misses one is
// found. Compile with -DMDBENCH_EMULATE_CUDA -x c++ and link emulation.cpp, emulation_runtime.cpp.
#pragma once

#include <math.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <source_location>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static  // blocks run one after another
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) alignas(n)

#define MDBENCH_VECTORS(T, name, a2, a4)                             \
  struct alignas(a2) name##2 { T x, y; };                            \
  struct name##3 { T x, y, z; };                                     \
  struct alignas(a4) name##4 { T x, y, z, w; };                      \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }         \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
MDBENCH_VECTORS(float, float, 8, 16)
MDBENCH_VECTORS(double, double, 16, 16)
MDBENCH_VECTORS(int, int, 8, 16)
MDBENCH_VECTORS(unsigned, uint, 8, 16)
MDBENCH_VECTORS(short, short, 4, 8)
MDBENCH_VECTORS(long long, longlong, 16, 16)
MDBENCH_VECTORS(unsigned long long, ulonglong, 16, 16)
#undef MDBENCH_VECTORS

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

inline constexpr int warpSize = 32;

#include "emulation_runtime.hpp"
#include "races.hpp"

namespace emulation {

using Where = std::source_location;

/// Threads take turns; or the first that can go on, or the last, goes as far as it can; beyond
/// these, a seed: threads, and blocks, take turns by chance. What gives another result then has a
/// race.
enum Order : unsigned { kInTurn, kFirstFirst, kLastFirst };
/// Returns what it was; at first the number in MDBENCH_EMULATION_ORDER, or kInTurn.
unsigned set_order(unsigned order_or_seed);

/// What a warp operation is, and what one lane brings.
enum class Operation { sync, shuffle, ballot, any, all, match_any, largest };
struct Request {
  Operation operation;
  unsigned mask;
  Where where;
  std::uint64_t value;
  int source;  ///< lane to read from, in shuffles
};
std::uint64_t warp_operation(const Request& request);
void barrier(Where where);
int lane();
/// Dynamic shared memory of the block.
void* shared_buffer();

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T>
T shuffle(unsigned mask, T value, int source, Where where) {
  return from_bits<T>(warp_operation({Operation::shuffle, mask, where, to_bits(value), source}));
}

inline unsigned vote(Operation operation, unsigned mask, std::uint64_t value, Where where) {
  return static_cast<unsigned>(warp_operation({operation, mask, where, value, 0}));
}

/// As the conversion instructions round and saturate; not-a-number gives `invalid`.
template <class Integer>
Integer rounded(double x, Integer invalid) {
  if (std::isnan(x)) return invalid;
  x = std::nearbyint(x);
  if (x >= -static_cast<double>(std::numeric_limits<Integer>::min()))
    return std::numeric_limits<Integer>::max();
  if (x <= static_cast<double>(std::numeric_limits<Integer>::min()))
    return std::numeric_limits<Integer>::min();
  return static_cast<Integer>(x);
}

template <class T, class Change>
__attribute__((no_sanitize("thread"))) T exchange(T* address, Change&& change) {
  races::atomic(address, sizeof(T));
  const T old = *address;
  *address = change(old);
  return old;
}

}  // namespace emulation

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

inline void __syncthreads(emulation::Where where = emulation::Where::current()) {
  emulation::barrier(where);
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       emulation::Where where = emulation::Where::current()) {
  emulation::vote(emulation::Operation::sync, mask, 0, where);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              emulation::Where where = emulation::Where::current()) {
  const int first = emulation::lane() & ~(width - 1);
  return emulation::shuffle(mask, value, first | (source & (width - 1)), where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 emulation::Where where = emulation::Where::current()) {
  const int lane = emulation::lane(), source = lane - static_cast<int>(delta);
  return emulation::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   emulation::Where where = emulation::Where::current()) {
  const int lane = emulation::lane(), source = lane + static_cast<int>(delta);
  return emulation::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  emulation::Where where = emulation::Where::current()) {
  const int lane = emulation::lane(), source = lane ^ bits;
  return emulation::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              emulation::Where where = emulation::Where::current()) {
  return emulation::vote(emulation::Operation::ballot, mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate,
                      emulation::Where where = emulation::Where::current()) {
  return static_cast<int>(emulation::vote(emulation::Operation::any, mask, predicate != 0, where));
}
inline int __all_sync(unsigned mask, int predicate,
                      emulation::Where where = emulation::Where::current()) {
  return static_cast<int>(emulation::vote(emulation::Operation::all, mask, predicate != 0, where));
}
template <class T>
unsigned __match_any_sync(unsigned mask, T value,
                          emulation::Where where = emulation::Where::current()) {
  return emulation::vote(emulation::Operation::match_any, mask, emulation::to_bits(value), where);
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value,
                                  emulation::Where where = emulation::Where::current()) {
  return emulation::vote(emulation::Operation::largest, mask, value, where);
}

template <class T, class U>
T atomicAdd(T* address, U value) {
  // the sum of integers wraps around
  return emulation::exchange(address, [&](T old) {
    if constexpr (std::is_same_v<T, int>)
      return static_cast<int>(static_cast<unsigned>(old) + static_cast<unsigned>(value));
    else
      return static_cast<T>(old + static_cast<T>(value));
  });
}
template <class T, class U>
T atomicOr(T* address, U value) {
  return emulation::exchange(address, [&](T old) { return old | static_cast<T>(value); });
}
template <class T, class U>
T atomicMax(T* address, U value) {
  const T other = static_cast<T>(value);
  return emulation::exchange(address, [&](T old) { return old < other ? other : old; });
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __ffs(unsigned x) { return x ? std::countr_zero(x) + 1 : 0; }
inline int __ffsll(unsigned long long x) { return x ? std::countr_zero(x) + 1 : 0; }
inline int __clz(unsigned x) { return std::countl_zero(x); }
inline int __clzll(unsigned long long x) { return std::countl_zero(x); }

template <class T>
__attribute__((no_sanitize("thread"))) T __ldg(const T* address) {
  emulation::races::read_only(address, sizeof(T));
  return *address;
}
inline long long __double2ll_rn(double x) {
  return emulation::rounded<long long>(x, std::numeric_limits<long long>::min());
}
inline long long __float2ll_rn(float x) { return __double2ll_rn(x); }
inline int __double2int_rn(double x) {
  return emulation::rounded<int>(x, std::numeric_limits<int>::min());
}
inline int __float2int_rn(float x) { return emulation::rounded<int>(x, 0); }
inline int __float2int_rd(float x) { return emulation::rounded<int>(std::floor(x), 0); }
inline int __float2int_rz(float x) { return emulation::rounded<int>(std::trunc(x), 0); }
inline int __double2int_rd(double x) {
  return emulation::rounded<int>(std::floor(x), std::numeric_limits<int>::min());
}
inline int __double2int_rz(double x) {
  return emulation::rounded<int>(std::trunc(x), std::numeric_limits<int>::min());
}
inline double __ll2double_rn(long long x) { return static_cast<double>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float rsqrt(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }

#define MDBENCH_MIN_MAX(T)                         \
  inline T min(T a, T b) { return b < a ? b : a; } \
  inline T max(T a, T b) { return a < b ? b : a; }
MDBENCH_MIN_MAX(int)
MDBENCH_MIN_MAX(unsigned)
MDBENCH_MIN_MAX(long)
MDBENCH_MIN_MAX(unsigned long)
MDBENCH_MIN_MAX(long long)
MDBENCH_MIN_MAX(unsigned long long)
#undef MDBENCH_MIN_MAX
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
