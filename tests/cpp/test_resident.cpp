// SPDX-License-Identifier: MIT
// Pairs and positions in, forces out: the interface of evaluators that keep the pairs.
#include "cluster.hpp"
#include "error.hpp"
#include "graph_builder.hpp"
#include "periodic.hpp"
#include "resident_on_cpu.hpp"

using namespace mdbench;
using namespace tiny;
using check::difference;
using tiny::open;

namespace {

constexpr double kSkin = 0.8;

/// A cell smaller than the cutoff: atoms have several images as neighbours, themselves too.
struct System {
  System() : atoms(11, 5.0, kCutoff + kSkin + 0.5, 12), builder(kCutoff, 1) {
    for (std::size_t i = 0; i < atoms.owner.size(); ++i) atoms.species[i] = atoms.owner[i] % 3 == 0;
    builder.rebuild(atoms.view(), kSkin);
  }
  /// Moves atoms with all their images, less than the skin allows.
  void move() {
    for (std::size_t i = 0; i < atoms.owner.size(); ++i)
      for (int k = 0; k < 3; ++k) atoms.x[3 * i + k] += 0.2 * std::sin(atoms.owner[i] + 2.0 * k);
  }
  Periodic atoms;
  GraphBuilder builder;
};

ResidentOnCpu resident(const Shape& shape, int threads = 1) {
  return ResidentOnCpu(open(shape, "double", threads));
}

double total(std::span<const double> energies) {
  double sum = 0.0;
  for (const double e : energies) sum += e;
  return sum;
}

}  // namespace

TEST(forces_from_pairs_are_those_of_the_graph) {
  int threads = 0;
  for (const auto& shape : shapes()) {
    System system;
    threads = threads % 3 + 1;
    auto from_pairs = resident(shape, threads);
    CHECK(from_pairs.resident() == &from_pairs);
    const auto from_graph = open(shape);
    from_pairs.set_atoms(system.atoms.view(), kSkin);
    NoHalo halo;
    for (int step = 0; step < 3; ++step, system.move()) {
      const Graph& graph = system.builder.update(system.atoms.x);
      const Evaluation& edges = from_graph->evaluate(graph, halo);
      const AtomEvaluation& found = from_pairs.evaluate_at(system.atoms.x, true, halo);
      CHECK(std::ranges::equal(found.node_atom, system.builder.pairs().node_atom));
      CHECK(from_pairs.nodes().num_local == graph.num_local);
      CHECK(from_pairs.nodes().node_atom.data() == found.node_atom.data());
      std::vector<double> force(3 * graph.num_nodes()), virial(9), halves(9 * graph.num_nodes());
      for (std::size_t i = 0; i < graph.num_local; ++i) {
        const auto first = graph.first_edge[i], last = graph.first_edge[i + 1];
        CHECK(found.neighbors[i] == last - first);
        for (auto e = first; e < last; ++e)
          for (int a = 0; a < 3; ++a) {
            const double g = edges.edge_gradient[3 * e + a];
            const int j = graph.sender[e];
            force[3 * i + a] += g, force[3 * j + a] -= g;
            for (int b = 0; b < 3; ++b) {
              const double w = -graph.edge_vector[3 * e + b] * g;
              virial[3 * b + a] += w;
              halves[9 * i + 3 * b + a] += 0.5 * w, halves[9 * j + 3 * b + a] += 0.5 * w;
            }
          }
      }
      const auto same = [](std::span<const double> a, const std::vector<double>& b) {
        CHECK_BELOW(relative({a.begin(), a.end()}, b), 1e-13);
      };
      same(found.site_energy, {edges.site_energy.begin(), edges.site_energy.end()});
      same(found.force, force);
      same(found.virial, virial);
      same(found.node_virial, halves);
    }
  }
}

TEST(forces_and_virial_equal_differences_of_the_energy) {
  System system;
  auto evaluator = resident(shapes()[2]);
  evaluator.set_atoms(system.atoms.view(), kSkin);
  NoHalo halo;
  auto& x = system.atoms.x;
  const auto result = evaluator.evaluate_at(x, false, halo);
  CHECK(result.node_virial.empty());
  const std::vector<double> force(result.force.begin(), result.force.end());
  const auto virial = result.virial;
  const auto kept = x;
  const auto energy = [&] { return total(evaluator.evaluate_at(x, false, halo).site_energy); };
  Worst worst, size;
  for (const int atom : {0, 3, 7})
    for (int k = 0; k < 3; ++k) {
      const auto moved = [&](double by) {
        for (std::size_t i = 0; i < system.atoms.owner.size(); ++i)
          if (system.atoms.owner[i] == atom) x[3 * i + k] = kept[3 * i + k] + by;
        return energy();
      };
      worst.add(-force[3 * atom + k], difference(moved, 0.0, 1e-4));
      size.keep(std::abs(force[3 * atom + k]));
      x = kept;
    }
  CHECK_BELOW(worst / size, 1e-6);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) {
      const auto strained = [&](double by) {
        for (std::size_t i = 0; i < x.size() / 3; ++i)
          x[3 * i + a] = kept[3 * i + a] + by * kept[3 * i + b];
        return energy();
      };
      const double expected = -difference(strained, 0.0, 1e-5);
      x = kept;
      CHECK_BELOW(std::abs(virial[3 * b + a] - expected) / size, 1e-5);
    }
}

TEST(pairs_change_with_a_rebuild) {
  System system;
  auto evaluator = resident(shapes()[1]);
  NoHalo halo;
  evaluator.set_atoms(system.atoms.view(), kSkin);
  evaluator.evaluate_at(system.atoms.x, true, halo);
  for (int step = 0; step < 4; ++step) system.move();  // farther than the skin allows
  system.builder.rebuild(system.atoms.view(), kSkin);
  evaluator.set_atoms(system.atoms.view(), kSkin);
  const double found = total(evaluator.evaluate_at(system.atoms.x, true, halo).site_energy);
  const auto other = open(shapes()[1]);
  const auto& expected = other->evaluate(system.builder.update(system.atoms.x), halo);
  CHECK_BELOW(std::abs(found - total(expected.site_energy)), 1e-10);
}

TEST(no_atoms_no_forces) {
  auto evaluator = resident(shapes()[0]);
  evaluator.set_atoms({0, {}, {}, {}}, kSkin);
  NoHalo halo;
  for (const bool per_node : {false, true}) {
    const AtomEvaluation& result = evaluator.evaluate_at({}, per_node, halo);
    CHECK(result.site_energy.empty() && result.force.empty() && result.neighbors.empty());
    CHECK(result.virial == (std::array<double, 9>{}));
  }
}

TEST(positions_of_other_atoms_are_refused) {
  System system;
  auto evaluator = resident(shapes()[0]);
  evaluator.set_atoms(system.atoms.view(), kSkin);
  NoHalo halo;
  const std::vector<double> few(3 * system.atoms.owner.size() - 3);
  CHECK(!check::thrown<Error>([&] { evaluator.evaluate_at(few, false, halo); }).empty());
  // a graph takes the atoms' place
  evaluator.evaluate(system.builder.update(system.atoms.x), halo);
  CHECK(!check::thrown<Error>([&] { evaluator.evaluate_at(system.atoms.x, false, halo); }).empty());
}

/// Springs on all edges, those of nodes that are not local too.
struct Springs final : Evaluator {
  explicit Springs(int hops) : hops(hops) {
    known.cutoff = kCutoff, known.threads = 3, known.atomic_numbers = {1};
  }
  const ModelInfo& info() const override { return known; }
  int halo_layers() const override { return hops; }
  void prepare(std::span<const std::int32_t>) override {}
  const Evaluation& evaluate(const Graph& graph, Halo&) override {
    energy.assign(graph.num_local, 1.0);
    edges = graph.num_edges();
    result.site_energy = energy;
    result.edge_gradient = graph.edge_vector;
    return result;
  }
  int hops;
  ModelInfo known;
  std::vector<double> energy;
  std::size_t edges = 0;
  Evaluation result;
};

/// A chain whose first atom alone is owned, the rest its ghosts: over two hops the neighbours'
/// edges count, and nothing beyond the cutoff.
TEST(edges_of_distant_nodes_count) {
  const std::vector<double> x{0, 0, 0, 2, 0, 0, 4, 0, 0, 6, 0, 0, 8, 0, 0};
  const std::vector<std::int32_t> species(5, 0), owner{0, 1, 2, 3, 4};
  for (const int hops : {1, 2}) {
    auto springs = std::make_unique<Springs>(hops);
    const Springs& seen = *springs;
    ResidentOnCpu evaluator(std::move(springs));
    evaluator.set_atoms({1, x, species, owner}, 0.6);
    NoHalo halo;
    const AtomEvaluation& found = evaluator.evaluate_at(x, true, halo);
    CHECK(seen.edges == (hops == 1 ? 1 : 3));
    CHECK(found.site_energy.size() == 1 && found.neighbors[0] == 1);
    CHECK(found.force[0] == (hops == 1 ? 2.0 : 4.0) && found.virial[0] == -4.0 * seen.edges);
    double sum = 0.0, halves = 0.0;
    for (std::size_t node = 0; node < found.node_atom.size(); ++node)
      sum += found.force[3 * node], halves += found.node_virial[9 * node];
    CHECK(sum == 0.0 && halves == found.virial[0]);
  }
  GraphBuilder deep(kCutoff, 2);
  CHECK(!check::thrown<Error>([&] { deep.take({}); }).empty());
}
