// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

namespace mdbench {

/// The one exception type of the core: one line that says what, where and what to do.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace mdbench
