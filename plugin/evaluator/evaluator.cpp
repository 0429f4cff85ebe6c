// SPDX-License-Identifier: MIT
#include "evaluator.hpp"

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "error.hpp"

namespace mdbench {
namespace {

/// Folder of the shared library that this code was linked into.
std::filesystem::path own_folder() {
  Dl_info here{};
  if (dladdr(reinterpret_cast<const void*>(&load_evaluator), &here) == 0 || !here.dli_fname)
    throw Error("cannot find the folder of the mdbench plugin");
  return std::filesystem::absolute(here.dli_fname).parent_path();
}

/// Back ends are separate libraries so that LAMMPS starts without loading torch,
/// and so that the plugin works where torch is absent.
BackendFactory open_backend(const std::string& name, const std::string& library,
                            const std::string& remedy) {
  const auto path = own_folder() / library;
  if (!std::filesystem::exists(path))
    throw Error("the " + name + " evaluator is not installed (" + path.string() +
                " is missing): " + remedy);
  // DEEPBIND: LAMMPS exports a reference dgemm_ and an OpenMP runtime of its own, which would take
  // the place of torch's (matrix products in double were 2-5 times slower).
  // NODELETE: torch and OpenMP keep threads and static objects that must outlive the plugin.
  const int mode = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_DEEPBIND;
  void* handle = dlopen(path.c_str(), mode);
  if (!handle) throw Error("cannot load the " + name + " evaluator: " + dlerror() + ": " + remedy);
  const auto factory = reinterpret_cast<BackendFactory>(dlsym(handle, kBackendSymbol));
  if (!factory)
    throw Error(path.string() + " belongs to another version of mdbench: install mdbench again");
  return factory;
}

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
  const char* asked = std::getenv("MDBENCH_ISA");
  if (!asked || !*asked) return usable.front();
  std::string known;
  for (const auto& isa : usable) {
    if (isa == asked) return isa;
    known += (known.empty() ? "" : ", ") + isa;
  }
  throw Error("MDBENCH_ISA is '" + std::string(asked) + "': this processor has " + known);
}

/// Ring of `kNodes` atoms: every species, every atom has edges in both directions.
constexpr int kNodes = 32, kReach = 4;

}  // namespace

std::string native_library() { return "mdbench_native_" + choose_isa() + ".so"; }

std::unique_ptr<Evaluator> load_evaluator(const EvaluatorOptions& options, const ModelFile& file) {
  const bool native = file.kind == ModelKind::safetensors;
  if (native && options.evaluator == "torchscript")
    throw Error("'" + options.path + "' is a native model file: leave 'evaluator torchscript' out");
  if (!native && options.evaluator == "native")
    throw Error("evaluator native reads *.mace files, and '" + options.path + "' is " +
                describe(file.kind) + ": run 'mdbench convert' on the model");
  if (native)
    return std::unique_ptr<Evaluator>(
        open_backend("native", native_library(), "install mdbench again")(options, file));
  require_torchscript(file, options.path);
  if (options.precision == "mixed")
    throw Error(
        "precision mixed needs the native evaluator and a *.mace file: run 'mdbench "
        "convert' on the model, or say 'precision single' or 'double'");
  return std::unique_ptr<Evaluator>(open_backend(
      "TorchScript", "mdbench_torchscript.so",
      "install torch, then build mdbench again with MDBENCH_TORCH=ON; or convert the model to "
      "a *.mace file, which needs no torch (run 'mdbench doctor')")(options, file));
}

void warm_up(Evaluator& evaluator) {
  const ModelInfo& info = evaluator.info();
  std::vector<std::int32_t> species, sender;
  std::vector<std::int64_t> first_edge{0};
  std::vector<double> edge_vector;
  for (int i = 0; i < kNodes; ++i) {
    species.push_back(i % static_cast<int>(info.atomic_numbers.size()));
    for (int k = -kReach; k <= kReach; ++k) {
      if (k == 0) continue;
      sender.push_back((i + k + kNodes) % kNodes);
      const double r = info.cutoff * (0.5 + 0.1 * std::abs(k));
      const double x = 0.1 * (i % 7) * r, y = 0.2 * (k < 0 ? -r : r);
      edge_vector.insert(edge_vector.end(), {x, y, std::sqrt(r * r - x * x - y * y)});
    }
    first_edge.push_back(static_cast<std::int64_t>(sender.size()));
  }
  NoHalo halo;
  const Graph graph{kNodes, species, first_edge, sender, edge_vector};
  // The first calls record types and compile; from the third on, times are steady.
  for (int call = 0; call < 3; ++call) evaluator.evaluate(graph, halo);
}

}  // namespace mdbench
