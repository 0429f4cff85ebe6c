// SPDX-License-Identifier: MIT
#include "safetensors.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <utility>

#include "error.hpp"
#include "sha256.hpp"

namespace mdbench {
namespace {

constexpr std::size_t kPrefix = 8, kDigits = 64;
constexpr long long kLargest = 1LL << 40;

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw Error("cannot open model file '" + path + "'");
  const long long size = in.tellg();  // of a folder: the largest number there is
  if (size < 0 || size > kLargest) throw Error("cannot read model file '" + path + "'");
  std::string bytes(static_cast<std::size_t>(size), '\0');
  in.seekg(0);
  if (!in.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
    throw Error("cannot read model file '" + path + "'");
  return bytes;
}

/// Number of the elements of a shape, which goes to `out`.
std::size_t count_elements(const Json& shape, std::vector<int>& out) {
  std::size_t count = 1;
  for (const Json& n : shape.items()) {
    out.push_back(static_cast<int>(n.integer(0, 1 << 30)));
    const auto next = static_cast<std::size_t>(out.back());
    if (next > 0 && count > kLargest / next) throw Error("an array is too large");
    count *= next;
  }
  return count;
}

/// The file's hash with the digits of its own checksum taken as zeros.
void require_checksum(std::string bytes, std::size_t header_end, const std::string& digits) {
  const std::size_t at = bytes.find(digits, kPrefix);
  if (digits.size() != kDigits || at == bytes.npos || at > header_end)
    throw Error("its checksum is missing");
  bytes.replace(at, kDigits, kDigits, '0');
  if (sha256_hex(bytes.data(), bytes.size()) != digits)
    throw Error("its checksum is wrong: the file is damaged; copy it again or convert it again");
}

}  // namespace

SafeTensors::SafeTensors(const std::string& path) {
  static_assert(std::endian::native == std::endian::little);
  const std::string bytes = read_whole(path);
  try {
    std::uint64_t header = 0;
    if (bytes.size() < kPrefix) throw Error("it is too short");
    std::memcpy(&header, bytes.data(), kPrefix);
    if (header > bytes.size() - kPrefix) throw Error("it is cut short");
    const Json root = Json::parse(std::string_view(bytes).substr(kPrefix, header));
    if (!root.has("__metadata__") || !root["__metadata__"].has("mdbench"))
      throw Error("it is a safetensors file of another program: make one with 'mdbench convert'");
    metadata_ = Json::parse(root["__metadata__"]["mdbench"].text());
    require_checksum(bytes, kPrefix + header, metadata_["checksum"].text());
    const char* data = bytes.data() + kPrefix + header;
    const std::size_t size = bytes.size() - kPrefix - header;
    std::multimap<std::size_t, std::size_t> places;  // begin and end
    for (const auto& [name, entry] : root.members())
      if (name != "__metadata__") places.insert(read_tensor(name, entry, data, size));
    std::size_t end = 0;
    for (const auto& [first, last] : places)
      if (std::exchange(end, last) != first) throw Error("its arrays overlap or leave gaps");
    if (end != size) throw Error("its arrays overlap or leave gaps");
  } catch (const Error& problem) {
    throw Error("model file '" + path + "': " + problem.what());
  }
}

std::pair<std::size_t, std::size_t> SafeTensors::read_tensor(const std::string& name,
                                                             const Json& entry, const char* data,
                                                             std::size_t size) {
  Tensor tensor;
  const std::size_t count = count_elements(entry["shape"], tensor.shape);
  const auto& offsets = entry["data_offsets"].items();
  if (offsets.size() != 2) throw Error("array '" + name + "' has no place");
  const auto begin = static_cast<std::size_t>(offsets[0].integer(0, kLargest));
  const auto end = static_cast<std::size_t>(offsets[1].integer(0, kLargest));
  const std::string& type = entry["dtype"].text();
  const std::size_t width = type == "F64" ? 8 : 4;
  if (type != "F64" && type != "F32" && type != "I32")
    throw Error("array '" + name + "' has type " + type + ", not F64, F32 or I32");
  if (begin > end || end > size || end - begin != count * width)
    throw Error("array '" + name + "' does not fit the file");
  const auto copy = [&]<class T>(T zero, auto& out) {
    std::vector<T> raw(count, zero);
    if (count > 0) std::memcpy(raw.data(), data + begin, count * width);
    out.assign(raw.begin(), raw.end());
  };
  if (type == "F64")
    copy(0.0, tensor.values);
  else if (type == "F32")
    copy(0.0f, tensor.values);
  else
    copy(std::int32_t{0}, tensor.ints);
  for (const double x : tensor.values)
    if (!std::isfinite(x)) throw Error("array '" + name + "' holds a number that is not finite");
  tensors_.emplace(name, std::move(tensor));
  return {begin, end};
}

const Tensor& SafeTensors::get(const std::string& name, const std::vector<int>& shape,
                               bool integers) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw Error("array '" + name + "' is missing");
  const Tensor& tensor = found->second;
  bool fits = tensor.shape.size() == shape.size() &&
              (integers ? tensor.values.empty() : tensor.ints.empty());
  for (std::size_t i = 0; fits && i < shape.size(); ++i)
    fits = shape[i] < 0 || shape[i] == tensor.shape[i];
  if (!fits) throw Error("array '" + name + "' has another shape or type than it should");
  return tensor;
}

}  // namespace mdbench
