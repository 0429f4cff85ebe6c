// SPDX-License-Identifier: MIT
// The native evaluator as a whole, on small random models.
#include <omp.h>

#include "allocations.hpp"
#include "cluster.hpp"
#include "error.hpp"

using namespace mdbench;
using namespace tiny;
using check::difference;
using tiny::open;

TEST(edge_gradients_equal_differences) {
  for (const auto& shape : shapes()) {
    const auto evaluator = open(shape);
    Cluster cluster = make_cluster(9, 3);
    const Result result = evaluate(*evaluator, cluster);
    const double size = *std::max_element(result.gradient.begin(), result.gradient.end());
    Worst worst;
    for (std::size_t i = 0; i < cluster.edge_vector.size(); i += 16) {
      const double x = cluster.edge_vector[i];
      const auto total = [&](double moved) {
        cluster.edge_vector[i] = moved;
        return evaluate(*evaluator, cluster).total();
      };
      worst.add(result.gradient[i], difference(total, x, 1e-3));
      cluster.edge_vector[i] = x;
    }
    CHECK_BELOW(worst / size, 1e-6);
  }
}

TEST(precisions_agree) {
  const Cluster cluster = make_cluster(30, 4);
  for (const auto& shape : shapes()) {
    const Result expected = evaluate(*open(shape), cluster);
    for (const char* precision : {"single", "mixed"}) {
      const auto evaluator = open(shape, precision);
      CHECK(evaluator->info().precision == precision);
      check_equal(evaluate(*evaluator, cluster), expected, 1e-5);
    }
  }
}

TEST(threads_agree_and_repeat) {
  const Cluster cluster = make_cluster(26, 5);
  for (const auto& shape : shapes())
    for (const char* precision : {"double", "mixed"}) {
      const Result expected = evaluate(*open(shape, precision), cluster);
      const auto evaluator = open(shape, precision, 3);
      const Result first = evaluate(*evaluator, cluster), again = evaluate(*evaluator, cluster);
      check_equal(first, expected, precision[0] == 'd' ? 1e-13 : 1e-5);
      CHECK(first.energy == again.energy && first.gradient == again.gradient);
    }
}

/// Inside a parallel region of the caller, OpenMP gives one thread whatever is asked for.
TEST(fewer_threads_than_asked_for_do_all_the_work) {
  const Cluster cluster = make_cluster(26, 5);
  const auto shape = shapes()[2];
  const Result expected = evaluate(*open(shape), cluster);
  const auto evaluator = open(shape, "double", 3);
  const int levels = omp_get_max_active_levels();
  omp_set_max_active_levels(1);
  Result result;
#pragma omp parallel num_threads(2)
#pragma omp single
  result = evaluate(*evaluator, cluster);
  omp_set_max_active_levels(levels);
  check_equal(result, expected, 1e-13);
  check_equal(evaluate(*evaluator, cluster), expected, 1e-13);
}

TEST(graphs_without_edges_or_atoms) {
  for (const auto& shape : shapes())
    for (const int threads : {1, 3}) {
      const auto evaluator = open(shape, "double", threads);
      const Result none = evaluate(*evaluator, Cluster());
      CHECK(none.energy.empty() && none.gradient.empty());
      const Cluster cluster = make_cluster(12, 7);
      const Result whole = evaluate(*evaluator, cluster);
      Cluster alone;
      alone.num_local = 1;
      alone.species = {cluster.species.back()};
      alone.close_node();
      const Result one = evaluate(*evaluator, alone);
      CHECK_BELOW(std::abs(one.energy[0] - whole.energy.back()), 1e-14);
      CHECK(evaluate(*evaluator, Cluster()).energy.empty());
      check_equal(evaluate(*evaluator, cluster), whole, 1e-15);
    }
}

TEST(species_that_turn_up_later) {
  const auto shape = shapes()[2];
  Cluster cluster = make_cluster(12, 8);
  const Result expected = evaluate(*open(shape), cluster);
  const auto evaluator = open(shape);
  Cluster uniform = cluster;
  std::fill(uniform.species.begin(), uniform.species.end(), 1);
  const Result before = evaluate(*evaluator, uniform);
  check_equal(evaluate(*evaluator, cluster), expected, 1e-15);
  check_equal(evaluate(*evaluator, uniform), before, 1e-15);
}

TEST(unknown_species_leave_the_evaluator_usable) {
  const auto evaluator = open(shapes()[0]);
  Cluster cluster = make_cluster(6, 8);
  const Result expected = evaluate(*open(shapes()[0]), cluster);
  for (const int wrong : {2, -1, 1 << 30}) {
    Cluster bad = cluster;
    bad.species[4] = wrong;
    CHECK(!check::thrown<Error>([&] { evaluate(*evaluator, bad); }).empty());
  }
  check_equal(evaluate(*evaluator, cluster), expected, 1e-15);
}

/// Energies must not depend on the order of edges, nor of atoms within the batches.
TEST(order_does_not_matter) {
  const auto evaluator = open(shapes()[2]);
  const Cluster cluster = make_cluster(24, 9);
  const Result expected = evaluate(*evaluator, cluster);
  const int n = static_cast<int>(cluster.num_local);
  Cluster mirrored;
  mirrored.num_local = cluster.num_local;
  for (int i = n - 1; i >= 0; --i) {
    mirrored.species.push_back(cluster.species[i]);
    for (auto e = cluster.first_edge[i + 1]; e-- > cluster.first_edge[i];)
      mirrored.add_edge(n - 1 - cluster.sender[e], &cluster.edge_vector[3 * e]);
    mirrored.close_node();
  }
  Result result = evaluate(*evaluator, mirrored);
  std::reverse(result.energy.begin(), result.energy.end());
  CHECK_BELOW(relative(result.energy, expected.energy), 1e-13);
}

TEST(heads_are_chosen) {
  auto shape = shapes()[0];
  const Cluster cluster = make_cluster(8, 9);
  const double b = evaluate(*open(shape), cluster).total();
  CHECK(evaluate(*open(shape, "double", 1, "b"), cluster).total() == b);
  CHECK(std::abs(evaluate(*open(shape, "double", 1, "a"), cluster).total() - b) > 1e-3);
  const auto text = check::thrown<Error>([&] { open(shape, "double", 1, "c"); });
  CHECK(text.find("it has a, b") != std::string::npos);
  shape.head = "";
  CHECK(check::thrown<Error>([&] { open(shape); }).find("several heads") != std::string::npos);
}

TEST(a_steady_run_allocates_nothing) {
  for (const auto& shape : {shapes()[1], shapes()[2], shapes()[6]})
    for (const int threads : {1, 3})
      for (const char* precision : {"double", "mixed"}) {
        const auto evaluator = open(shape, precision, threads);
        Cluster cluster = make_cluster(9, 10);
        for (int k = 0; k < 3;
             ++k)  // below the tables the exact network is evaluated, with vectors
          for (auto e : {cluster.first_edge[0], cluster.first_edge[1]})
            cluster.edge_vector[3 * e + k] *= 3.0;
        NoHalo halo;
        for (int i = 0; i < 2; ++i) evaluator->evaluate(cluster.graph(), halo);
        const long before = check::allocations();
        for (int i = 0; i < 20; ++i) evaluator->evaluate(cluster.graph(), halo);
        CHECK_BELOW(static_cast<double>(check::allocations() - before), 1.0);
      }
}
