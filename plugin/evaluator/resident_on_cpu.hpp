// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "graph_builder.hpp"

namespace mdbench {

/// Any evaluator of graphs in terms of atoms and positions: builds the graphs, adds up the edges'
/// gradients. On a GPU, for the steps that its evaluator has no fast way for.
class ResidentOnCpu final : public ResidentEvaluator {
 public:
  explicit ResidentOnCpu(std::unique_ptr<Evaluator> inner);

  const ModelInfo& info() const override { return inner_->info(); }
  int halo_layers() const override { return inner_->halo_layers(); }
  int halo_width() const override { return inner_->halo_width(); }
  void prepare(std::span<const std::int32_t> species) override { inner_->prepare(species); }
  std::size_t peak_device_bytes() const override { return inner_->peak_device_bytes(); }
  std::vector<std::pair<std::string, double>> stage_seconds() const override {
    return inner_->stage_seconds();
  }
  const Evaluation& evaluate(const Graph& graph, Halo& halo) override;
  void set_atoms(const AtomsView& atoms, double skin) override;
  NodeList nodes() const override { return builder_.nodes(); }
  /// Takes pairs that were searched elsewhere.
  void set_pairs(const PairList& pairs);
  const AtomEvaluation& evaluate_at(std::span<const double> positions, bool per_node_virial,
                                    Halo& halo) override;

 private:
  void sum_edges(const Graph& graph, std::span<const double> edge_gradient);
  void sum_share(const Graph& graph, const double* edge_gradient, int share);
  void sum_node_virials(const Graph& graph, std::span<const double> edge_gradient);

  std::unique_ptr<Evaluator> inner_;
  int threads_;
  bool has_atoms_ = false;
  GraphBuilder builder_;
  std::vector<std::int32_t> neighbors_;
  std::vector<double> force_, node_virial_;
  std::vector<std::vector<double>> share_force_;  ///< [share][nodes * 3]
  std::vector<std::array<double, 9>> share_virial_;
  AtomEvaluation result_;
};

}  // namespace mdbench
