// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "json.hpp"

namespace mdbench {

/// An array of a safetensors file.
struct Tensor {
  std::vector<int> shape;
  std::vector<double> values;      ///< F64 (or F32, widened)
  std::vector<std::int32_t> ints;  ///< I32
};

/// A safetensors file, read whole and checked: offsets, sizes, overlaps, finite numbers, and the
/// checksum that `mdbench convert` leaves in the metadata.
class SafeTensors {
 public:
  /// @throws Error naming the file and the fault.
  explicit SafeTensors(const std::string& path);

  /// The JSON text of the entry `mdbench` of `__metadata__`, parsed.
  const Json& metadata() const { return metadata_; }
  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  /// @throws Error unless the array is there with this shape (-1: any length); whole numbers are
  /// asked for with `integers`.
  const Tensor& get(const std::string& name, const std::vector<int>& shape,
                    bool integers = false) const;

 private:
  /// Returns where it begins and ends.
  std::pair<std::size_t, std::size_t> read_tensor(const std::string& name, const Json& entry,
                                                  const char* data, std::size_t size);

  Json metadata_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace mdbench
