// SPDX-License-Identifier: MIT
// A test is a function registered by TEST; CHECK counts and reports.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace check {

struct Case {
  std::string name;
  std::function<void()> body;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Registered {
  Registered(const char* name, std::function<void()> body) { cases().push_back({name, body}); }
};

inline void that(bool condition, const char* text, const char* file, int line) {
  if (condition) return;
  ++failures();
  std::printf("%s:%d: CHECK(%s) failed\n", file, line, text);
}

inline void below(double value, double bound, const char* text, const char* file, int line) {
  if (value < bound) return;  // so that a NaN fails
  ++failures();
  std::printf("%s:%d: CHECK_BELOW(%s): %.3g is not below %.3g\n", file, line, text, value, bound);
}

/// Text of the exception that a call throws; empty when it throws none.
template <class Error, class Body>
std::string thrown(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace check

#define TEST(name)                                               \
  static void name();                                            \
  static const check::Registered registered_##name(#name, name); \
  static void name()
#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
#define CHECK_BELOW(value, bound) check::below((value), (bound), #value, __FILE__, __LINE__)
