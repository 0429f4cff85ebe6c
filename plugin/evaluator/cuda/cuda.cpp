// SPDX-License-Identifier: MIT
// The native evaluator on an NVIDIA GPU, as a library of its own: it is opened only where asked
// for.
#include "cuda_evaluator.hpp"
#include "error.hpp"

namespace mdbench::cuda {
namespace {

template <class Real>
std::unique_ptr<Evaluator> make(OpenedModel opened, const CudaOptions& options) {
  return std::make_unique<CudaEvaluator<Real>>(std::move(opened), options);
}

/// Null where "auto" comes to a GPU that this build holds no kernels for.
std::unique_ptr<Evaluator> open(const EvaluatorOptions& asked, const ModelFile& file) {
  CudaOptions options;
  options.device = choose_device(asked.device == "auto" ? "cuda" : asked.device, asked.local_rank);
  use_device(options.device);
  if (!find_kernels(asked.device == "auto")) return nullptr;
  OpenedModel opened = open_native_model(asked);
  opened.info.device = "cuda:" + std::to_string(options.device);
  opened.info.kernel = "native on " + describe_device();
  options.deterministic = asked.deterministic;
  options.workspace = asked.workspace_mb << 20;
  options.wide_sums = opened.info.precision == "mixed";
  EvaluatorOptions on_cpu = asked;
  on_cpu.device = "cpu";
  options.on_cpu = [on_cpu, file] { return load_evaluator(on_cpu, file); };
  if (opened.info.precision == "double") return make<double>(std::move(opened), options);
  return make<float>(std::move(opened), options);
}

}  // namespace
}  // namespace mdbench::cuda

extern "C" __attribute__((visibility("default"))) mdbench::Evaluator* mdbench_backend_v2(
    const mdbench::EvaluatorOptions& options, const mdbench::ModelFile& file) {
  return mdbench::cuda::open(options, file).release();
}

/// GPUs that the kernels run on; 0 without a driver.
extern "C" __attribute__((visibility("default"))) int mdbench_cuda_devices_v1() {
  return mdbench::cuda::usable_devices();
}
