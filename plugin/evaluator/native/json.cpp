// SPDX-License-Identifier: MIT
#include "json.hpp"

#include <charconv>
#include <cmath>
#include <utility>

#include "error.hpp"

namespace mdbench {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  Json document() {
    Json value = read(0);
    skip_space();
    if (at_ != text_.size()) fail("text after the end");
    return value;
  }

 private:
  static constexpr int kDeepest = 32;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error("JSON: " + what + " at byte " + std::to_string(at_));
  }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }

  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  void take(char wanted) {
    if (peek() != wanted) fail(std::string("expected '") + wanted + "'");
    ++at_;
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json read(int depth) {
    if (depth > kDeepest) fail("nested too deeply");
    Json value;
    switch (peek()) {
      case '{':
        object(value, depth);
        break;
      case '[':
        array(value, depth);
        break;
      case '"':
        value.kind_ = Json::Kind::string;
        value.text_ = string();
        break;
      default:
        word_or_number(value);
    }
    return value;
  }

  void word_or_number(Json& value) {
    if (take_word("null")) return;
    if (take_word("true") || take_word("false")) {
      value.kind_ = Json::Kind::boolean;
      value.boolean_ = text_[at_ - 2] == 'u';
      return;
    }
    const char* begin = text_.data() + at_;
    const auto [end, problem] = std::from_chars(begin, text_.data() + text_.size(), value.number_);
    if (problem != std::errc() || !std::isfinite(value.number_)) fail("not a value");
    at_ += end - begin;
    value.kind_ = Json::Kind::number;
  }

  void array(Json& value, int depth) {
    value.kind_ = Json::Kind::array;
    take('[');
    if (peek() != ']') do {
        value.items_.push_back(read(depth + 1));
      } while (more());
    take(']');
  }

  void object(Json& value, int depth) {
    value.kind_ = Json::Kind::object;
    take('{');
    if (peek() != '}') do {
        if (peek() != '"') fail("expected a name");
        std::string name = string();
        take(':');
        if (!value.members_.emplace(name, read(depth + 1)).second) fail("'" + name + "' twice");
      } while (more());
    take('}');
  }

  bool more() {
    if (peek() != ',') return false;
    ++at_;
    return true;
  }

  std::string string() {
    take('"');
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_++];
      if (static_cast<unsigned char>(c) < 0x20) fail("control character in a string");
      out += c == '\\' ? escape() : std::string(1, c);
    }
    if (at_ >= text_.size()) fail("string without end");
    ++at_;
    return out;
  }

  std::string escape() {
    if (at_ >= text_.size()) fail("string without end");
    const char c = text_[at_++];
    if (c == 'u') return code_point();
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const auto k = kNames.find(c);
    if (k == kNames.npos) fail("unknown escape");
    return std::string(1, kValues[k]);
  }

  std::string code_point() {
    unsigned code = 0;
    if (at_ + 4 > text_.size()) fail("unknown escape");
    const char* begin = text_.data() + at_;
    if (std::from_chars(begin, begin + 4, code, 16).ptr != begin + 4) fail("unknown escape");
    at_ += 4;
    // surrogate pairs never occur in names that this project writes
    if (code >= 0xD800 && code < 0xE000) fail("surrogates are not supported");
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800)
      return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    return {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
            static_cast<char>(0x80 | (code & 0x3F))};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Json Json::parse(std::string_view text) { return JsonReader(text).document(); }

void Json::expect(Kind kind, const char* name) const {
  if (kind_ != kind) throw Error(std::string("JSON: expected ") + name);
}

const Json& Json::operator[](const std::string& key) const {
  expect(Kind::object, "an object");
  const auto found = members_.find(key);
  if (found == members_.end()) throw Error("JSON: no '" + key + "'");
  return found->second;
}

const std::map<std::string, Json>& Json::members() const {
  expect(Kind::object, "an object");
  return members_;
}

const std::vector<Json>& Json::items() const {
  expect(Kind::array, "an array");
  return items_;
}

const std::string& Json::text() const {
  expect(Kind::string, "a string");
  return text_;
}

double Json::number() const {
  expect(Kind::number, "a number");
  return number_;
}

long long Json::integer(long long lowest, long long highest) const {
  const double value = number();
  if (value != std::floor(value) || value < static_cast<double>(lowest) ||
      value > static_cast<double>(highest))
    throw Error("JSON: expected a whole number from " + std::to_string(lowest) + " to " +
                std::to_string(highest));
  return static_cast<long long>(value);
}

bool Json::boolean() const {
  expect(Kind::boolean, "true or false");
  return boolean_;
}

}  // namespace mdbench
