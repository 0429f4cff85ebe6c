// SPDX-License-Identifier: MIT
#include "backend.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "error.hpp"

namespace mdbench {
namespace {

/// Folder of the shared library that this code was linked into, found when it is loaded: the path
/// may be relative, and LAMMPS changes its folder by `shell cd`.
const std::filesystem::path own_folder = [] {
  Dl_info here{};
  std::error_code unknown;
  if (dladdr(reinterpret_cast<const void*>(&backend_symbol), &here) == 0 || !here.dli_fname)
    return std::filesystem::path();
  return std::filesystem::absolute(here.dli_fname, unknown).parent_path();
}();

std::string library_of(const std::string& isa) { return "mdbench_native_" + isa + ".so"; }

/// The largest instruction set that this processor has and this build holds.
std::string choose_isa() {
  std::vector<std::string> usable;
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    usable.push_back("avx512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) usable.push_back("avx2");
#endif
  usable.push_back("baseline");
  std::erase_if(usable, [](const std::string& isa) {
    return !std::filesystem::exists(own_folder / library_of(isa));
  });
  if (usable.empty())
    throw Error("this build has no kernels for this processor: install mdbench again");
  const char* asked = std::getenv("MDBENCH_ISA");
  if (!asked || !*asked) return usable.front();
  std::string known;
  for (const auto& isa : usable) {
    if (isa == asked) return isa;
    known += (known.empty() ? "" : ", ") + isa;
  }
  throw Error("MDBENCH_ISA is '" + std::string(asked) + "': this processor and build have " +
              known);
}

}  // namespace

void* backend_symbol(const std::string& what, const std::string& library, const char* symbol,
                     const std::string& remedy) {
  const auto path = own_folder / library;
  if (!std::filesystem::exists(path))
    throw Error(what + " is not installed (" + path.string() + " is missing): " + remedy);
  // DEEPBIND: LAMMPS exports a reference dgemm_ and an OpenMP runtime of its own, which would take
  // the place of torch's (matrix products in double were 2-5 times slower).
  // NODELETE: torch and OpenMP keep threads and static objects that must outlive the plugin.
  const int mode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_DEEPBIND;
  void* handle = dlopen(path.c_str(), mode);
  if (!handle) throw Error("cannot load " + what + ": " + dlerror() + ": " + remedy);
  void* found = dlsym(handle, symbol);
  if (!found)
    throw Error(path.string() + " belongs to another version of mdbench: install mdbench again");
  return found;
}

int cuda_devices() {
  if (!std::filesystem::exists(own_folder / kCudaLibrary)) return 0;
  using Count = int (*)();
  const auto count = reinterpret_cast<Count>(
      backend_symbol("the CUDA evaluator", kCudaLibrary, kCudaDevicesSymbol, "say 'device cpu'"));
  return count();
}

std::string native_library() { return library_of(choose_isa()); }

}  // namespace mdbench
