// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "graph_builder.hpp"

namespace mdbench {

/// Any evaluator whose features go through the Halo, in terms of pairs and positions: the slow way
/// of a GPU's evaluator where it has no fast one, and its reference in tests.
class ResidentOnCpu final : public ResidentEvaluator {
 public:
  /// @throws Error when the evaluator needs more than one hop of edges.
  explicit ResidentOnCpu(std::unique_ptr<Evaluator> inner);

  const ModelInfo& info() const override { return inner_->info(); }
  int halo_layers() const override { return 1; }
  int halo_width() const override { return inner_->halo_width(); }
  void prepare(std::span<const std::int32_t> species) override { inner_->prepare(species); }
  std::size_t peak_device_bytes() const override { return inner_->peak_device_bytes(); }
  std::vector<std::pair<std::string, double>> stage_seconds() const override {
    return inner_->stage_seconds();
  }
  const Evaluation& evaluate(const Graph& graph, Halo& halo) override {
    pairs_ = {};
    return inner_->evaluate(graph, halo);
  }
  void set_atoms(const AtomsView& atoms, double skin) override;
  NodeList nodes() const override { return {pairs_.num_local, pairs_.node_atom}; }
  /// Takes pairs that were searched elsewhere; the arrays must stay until the next call.
  void set_pairs(const PairList& pairs) { pairs_ = pairs; }
  const AtomEvaluation& evaluate_at(std::span<const double> positions, bool per_node_virial,
                                    Halo& halo) override;

 private:
  Graph graph_at(std::span<const double> positions);
  void sum_edges(const Graph& graph, std::span<const double> edge_gradient);
  void sum_node_virials(const Graph& graph, std::span<const double> edge_gradient);

  std::unique_ptr<Evaluator> inner_;
  GraphBuilder builder_;
  PairList pairs_;
  std::vector<std::int32_t> sender_, neighbors_;
  std::vector<std::int64_t> first_edge_;
  std::vector<double> edge_vector_, force_, node_virial_;
  AtomEvaluation result_;
};

}  // namespace mdbench
