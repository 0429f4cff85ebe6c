// SPDX-License-Identifier: MIT
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

/// Longest time of a test in a process of its own, seconds: a kernel that hangs ends with it.
constexpr unsigned kMostSeconds = 20;

bool processor_runs_this() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return true;
#endif
}

bool asked(const std::vector<std::string>& parts, const std::string& name) {
  bool any = false, found = false;
  for (const std::string& part : parts) {
    if (part.starts_with('-') && name.starts_with(part.substr(1))) return false;
    any = any || !part.starts_with('-');
    found = found || name.starts_with(part);
  }
  return found || !any;
}

void run(const check::Case& test) {
  const int before = check::failures();
  const auto start = std::chrono::steady_clock::now();
  try {
    test.body();
  } catch (const std::exception& error) {
    ++check::failures();
    std::printf("%s threw: %s\n", test.name.c_str(), error.what());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%s %-50s %6.2f s\n", check::failures() == before ? "ok    " : "FAILED",
              test.name.c_str(), seconds.count());
}

/// What crashes, hangs or leaves a GPU unusable fails by itself.
void run_apart(const check::Case& test) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kMostSeconds);
    run(test);
    std::fflush(stdout);
    _exit(check::failures() == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) ++check::failures();
  if (WIFSIGNALED(status))
    std::printf("FAILED %s: signal %d\n", test.name.c_str(), WTERMSIG(status));
}

}  // namespace

/// Runs all tests, or those whose names begin with one of the arguments; of these not the ones that
/// begin with an argument after a minus sign. `--apart`: each in a process of its own.
int main(int argc, char** argv) {
  if (!processor_runs_this()) return 77;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what was said before a crash must not be lost
  std::vector<std::string> parts(argv + 1, argv + argc);
  const bool apart = std::erase(parts, "--apart") > 0;
  int tests = 0;
  for (const auto& test : check::cases()) {
    if (!asked(parts, test.name)) continue;
    ++tests;
    apart ? run_apart(test) : run(test);
  }
  std::printf("%d tests, %d failed checks\n", tests, check::failures());
  return check::failures() == 0 ? 0 : 1;
}
