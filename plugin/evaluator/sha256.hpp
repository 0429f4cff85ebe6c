// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

namespace mdbench {

/// SHA-256 (FIPS 180-4) as 64 lower-case hexadecimal digits.
std::string sha256_hex(const void* data, std::size_t size);

}  // namespace mdbench
