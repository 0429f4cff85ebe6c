// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mdbench {

/// A JSON value (RFC 8259) as model files need it. Access to what is not there throws Error.
class Json {
 public:
  enum class Kind { null, boolean, number, string, array, object };

  /// @throws Error with the byte offset of the first fault.
  static Json parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool has(const std::string& key) const { return members_.count(key) > 0; }
  const Json& operator[](const std::string& key) const;
  const std::map<std::string, Json>& members() const;
  const std::vector<Json>& items() const;
  const std::string& text() const;
  double number() const;
  /// @throws Error unless a whole number within the range.
  long long integer(long long lowest, long long highest) const;
  bool boolean() const;

 private:
  friend class JsonReader;
  void expect(Kind kind, const char* name) const;

  Kind kind_ = Kind::null;
  bool boolean_ = false;
  double number_ = 0.0;
  std::string text_;
  std::vector<Json> items_;
  std::map<std::string, Json> members_;
};

}  // namespace mdbench
