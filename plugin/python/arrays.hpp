// SPDX-License-Identifier: MIT
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <span>

/// NumPy arrays as the bindings take and give them.
namespace mdbench::python {

namespace nb = nanobind;

using Int32s = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Int64s = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Vectors = nb::ndarray<const double, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;

template <class Array>
auto view(const Array& array) {
  return std::span(array.data(), array.size());
}

/// A NumPy array that owns a copy of the values. @param width of its rows; 0: it has one dimension
template <class T>
nb::object to_numpy(std::span<const T> values, std::size_t width = 0) {
  auto* data = new T[values.size()];
  std::copy(values.begin(), values.end(), data);
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  std::size_t shape[2] = {width ? values.size() / width : values.size(), width};
  return nb::cast(nb::ndarray<nb::numpy, T>(data, width ? 2 : 1, shape, owner));
}

inline void check(bool condition, const char* message) {
  if (!condition) throw nb::value_error(message);
}

/// D3 dispersion, in d3_bindings.cpp.
void bind_d3(nb::module_& m);

}  // namespace mdbench::python
