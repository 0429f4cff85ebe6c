// SPDX-License-Identifier: MIT
// The native evaluator: MACE's forward and reverse pass over plugin/kernels, without torch.
#include "native_evaluator.hpp"

namespace mdbench {
namespace {

#ifndef MDBENCH_ISA
#define MDBENCH_ISA "host"
#endif

int choose_head(const NativeModel& model, const EvaluatorOptions& options) {
  std::string name = options.head.empty() ? model.default_head : options.head;
  if (name.empty() && model.heads.size() == 1) name = model.heads[0];
  std::string known;
  for (std::size_t i = 0; i < model.heads.size(); ++i) {
    if (model.heads[i] == name) return static_cast<int>(i);
    known += (i ? ", " : "") + model.heads[i];
  }
  if (name.empty()) throw Error("'" + options.path + "' has several heads: choose one of " + known);
  throw Error("'" + options.path + "' has no head '" + name + "': it has " + known);
}

std::unique_ptr<Evaluator> make(const EvaluatorOptions& options) {
  NativeModel model(options.path);
  const int head = choose_head(model, options);
  ModelInfo info;
  info.atomic_numbers = model.elements;
  info.cutoff = model.radial.cutoff;
  info.num_layers = static_cast<int>(model.layers.size());
  info.heads = model.heads;
  info.head = model.heads[head];
  info.stored_precision = model.source_dtype == "float64" ? "double" : "single";
  info.precision = options.precision == "model" ? info.stored_precision : options.precision;
  info.device = "cpu";
  info.labels_include_dispersion = model.labels_include_dispersion;
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
  return mdbench::make(options).release();
}
