// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>

#include "feature_exchange.hpp"
#include "kernel_timer.hpp"
#include "open_model.hpp"
#include "pairs_on_cpu.hpp"
#include "resident_on_cpu.hpp"
#include "step.hpp"

namespace mdbench::cuda {

/// How the evaluator was asked to run.
struct CudaOptions {
  int device = 0;
  bool deterministic = true;
  bool wide_sums = false;     ///< "mixed"
  std::size_t workspace = 0;  ///< bytes on the device; 0: most of what is free
  /// The same model on the CPU, for steps in which atoms are closer than the tables reach.
  std::function<std::unique_ptr<Evaluator>()> on_cpu;
};

/// MACE on one GPU. Between rebuilds of the pairs a step is one graph launch; between layers, where
/// there are several ranks, features go through the Halo by way of the host.
template <class Real>
class CudaEvaluator final : public ResidentEvaluator {
 public:
  CudaEvaluator(OpenedModel opened, CudaOptions options);
  /// The thread may be another one, and at work on another GPU.
  ~CudaEvaluator() override { cudaSetDevice(options_.device); }

  const ModelInfo& info() const override { return opened_.info; }
  int halo_layers() const override { return 1; }
  int halo_width() const override;
  void prepare(std::span<const std::int32_t> species) override;
  std::size_t peak_device_bytes() const override { return peak_bytes(); }
  std::vector<std::pair<std::string, double>> stage_seconds() const override {
    return timer_.seconds();
  }
  void set_atoms(const AtomsView& atoms, double skin) override;
  NodeList nodes() const override {
    return {topology_.atom_nodes().num_local(), topology_.atom_nodes().node_atom()};
  }
  const AtomEvaluation& evaluate_at(std::span<const double> positions, bool per_node_virial,
                                    Halo& halo) override;
  const Evaluation& evaluate(const mdbench::Graph& graph, Halo& halo) override;

 private:
  PairKinds pair_kinds() const;
  void set_edges(const mdbench::Graph& graph);
  void fit(const Wanted& wanted, const Halo& halo);
  std::vector<std::int64_t> launch_shape(bool halo_active) const;
  bool run(Halo& halo);
  void start(const std::vector<std::int64_t>& shape, int first_stage, int last_stage);
  void enqueue(int first_stage, int last_stage);
  void exchange(int stage, Halo& halo);
  typename FeatureExchange<Real>::Layer travelling(int t);
  void take_energies();
  ResidentOnCpu& on_cpu();

  /// Chooses the GPU before the members that follow take something of it.
  struct OnDevice {
    explicit OnDevice(int device) { use_device(device); }
  };

  OpenedModel opened_;
  CudaOptions options_;
  OnDevice on_device_{options_.device};
  Kinds kinds_;
  std::unique_ptr<ResidentOnCpu> cpu_;
  Stream stream_;
  KernelTimer timer_;
  typename Step<Real>::Model model_;
  Topology topology_;
  Workspace<Real> workspace_;
  StepMemory memory_;
  std::unique_ptr<Step<Real>> step_;
  Wanted wanted_;
  bool has_atoms_ = false;  ///< the pairs are of atoms
  bool stale_ = true;       ///< the pairs are new
  double radius_ = 0.0;     ///< of the last search, Angstrom
  PairsOnCpu pairs_on_cpu_;
  std::vector<cuda::Graph> graphs_;  ///< [first stage]
  std::vector<std::int64_t> captured_shape_, last_shape_;
  FeatureExchange<Real> features_;
  std::vector<double> site_energy_, edge_gradient_;
  std::vector<std::int32_t> neighbors_;
  Evaluation result_;
  AtomEvaluation atoms_;
};

extern template class CudaEvaluator<float>;
extern template class CudaEvaluator<double>;

}  // namespace mdbench::cuda
