// SPDX-License-Identifier: MIT
#include "two_ranks.hpp"

using namespace mdbench;
using namespace tiny;
using tiny::open;

namespace {

Result evaluate_on_two_ranks(const Shape& shape, int threads, const Cluster& whole) {
  return tiny::evaluate_on_two_ranks([&] { return open(shape, "double", threads); }, whole);
}

}  // namespace

TEST(two_ranks_equal_one) {
  const Cluster cluster = make_cluster(26, 6);
  for (const auto& shape : shapes())
    for (const int threads : {1, 2})
      check_equal(evaluate_on_two_ranks(shape, threads, cluster), evaluate(*open(shape), cluster),
                  1e-12);
}

/// A rank without atoms takes part in the exchanges.
TEST(a_rank_without_atoms) {
  Cluster cluster = make_cluster(2, 6);
  cluster.num_local = 1;
  cluster.species.resize(1);
  cluster.first_edge.resize(2);
  cluster.sender.clear();
  cluster.edge_vector.clear();
  cluster.first_edge = {0, 0};
  const auto shape = shapes()[2];
  check_equal(evaluate_on_two_ranks(shape, 1, cluster), evaluate(*open(shape), cluster), 1e-14);
}
