// SPDX-License-Identifier: MIT
#include "evaluator.hpp"

#include <charconv>
#include <cmath>

#include "backend.hpp"
#include "error.hpp"
#include "resident_on_cpu.hpp"

namespace mdbench {
namespace {

BackendFactory open_backend(const std::string& name, const std::string& library,
                            const std::string& remedy) {
  return reinterpret_cast<BackendFactory>(
      backend_symbol("the " + name + " evaluator", library, kBackendSymbol, remedy));
}

/// N of "cuda:N"; -1: there is none.
int number_of(const std::string& device) {
  int index = -1;
  if (device.rfind("cuda:", 0) != 0) return index;
  const char *begin = device.data() + 5, *end = device.data() + device.size();
  const auto read = std::from_chars(begin, end, index);
  return read.ec == std::errc() && read.ptr == end ? index : -1;
}

/// "auto" takes a GPU where there is one; a library that cannot be loaded has none ('mdbench
/// doctor' says why).
bool wants_gpu(const std::string& device) {
  if (device == "cpu") return false;
  if (device == "cuda" || number_of(device) >= 0) return true;
  if (device != "auto") throw Error("device '" + device + "' is none of auto, cpu, cuda, cuda:N");
  try {
    return cuda_devices() > 0;
  } catch (const Error&) {
    return false;
  }
}

std::unique_ptr<Evaluator> open_native(const EvaluatorOptions& options, const ModelFile& file) {
  if (wants_gpu(options.device)) {
    Evaluator* const found = open_backend(
        "native CUDA", kCudaLibrary,
        "build mdbench with MDBENCH_CUDA=ON where nvcc is, or say 'device cpu'")(options, file);
    if (found) return std::unique_ptr<Evaluator>(found);
  }
  return std::unique_ptr<Evaluator>(
      open_backend("native", native_library(), "install mdbench again")(options, file));
}

/// Ring of `kNodes` atoms: every species, every atom has edges in both directions.
constexpr int kNodes = 32, kReach = 4;

}  // namespace

std::unique_ptr<Evaluator> load_evaluator(const EvaluatorOptions& options, const ModelFile& file) {
  const bool native = file.kind == ModelKind::safetensors;
  if (native && options.evaluator == "torchscript")
    throw Error("'" + options.path + "' is a native model file: leave 'evaluator torchscript' out");
  if (!native && options.evaluator == "native")
    throw Error("evaluator native reads *.mace files, and '" + options.path + "' is " +
                describe(file.kind) + ": run 'mdbench convert' on the model");
  if (native) return open_native(options, file);
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

std::unique_ptr<ResidentEvaluator> load_resident(const EvaluatorOptions& options,
                                                 const ModelFile& file) {
  auto found = load_evaluator(options, file);
  ResidentEvaluator* resident = found->resident();
  if (!resident) return std::make_unique<ResidentOnCpu>(std::move(found));
  found.release();
  return std::unique_ptr<ResidentEvaluator>(resident);
}

std::string device_note(const std::string& asked, const ModelInfo& info) {
  const bool left_out = asked == "auto" && info.device == "cpu" &&
                        info.kernel.starts_with("native") && wants_gpu(asked);
  return left_out
             ? "the GPU here is left out, as the CUDA kernels do not load on it: 'device cuda' "
               "says why"
             : "";
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
