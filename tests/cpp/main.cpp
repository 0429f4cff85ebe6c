// SPDX-License-Identifier: MIT
#include <chrono>
#include <span>
#include <string>

#include "check.hpp"

namespace {

bool processor_runs_this() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

}  // namespace

/// Runs all tests, or those whose names begin with one of the arguments; of these not the ones that
/// begin with an argument after a minus sign.
int main(int argc, char** argv) {
  if (!processor_runs_this()) return 77;
  const auto asked = [&](const std::string& name) {
    bool any = false, found = false;
    for (const std::string part : std::span(argv, argc).subspan(1)) {
      if (part.starts_with('-') && name.starts_with(part.substr(1))) return false;
      any = any || !part.starts_with('-');
      found = found || name.starts_with(part);
    }
    return found || !any;
  };
  int tests = 0;
  for (const auto& test : check::cases()) {
    if (!asked(test.name)) continue;
    ++tests;
    const int before = check::failures();
    const auto start = std::chrono::steady_clock::now();
    test.body();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%s %-50s %6.2f s\n", check::failures() == before ? "ok    " : "FAILED",
                test.name.c_str(), seconds.count());
  }
  std::printf("%d tests, %d failed checks\n", tests, check::failures());
  return check::failures() == 0 ? 0 : 1;
}
