// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>

namespace mdbench {

/// A matrix [rows, columns] cut into panels of `width` columns, the last one narrower, each a
/// contiguous matrix of its own: however wide the matrix is, what a kernel reads of a panel lies
/// together.
struct Panels {
  int rows, columns, width;
  std::size_t size() const { return static_cast<std::size_t>(rows) * columns; }
  int width_at(int column) const { return std::min(width, columns - column / width * width); }
  std::size_t index(int row, int column) const {
    const int first = column / width * width;
    return static_cast<std::size_t>(first) * rows +
           static_cast<std::size_t>(row) * width_at(column) + column - first;
  }
};

}  // namespace mdbench
