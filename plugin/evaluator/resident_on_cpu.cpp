// SPDX-License-Identifier: MIT
#include "resident_on_cpu.hpp"

#include "error.hpp"

namespace mdbench {
namespace {

/// Calls function(receiver, sender, d, g) for every edge.
template <class Function>
void for_edges(const Graph& graph, std::span<const double> gradient, Function&& function) {
  for (std::size_t node = 0; node < graph.num_local; ++node)
    for (auto e = graph.first_edge[node]; e < graph.first_edge[node + 1]; ++e)
      function(node, static_cast<std::size_t>(graph.sender[e]), &graph.edge_vector[3 * e],
               &gradient[3 * e]);
}

}  // namespace

ResidentOnCpu::ResidentOnCpu(std::unique_ptr<Evaluator> inner)
    : inner_(std::move(inner)), builder_(inner_->info().cutoff, 1) {
  if (inner_->halo_layers() != 1)
    throw Error("an evaluator of " + std::to_string(inner_->halo_layers()) +
                " hops of edges cannot work from a list of pairs");
}

void ResidentOnCpu::set_atoms(const AtomsView& atoms, double skin) {
  builder_.rebuild(atoms, skin);
  pairs_ = builder_.pairs();
  prepare(pairs_.species);
}

/// The nodes stay those of the list: ghosts without an edge do no harm, and nothing is renumbered.
Graph ResidentOnCpu::graph_at(std::span<const double> positions) {
  const double cutoff2 = info().cutoff * info().cutoff;
  sender_.clear(), edge_vector_.clear();
  first_edge_.assign(1, 0);
  for (std::size_t node = 0; node < pairs_.num_local; ++node) {
    const double* x = &positions[3 * std::size_t(pairs_.node_atom[node])];
    for (auto p = pairs_.first_pair[node]; p < pairs_.first_pair[node + 1]; ++p) {
      const double* y = &positions[3 * std::size_t(pairs_.sender_atom[p])];
      const double dx = y[0] - x[0], dy = y[1] - x[1], dz = y[2] - x[2];
      if (dx * dx + dy * dy + dz * dz >= cutoff2) continue;
      sender_.push_back(pairs_.sender[p]);
      edge_vector_.insert(edge_vector_.end(), {dx, dy, dz});
    }
    first_edge_.push_back(static_cast<std::int64_t>(sender_.size()));
  }
  first_edge_.resize(pairs_.num_nodes() + 1, first_edge_.back());
  return {pairs_.num_local, pairs_.species, first_edge_, sender_, edge_vector_};
}

/// The force on a sender is -g, on its receiver +g.
void ResidentOnCpu::sum_edges(const Graph& graph, std::span<const double> edge_gradient) {
  force_.assign(3 * graph.num_nodes(), 0.0);
  result_.virial = {};
  for_edges(graph, edge_gradient,
            [&](std::size_t i, std::size_t j, const double* d, const double* g) {
              for (int a = 0; a < 3; ++a) {
                force_[3 * i + a] += g[a];
                force_[3 * j + a] -= g[a];
                for (int b = 0; b < 3; ++b) result_.virial[3 * a + b] -= d[a] * g[b];
              }
            });
  neighbors_.resize(graph.num_local);
  for (std::size_t node = 0; node < graph.num_local; ++node)
    neighbors_[node] =
        static_cast<std::int32_t>(graph.first_edge[node + 1] - graph.first_edge[node]);
}

void ResidentOnCpu::sum_node_virials(const Graph& graph, std::span<const double> edge_gradient) {
  node_virial_.assign(9 * graph.num_nodes(), 0.0);
  for_edges(graph, edge_gradient,
            [&](std::size_t i, std::size_t j, const double* d, const double* g) {
              for (int k = 0; k < 9; ++k) {
                const double half = -0.5 * d[k / 3] * g[k % 3];
                node_virial_[9 * i + k] += half;
                node_virial_[9 * j + k] += half;
              }
            });
}

const AtomEvaluation& ResidentOnCpu::evaluate_at(std::span<const double> positions,
                                                 bool per_node_virial, Halo& halo) {
  require_atoms(positions, pairs_.num_atoms);
  const Graph graph = graph_at(positions);
  const Evaluation& edges = inner_->evaluate(graph, halo);
  sum_edges(graph, edges.edge_gradient);
  if (per_node_virial) sum_node_virials(graph, edges.edge_gradient);
  result_.node_atom = pairs_.node_atom;
  result_.site_energy = edges.site_energy;
  result_.force = force_;
  result_.node_virial =
      per_node_virial ? std::span<const double>(node_virial_) : std::span<const double>();
  result_.neighbors = neighbors_;
  result_.seconds = edges.seconds;
  return result_;
}

}  // namespace mdbench
