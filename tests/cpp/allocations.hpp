// SPDX-License-Identifier: MIT
#pragma once

namespace check {

/// Calls of operator new so far, by all threads: this program's own operator new counts.
long allocations();

}  // namespace check
