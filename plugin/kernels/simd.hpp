// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdlib>
#include <experimental/simd>
#include <new>
#include <vector>

/// SIMD by std::experimental::simd: it comes with the compiler, so nothing is added to the build,
/// and its vectors are the compiler's own. Each instruction set is a build of its own of the same
/// sources, in a library with hidden symbols; what is opened is decided when a model is loaded.
namespace mdbench {

namespace stdx = std::experimental;

template <class Real>
using Vec = stdx::native_simd<Real>;

template <class Real>
inline constexpr int kWidth = static_cast<int>(Vec<Real>::size());

/// Rows are padded to whole cache lines, so that one layout serves every instruction set.
inline constexpr std::size_t kLine = 64;

template <class Real>
constexpr int padded(int n) {
  constexpr int line = kLine / sizeof(Real);
  return (n + line - 1) / line * line;
}

template <class Real>
inline Vec<Real> load(const Real* p) {
  return Vec<Real>(p, stdx::element_aligned);
}

template <class Real>
inline void store(Real* p, const Vec<Real>& v) {
  v.copy_to(p, stdx::element_aligned);
}

/// Lane by lane in a wider type where the destination has one: sums over edges in "mixed".
template <class Real>
inline void add_to(Real* p, const Vec<Real>& v) {
  store(p, load(p) + v);
}
inline void add_to(double* p, const Vec<float>& v) {
  for (int i = 0; i < kWidth<float>; ++i) p[i] += v[i];
}

template <class T>
struct LineAllocator {
  using value_type = T;
  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{kLine}));
  }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{kLine}); }
  template <class U>
  bool operator==(const LineAllocator<U>&) const {
    return true;
  }
};

/// Memory that begins on a cache line.
template <class T>
using Buffer = std::vector<T, LineAllocator<T>>;

/// Grows a workspace; never shrinks it, so that a steady run allocates nothing.
template <class T>
void reserve(Buffer<T>& buffer, std::size_t n) {
  if (buffer.size() < n) buffer.resize(n + n / 8);
}

}  // namespace mdbench
