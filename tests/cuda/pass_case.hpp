// SPDX-License-Identifier: MIT
// Receivers sorted by kind, some of which go through a pass; for tests of the kernels over
// channels.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "layout.hpp"
#include "memory.hpp"

namespace check {

template <class T>
std::vector<T> poisoned(std::size_t size) {
  return std::vector<T>(size, std::numeric_limits<T>::quiet_NaN());
}

/// As many receivers of each kind as `of_kind` says; the pass leaves out `before` at the beginning
/// and `after` at the end, and has room for more than it takes.
struct PassCase {
  std::vector<int> kind;
  mdbench::cuda::Pass pass{};

  PassCase(const std::vector<int>& of_kind, int before, int after) {
    for (std::size_t k = 0; k < of_kind.size(); ++k)
      kind.insert(kind.end(), of_kind[k], static_cast<int>(k));
    const int count = receivers() - before - after;
    pass = {before, count, count + 3};
  }
  int receivers() const { return static_cast<int>(kind.size()); }
  int kind_of(int place) const { return kind[pass.begin + place]; }
  /// Whether row `i` of an array of the pass, or of all receivers, belongs to the pass.
  bool has(int i, bool of_all) const {
    const int place = of_all ? i - pass.begin : i;
    return place >= 0 && place < pass.count;
  }
};

}  // namespace check
