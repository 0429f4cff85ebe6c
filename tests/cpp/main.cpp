// SPDX-License-Identifier: MIT
#include <chrono>

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

int main() {
  if (!processor_runs_this()) return 77;
  for (const auto& test : check::cases()) {
    const int before = check::failures();
    const auto start = std::chrono::steady_clock::now();
    test.body();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%s %-50s %6.2f s\n", check::failures() == before ? "ok    " : "FAILED",
                test.name.c_str(), seconds.count());
  }
  std::printf("%zu tests, %d failed checks\n", check::cases().size(), check::failures());
  return check::failures() == 0 ? 0 : 1;
}
