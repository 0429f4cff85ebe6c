// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <experimental/simd>
#include <type_traits>

#include "buffer.hpp"

/// SIMD by std::experimental::simd: it comes with the compiler, so nothing is added to the build,
/// and its vectors are the compiler's own. Each instruction set is a build of its own of the same
/// sources, in a library with hidden symbols; what is opened is decided when a model is loaded.
namespace mdbench {

namespace stdx = std::experimental;

template <class Real>
using Vec = stdx::native_simd<Real>;

template <class Real>
inline constexpr int kWidth = static_cast<int>(Vec<Real>::size());

template <class Real>
inline Vec<Real> load(const Real* p) {
  return Vec<Real>(p, stdx::element_aligned);
}

template <class Real>
inline void store(Real* p, const Vec<Real>& v) {
  v.copy_to(p, stdx::element_aligned);
}

/// Keeps a loaded vector in a register: the compiler would else fold the load into each of several
/// uses, and loads are as scarce as multiplications.
template <class Real>
inline Vec<Real> in_register(const Vec<Real>& v) {
  typedef Real Raw __attribute__((vector_size(sizeof(Vec<Real>))));
  Raw raw = std::bit_cast<Raw>(v);
#if defined(__AVX512F__)
  asm("" : "+v"(raw));
#elif defined(__SSE2__)
  asm("" : "+x"(raw));
#endif
  return std::bit_cast<Vec<Real>>(raw);
}

/// Lane by lane in a wider type where the destination has one: sums over edges in "mixed".
template <class Real>
inline void add_to(Real* p, const Vec<Real>& v) {
  store(p, load(p) + v);
}
inline void add_to(double* p, const Vec<float>& v) {
  for (int i = 0; i < kWidth<float>; ++i) p[i] += v[i];
}

namespace detail {

/// Groups of `Group` lanes of a, then of b, each added to half its length: log2(width) steps make
/// of `width` vectors one that holds their sums, with a third of the work of adding up each.
template <int Group, class Real>
inline Vec<Real> halve_groups(const Vec<Real>& a, const Vec<Real>& b) {
  typedef Real Raw __attribute__((vector_size(sizeof(Vec<Real>))));
  typedef std::conditional_t<sizeof(Real) == 4, std::int32_t, std::int64_t> Int;
  typedef Int Mask __attribute__((vector_size(sizeof(Vec<Real>))));
  constexpr int W = kWidth<Real>, half = Group / 2, groups = W / Group;
  constexpr auto pick = [](int offset) {
    Mask mask{};
    for (int i = 0; i < W; ++i) {
      const int group = i / half;
      mask[i] = (group % groups) * Group + i % half + offset + (group < groups ? 0 : W);
    }
    return mask;
  };
  const Raw x = std::bit_cast<Raw>(a), y = std::bit_cast<Raw>(b);
  const Raw sum = __builtin_shuffle(x, y, pick(0)) + __builtin_shuffle(x, y, pick(half));
  return std::bit_cast<Vec<Real>>(sum);
}

template <int N, int Group, class Real>
inline void add_groups(const Vec<Real>* v, int wanted, double* out) {
  if constexpr (N > 1 && Group > 1) {
    Vec<Real> next[N / 2];
    for (int i = 0; i < N / 2; ++i) next[i] = halve_groups<Group>(v[2 * i], v[2 * i + 1]);
    add_groups<N / 2, Group / 2>(next, wanted, out);
  } else {
    alignas(kLine) Real lanes[N * kWidth<Real>];
    for (int i = 0; i < N; ++i) store(lanes + i * kWidth<Real>, v[i]);
    for (int i = 0; i < wanted; ++i)
      for (int k = 0; k < Group; ++k) out[i] += lanes[i * Group + k];
  }
}

}  // namespace detail

/// out[i] += sum of the lanes of v[i], i < N.
template <int N, class Real>
inline void add_lane_sums(const Vec<Real> (&v)[N], double* out) {
  constexpr int full = static_cast<int>(std::bit_ceil(static_cast<unsigned>(N)));
  Vec<Real> all[full];
  for (int i = 0; i < full; ++i) all[i] = i < N ? v[i] : Vec<Real>(Real(0));
  detail::add_groups<full, kWidth<Real>>(all, N, out);
}

}  // namespace mdbench
