// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace mdbench {

/// Rows are padded to whole cache lines, so that one layout serves every instruction set.
inline constexpr std::size_t kLine = 64;

template <class Real>
constexpr int padded(int n) {
  constexpr int line = kLine / sizeof(Real);
  return (n + line - 1) / line * line;
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
