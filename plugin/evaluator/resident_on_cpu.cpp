// SPDX-License-Identifier: MIT
#include "resident_on_cpu.hpp"

#include <algorithm>
#include <chrono>

#include "error.hpp"
#include "in_parallel.hpp"

namespace mdbench {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The first node none of whose edges is before `edge`.
std::size_t node_at(const Graph& graph, std::size_t edge) {
  return std::ranges::lower_bound(graph.first_edge, static_cast<std::int64_t>(edge)) -
         graph.first_edge.begin();
}

}  // namespace

ResidentOnCpu::ResidentOnCpu(std::unique_ptr<Evaluator> inner)
    : inner_(std::move(inner)),
      threads_(std::max(1, inner_->info().threads)),
      builder_(inner_->info().cutoff, std::max(1, inner_->halo_layers()), threads_) {}

const Evaluation& ResidentOnCpu::evaluate(const Graph& graph, Halo& halo) {
  has_atoms_ = false;
  return inner_->evaluate(graph, halo);
}

void ResidentOnCpu::set_atoms(const AtomsView& atoms, double skin) {
  builder_.rebuild(atoms, skin);
  require_species(builder_.node_species(), info().atomic_numbers.size());
  prepare(builder_.node_species());
  has_atoms_ = true;
}

void ResidentOnCpu::set_pairs(const PairList& pairs) {
  builder_.take(pairs);
  has_atoms_ = true;
}

/// The force on a sender is -g, on its receiver +g.
void ResidentOnCpu::sum_share(const Graph& graph, const double* edge_gradient, int share) {
  auto& force = share_force_[share];
  force.assign(3 * graph.num_nodes(), 0.0);
  std::array<double, 9> virial{};
  const Share edges(graph.num_edges(), share, threads_);
  const std::size_t last = node_at(graph, edges.last);
  for (std::size_t i = node_at(graph, edges.first); i < last; ++i) {
    double sum[3] = {};
    for (auto e = graph.first_edge[i]; e < graph.first_edge[i + 1]; ++e) {
      const double *d = &graph.edge_vector[3 * e], *g = edge_gradient + 3 * e;
      double* f = &force[3 * static_cast<std::size_t>(graph.sender[e])];
      for (int a = 0; a < 3; ++a) {
        sum[a] += g[a];
        f[a] -= g[a];
        for (int b = 0; b < 3; ++b) virial[3 * a + b] -= d[a] * g[b];
      }
    }
    for (int a = 0; a < 3; ++a) force[3 * i + a] += sum[a];
  }
  share_virial_[share] = virial;
}

void ResidentOnCpu::sum_edges(const Graph& graph, std::span<const double> edge_gradient) {
  share_force_.resize(threads_);
  share_virial_.resize(threads_);
  in_parallel(threads_, [&](int share) { sum_share(graph, edge_gradient.data(), share); });
  force_.resize(3 * graph.num_nodes());
  in_parallel(threads_, [&](int share) {
    const Share rows(force_.size(), share, threads_);
    for (std::size_t i = rows.first; i < rows.last; ++i) {
      double sum = 0.0;
      for (const auto& force : share_force_) sum += force[i];
      force_[i] = sum;
    }
  });
  result_.virial = {};
  for (const auto& virial : share_virial_)
    for (int k = 0; k < 9; ++k) result_.virial[k] += virial[k];
  neighbors_.resize(graph.num_local);
  for (std::size_t node = 0; node < graph.num_local; ++node)
    neighbors_[node] =
        static_cast<std::int32_t>(graph.first_edge[node + 1] - graph.first_edge[node]);
}

void ResidentOnCpu::sum_node_virials(const Graph& graph, std::span<const double> edge_gradient) {
  node_virial_.assign(9 * graph.num_nodes(), 0.0);
  for (std::size_t i = 0; i < graph.num_nodes(); ++i)
    for (auto e = graph.first_edge[i]; e < graph.first_edge[i + 1]; ++e) {
      const double *d = &graph.edge_vector[3 * e], *g = &edge_gradient[3 * e];
      const auto j = static_cast<std::size_t>(graph.sender[e]);
      for (int k = 0; k < 9; ++k) {
        const double half = -0.5 * d[k / 3] * g[k % 3];
        node_virial_[9 * i + k] += half;
        node_virial_[9 * j + k] += half;
      }
    }
}

const AtomEvaluation& ResidentOnCpu::evaluate_at(std::span<const double> positions,
                                                 bool per_node_virial, Halo& halo) {
  if (!has_atoms_) throw Error("no atoms are set");
  require_atoms(positions, builder_.num_atoms());
  const double begin = now();
  const Graph& graph = builder_.update(positions);
  const double built = now();
  const Evaluation& edges = inner_->evaluate(graph, halo);
  const double evaluated = now();
  sum_edges(graph, edges.edge_gradient);
  if (per_node_virial) sum_node_virials(graph, edges.edge_gradient);
  result_.node_atom = nodes().node_atom;
  result_.site_energy = edges.site_energy;
  result_.force = force_;
  result_.node_virial =
      per_node_virial ? std::span<const double>(node_virial_) : std::span<const double>();
  result_.neighbors = neighbors_;
  result_.seconds = edges.seconds;
  result_.seconds.graph = built - begin;
  result_.seconds.forces = now() - evaluated;
  return result_;
}

}  // namespace mdbench
