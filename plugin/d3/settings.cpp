// SPDX-License-Identifier: MIT
#include "settings.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "error.hpp"
#include "nearest.hpp"

namespace mdbench {
namespace {

constexpr const char* kSyntax =
    "zero|bj|zerom|bjm FUNCTIONAL [cutoff A] [switch A] [cn A] [skin A] [every N] [delay N] "
    "[check yes|no] [atm A]";

struct Number {
  const char* keyword;
  double D3Settings::* value;
  double low, high;  ///< apart from what check_bounds compares
};

constexpr Number kNumbers[] = {{"cutoff", &D3Settings::cutoff, 2.0, 200.0},
                               {"switch", &D3Settings::switch_width, 0.0, 200.0},
                               {"cn", &D3Settings::cn, 2.0, 200.0},
                               {"skin", &D3Settings::skin, 0.0, 20.0},
                               {"atm", &D3Settings::atm, 0.0, 200.0}};

struct Count {
  const char* keyword;
  int D3Settings::* value;
  int low;
};

constexpr Count kCounts[] = {{"every", &D3Settings::every, 1}, {"delay", &D3Settings::delay, 0}};
constexpr int kMostSteps = 1'000'000'000;

/// Parameters of the functional "custom".
struct Parameter {
  const char* keyword;
  double D3Damping::* value;
  double low, high;
  std::vector<D3Damping::Kind> kinds;
  bool required;
};

const std::vector<Parameter>& parameters() {
  using enum D3Damping::Kind;
  static const std::vector<Parameter> all{
      {"s6", &D3Damping::s6, 0.0, 10.0, {zero, bj, zerom}, false},
      {"s8", &D3Damping::s8, -10.0, 10.0, {zero, bj, zerom}, true},
      {"a1", &D3Damping::a1, -10.0, 10.0, {bj}, true},
      {"a2", &D3Damping::a2, 0.0, 100.0, {bj}, true},
      {"rs6", &D3Damping::rs6, 0.01, 100.0, {zero, zerom}, true},
      {"rs8", &D3Damping::rs8, 0.01, 100.0, {zero, zerom}, false},
      {"beta", &D3Damping::beta, 0.0, 10.0, {zerom}, true}};
  return all;
}

bool belongs(const Parameter& parameter, D3Damping::Kind kind) {
  return std::ranges::find(parameter.kinds, kind) != parameter.kinds.end();
}

/// The shortest digits that are read back to the same number.
template <class T>
std::string digits(T value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

template <class T>
T number(const std::string& keyword, const std::string& text, T low, T high) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const bool whole = std::is_integral_v<T>;
  // a NaN is not within any bounds
  if (error == std::errc::invalid_argument || stop != end || value != value)
    throw Error("d3: '" + text + "' is not a " + (whole ? "whole " : "") + "number: '" + keyword +
                "' takes one");
  if (error != std::errc{} || !(value >= low && value <= high))
    throw Error("d3: " + keyword + " " + text + " is out of bounds: it takes " + digits(low) +
                " to " + digits(high));
  return value;
}

bool yes_or_no(const std::string& keyword, const std::string& text) {
  if (text != "yes" && text != "no")
    throw Error("d3: '" + text + "' is not a value of '" + keyword + "': it takes yes or no");
  return text == "yes";
}

/// @return whether `keyword` is one of D3
bool set_value(D3Settings& s, const std::string& keyword, const std::string* value) {
  const auto text = [&]() -> const std::string& {
    if (value == nullptr) throw Error("d3: '" + keyword + "' needs a value: " + kSyntax);
    return *value;
  };
  for (const Number& n : kNumbers)
    if (keyword == n.keyword) return s.*n.value = number(keyword, text(), n.low, n.high), true;
  for (const Count& n : kCounts)
    if (keyword == n.keyword) return s.*n.value = number(keyword, text(), n.low, kMostSteps), true;
  if (keyword == "check") return s.check = yes_or_no(keyword, text()), true;
  for (const Parameter& p : parameters()) {
    if (keyword != p.keyword) continue;
    if (s.functional != "custom")
      throw Error("d3: '" + keyword + "' goes with the functional 'custom', not with '" +
                  s.functional + "', whose parameters are published");
    if (!belongs(p, s.damping.kind))
      throw Error("d3: '" + keyword + "' is no parameter of the method '" + s.method + "'");
    return s.damping.*p.value = number(keyword, text(), p.low, p.high), true;
  }
  return false;
}

void check_bounds(const D3Settings& s) {
  if (s.cn > s.cutoff)
    throw Error("d3: cn " + digits(s.cn) + " is more than cutoff " + digits(s.cutoff) +
                ": coordination numbers are counted in the list of the pairs; give a cn of " +
                digits(s.cutoff) + " or less");
  if (s.switch_width >= s.cn)
    throw Error("d3: switch " + digits(s.switch_width) + " is not less than cn " + digits(s.cn) +
                ": pairs fade out over the last 'switch' Angstrom before cutoff and before cn");
  if (s.atm != 0.0 && (s.atm < 2.0 || s.atm > s.cn))
    throw Error("d3: atm " + digits(s.atm) + " is out of bounds: it takes 0 (left out) or 2 to " +
                "cn, " + digits(s.cn));
}

/// Method, functional and published parameters.
D3Settings begun(std::span<const std::string> words) {
  if (words.size() < 2)
    throw Error(std::string("d3: method and functional are missing: ") + kSyntax);
  D3Settings s;
  s.method = d3_name(words[0]);
  s.functional = d3_name(words[1]);
  if (s.functional == "custom") {
    s.damping.kind = d3_damping(words[0], "PBE").kind;  // all methods have PBE
  } else {
    s.damping = d3_damping(words[0], words[1]);
  }
  return s;
}

}  // namespace

D3Settings D3Settings::parse(std::span<const std::string> words, std::vector<std::string>& rest) {
  D3Settings s = begun(words);
  std::set<std::string> seen;
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (!set_value(s, words[i], i + 1 < words.size() ? &words[i + 1] : nullptr)) {
      rest.push_back(words[i]);
      continue;
    }
    if (!seen.insert(words[i]).second) throw Error("d3: '" + words[i] + "' was given twice");
    ++i;
  }
  check_bounds(s);
  for (const Parameter& p : parameters())
    if (s.functional == "custom" && p.required && belongs(p, s.damping.kind) &&
        !seen.contains(p.keyword))
      throw Error("d3: the method '" + s.method + "' with the functional 'custom' needs '" +
                  p.keyword + "' and its value");
  return s;
}

D3Settings D3Settings::parse(std::span<const std::string> words) {
  std::vector<std::string> rest;
  const D3Settings s = parse(words, rest);
  if (rest.empty()) return s;
  std::vector<std::string> known{"check"};
  for (const Number& n : kNumbers) known.emplace_back(n.keyword);
  for (const Count& n : kCounts) known.emplace_back(n.keyword);
  if (s.functional == "custom")
    for (const Parameter& p : parameters()) known.emplace_back(p.keyword);
  throw Error("d3: unknown keyword '" + rest[0] + "': did you mean '" + nearest(rest[0], known) +
              "'? Syntax: " + kSyntax);
}

std::vector<std::string> D3Settings::words() const {
  std::vector<std::string> out{method, functional};
  const auto add = [&](const char* keyword, const std::string& value) {
    out.insert(out.end(), {keyword, value});
  };
  if (functional == "custom")
    for (const Parameter& p : parameters())
      if (belongs(p, damping.kind)) add(p.keyword, digits(damping.*p.value));
  for (const Number& n : kNumbers) add(n.keyword, digits(this->*n.value));
  for (const Count& n : kCounts) add(n.keyword, std::to_string(this->*n.value));
  add("check", check ? "yes" : "no");
  return out;
}

}  // namespace mdbench
