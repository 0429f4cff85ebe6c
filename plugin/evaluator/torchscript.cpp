// SPDX-License-Identifier: MIT
// The only translation unit that includes torch.
//
// MACE's own forward is asked for site energies with all positions at zero and the edge vectors
// as `shifts`; the energy is differentiated with respect to these. One gradient an edge gives
// forces, global and per-atom virial, and single precision only ever sees differences.
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <caffe2/serialize/inline_container.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>
#include <torch/script.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "error.hpp"
#include "evaluator.hpp"

namespace mdbench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Torch's own messages run over 15 lines with a C++ backtrace: keep the line that says what.
std::string first_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  // TorchScript puts the reason last, after the trace of the interpreter.
  const auto reason = text.rfind("Error: ");
  const auto begin = reason == std::string::npos ? 0 : reason;
  return text.substr(begin, text.find('\n', begin) - begin);
}

template <class Body>
decltype(auto) translate_errors(const std::string& doing, Body&& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(doing + ": " + first_line(error));
  }
}

/// Torch's reader ignores checksums, so a flipped bit would change energies silently.
/// The core checked the uncompressed members; this checks the compressed ones.
void verify_compressed_members(const ModelFile& file, const std::string& path) {
  caffe2::serialize::PyTorchStreamReader reader(path);
  for (const ArchiveEntry& entry : file.entries) {
    if (entry.stored) continue;
    const auto [data, size] = reader.getRecord(entry.name.substr(entry.name.find('/') + 1));
    if (crc32(data.get(), size) != entry.crc)
      throw Error("model file '" + path + "' is damaged (the checksum of '" + entry.name +
                  "' in it does not match): copy or convert it again");
  }
}

torch::jit::Module load_module(const std::string& path, const ModelFile& file) {
  return translate_errors("cannot load model file '" + path + "'", [&] {
    verify_compressed_members(file, path);
    // Fusion is off: it made the first ten calls cost seconds and the steady state slower.
    torch::jit::FusionStrategy no_fusion{{torch::jit::FusionBehavior::STATIC, 0}};
    torch::jit::setFusionStrategy(no_fusion);
    auto module = torch::jit::load(path, torch::kCPU);
    module.eval();
    return module;
  });
}

torch::Device choose_device(const EvaluatorOptions& options) {
  const int count = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  const std::string& name = options.device;
  if (name == "cpu" || (name == "auto" && count == 0)) return torch::kCPU;
  if (name == "auto" || name == "cuda") {
    if (count == 0)
      throw Error(
          "device cuda was asked for and torch sees no GPU: say 'device cpu', or install "
          "a CUDA build of torch and check nvidia-smi");
    return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(options.local_rank % count));
  }
  int index = -1;
  if (name.rfind("cuda:", 0) == 0 && name.size() <= 8 &&
      name.find_first_not_of("0123456789", 5) == std::string::npos && name.size() > 5)
    index = std::stoi(name.substr(5));
  if (index < 0) throw Error("device '" + name + "' is none of cpu, cuda, cuda:N");
  if (index >= count)
    throw Error("device " + name + " was asked for and torch sees " + std::to_string(count) +
                " GPU(s): say 'device cpu' or a lower number");
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
}

/// Feature arrays of tens of MB come and go many times a step. By default glibc maps and unmaps
/// them each time, and the page faults cost 12% of a step in double precision.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

class TorchScriptEvaluator final : public Evaluator {
 public:
  TorchScriptEvaluator(const EvaluatorOptions& options, const ModelFile& file)
      : path_(options.path), wrapper_(load_module(options.path, file)), device_(torch::kCPU) {
    if (options.threads > 0) at::set_num_threads(options.threads);
    read_metadata();
    choose_precision(options.precision);
    choose_head(options.head);
    device_ = choose_device(options);
    if (device_.is_cpu()) keep_freed_memory();
    for (auto& tensor : state_tensors()) tensor.set_data(converted(tensor));
    info_.device = device_.str();
    info_.threads = at::get_num_threads();
    info_.kernel = std::string("torchscript ") + TORCH_VERSION;
  }

  const ModelInfo& info() const override { return info_; }
  int halo_layers() const override { return info_.num_layers; }
  void prepare(std::span<const std::int32_t>) override {
    if (!warm_) warm_up(*this);
    warm_ = true;
  }

  std::size_t peak_device_bytes() const override {
    if (device_.is_cpu()) return 0;
    const auto stats = at::accelerator::getDeviceStats(device_.index());
    return static_cast<std::size_t>(stats.allocated_bytes[0].peak);
  }

  const Evaluation& evaluate(const Graph& graph, Halo&) override {
    return translate_errors("model '" + path_ + "' failed",
                            [&]() -> const Evaluation& { return run(graph); });
  }

 private:
  std::vector<at::Tensor> state_tensors() const {
    std::vector<at::Tensor> tensors;
    for (const auto& parameter : wrapper_.parameters()) tensors.push_back(parameter);
    for (const auto& buffer : wrapper_.buffers()) tensors.push_back(buffer);
    return tensors;
  }

  /// Module::to would convert integer buffers too.
  at::Tensor converted(const at::Tensor& tensor) const {
    return tensor.is_floating_point() ? tensor.to(device_, dtype_) : tensor.to(device_);
  }

  void read_metadata() {
    for (const char* name : {"atomic_numbers", "r_max", "num_interactions", "head", "model"})
      if (!wrapper_.hasattr(name))
        throw Error("model file '" + path_ + "' is TorchScript but has no '" + name +
                    "': it was not made for LAMMPS; run 'mdbench convert' on the *.model file");
    const at::Tensor numbers = wrapper_.attr("atomic_numbers").toTensor().to(torch::kInt64);
    for (int i = 0; i < numbers.numel(); ++i)
      info_.atomic_numbers.push_back(static_cast<int>(numbers[i].item<std::int64_t>()));
    info_.cutoff = wrapper_.attr("r_max").toTensor().item<double>();
    info_.num_layers =
        static_cast<int>(wrapper_.attr("num_interactions").toTensor().item<std::int64_t>());
    model_ = wrapper_.attr("model").toModule();
    if (model_.hasattr("heads") && model_.attr("heads").isList())
      for (const c10::IValue& head : model_.attr("heads").toListRef())
        info_.heads.push_back(head.isString() ? head.toStringRef() : "Default");
    if (info_.heads.empty()) info_.heads.push_back("Default");
    if (!(info_.cutoff > 0) || info_.num_layers < 1 || info_.atomic_numbers.empty())
      throw Error("model file '" + path_ + "' has no usable cutoff, layers or elements");
    for (const auto& tensor : state_tensors())
      if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>())
        throw Error("model file '" + path_ +
                    "' holds weights that are not finite numbers: "
                    "training diverged or the file is damaged");
  }

  void choose_precision(const std::string& asked) {
    dtype_ = wrapper_.attr("r_max").toTensor().scalar_type();
    for (const auto& tensor : wrapper_.parameters())
      if (tensor.is_floating_point()) dtype_ = tensor.scalar_type();
    info_.stored_precision = dtype_ == torch::kFloat64 ? "double" : "single";
    if (asked == "single") dtype_ = torch::kFloat32;
    if (asked == "double") dtype_ = torch::kFloat64;
    info_.precision = dtype_ == torch::kFloat64 ? "double" : "single";
  }

  void choose_head(const std::string& asked) {
    const auto& heads = info_.heads;
    auto index = static_cast<std::size_t>(wrapper_.attr("head").toTensor().item<std::int64_t>());
    if (!asked.empty()) {
      index = std::find(heads.begin(), heads.end(), asked) - heads.begin();
      if (index == heads.size()) {
        std::string known;
        for (const std::string& head : heads) known += (known.empty() ? "" : ", ") + head;
        throw Error("model file '" + path_ + "' has no head '" + asked + "': it has " + known);
      }
    }
    if (index >= heads.size()) throw Error("model file '" + path_ + "' has a wrong head index");
    info_.head = heads[index];
    head_ = torch::tensor({static_cast<std::int64_t>(index)});
  }

  /// Fills the tensors of one call. Arrays are wrapped, never filled element by element.
  c10::Dict<std::string, at::Tensor> model_input(const Graph& graph) {
    const auto nodes = static_cast<std::int64_t>(graph.num_nodes());
    const auto edges = static_cast<std::int64_t>(graph.num_edges());
    const auto real = torch::dtype(dtype_).device(device_);
    edge_index_.resize(2 * edges);
    vectors_.resize(3 * edges);
    for (std::int64_t i = 0; i < nodes; ++i)
      for (std::int64_t e = graph.first_edge[i]; e < graph.first_edge[i + 1]; ++e) {
        edge_index_[e] = graph.sender[e];
        edge_index_[edges + e] = i;
      }
    // MACE's vectors point from sender to receiver.
    for (std::int64_t k = 0; k < 3 * edges; ++k) vectors_[k] = -graph.edge_vector[k];
    refresh_node_attributes(graph);
    shifts_ = torch::from_blob(vectors_.data(), {edges, 3}, torch::kFloat64)
                  .to(real.dtype(), false, true)
                  .to(device_)
                  .requires_grad_(true);
    c10::Dict<std::string, at::Tensor> input;
    input.insert("positions", torch::zeros({nodes, 3}, real));
    input.insert("node_attrs", node_attributes_);
    input.insert("cell", torch::zeros({3, 3}, real));
    input.insert("edge_index",
                 torch::from_blob(edge_index_.data(), {2, edges}, torch::kInt64).to(device_));
    input.insert("shifts", shifts_);
    input.insert("unit_shifts", torch::zeros({edges, 3}, real));
    input.insert("batch", torch::zeros({nodes}, torch::dtype(torch::kInt64).device(device_)));
    input.insert("ptr", torch::tensor({std::int64_t{0}, nodes}).to(device_));
    input.insert("head", head_.to(device_));
    return input;
  }

  void refresh_node_attributes(const Graph& graph) {
    if (node_attributes_.defined() && std::ranges::equal(species_, graph.species)) return;
    species_.assign(graph.species.begin(), graph.species.end());
    const auto kinds = static_cast<std::int64_t>(info_.atomic_numbers.size());
    const auto index = torch::from_blob(species_.data(), {std::ssize(species_)}, torch::kInt32);
    node_attributes_ = torch::one_hot(index.to(torch::kInt64), kinds).to(device_, dtype_);
  }

  const Evaluation& run(const Graph& graph) {
    auto start = Clock::now();
    const auto input = model_input(graph);
    result_.seconds.input = seconds_since(start);

    start = Clock::now();
    const auto output = model_.forward({input}, {{"compute_force", false}}).toGenericDict();
    const auto site = output.at("node_energy").toTensor();
    const auto local = site.slice(0, 0, static_cast<std::int64_t>(graph.num_local));
    synchronize();
    result_.seconds.forward = seconds_since(start);

    start = Clock::now();
    const auto gradient = torch::autograd::grad({local.sum()}, {shifts_})[0];
    synchronize();
    result_.seconds.backward = seconds_since(start);

    start = Clock::now();
    // Kept as members: the result points into them.
    site_energy_ = local.detach().to(torch::kCPU, torch::kFloat64).contiguous();
    edge_gradient_ = gradient.to(torch::kCPU, torch::kFloat64).neg().contiguous();
    result_.site_energy = {site_energy_.const_data_ptr<double>(), graph.num_local};
    result_.edge_gradient = {edge_gradient_.const_data_ptr<double>(), 3 * graph.num_edges()};
    result_.seconds.output = seconds_since(start);
    return result_;
  }

  /// Without it the clock would charge the forward pass to whoever asks for the result.
  void synchronize() const {
    if (!device_.is_cpu()) torch::cuda::synchronize(device_.index());
  }

  std::string path_;
  torch::jit::Module wrapper_, model_;
  torch::Device device_;
  torch::Dtype dtype_ = torch::kFloat64;
  ModelInfo info_;
  bool warm_ = false;
  at::Tensor head_, node_attributes_, shifts_, site_energy_, edge_gradient_;
  std::vector<std::int32_t> species_;
  std::vector<std::int64_t> edge_index_;
  std::vector<double> vectors_;
  Evaluation result_;
};

}  // namespace
}  // namespace mdbench

extern "C" __attribute__((visibility("default"))) mdbench::Evaluator* mdbench_backend_v2(
    const mdbench::EvaluatorOptions& options, const mdbench::ModelFile& file) {
  return new mdbench::TorchScriptEvaluator(options, file);
}
