// SPDX-License-Identifier: MIT
// The native evaluator: MACE's forward and reverse pass over plugin/kernels, without torch.
#include "native_evaluator.hpp"
#include "open_model.hpp"
#include "resident_on_cpu.hpp"

namespace mdbench {
namespace {

#ifndef MDBENCH_ISA
#define MDBENCH_ISA "host"
#endif

std::unique_ptr<Evaluator> make(const EvaluatorOptions& options) {
  auto [model, head, info] = open_native_model(options);
  info.device = "cpu";
  info.kernel = "native " MDBENCH_ISA;
  info.threads = options.threads > 0 ? options.threads : omp_get_max_threads();
  if (info.precision == "double")
    return std::make_unique<NativeEvaluator<double, double>>(std::move(model), head, info);
  if (info.precision == "mixed")
    return std::make_unique<NativeEvaluator<float, double>>(std::move(model), head, info);
  return std::make_unique<NativeEvaluator<float, float>>(std::move(model), head, info);
}

}  // namespace
}  // namespace mdbench

extern "C" __attribute__((visibility("default"))) mdbench::Evaluator* mdbench_backend_v2(
    const mdbench::EvaluatorOptions& options, const mdbench::ModelFile&) {
  return new mdbench::ResidentOnCpu(mdbench::make(options));
}
