// SPDX-License-Identifier: MIT
// Small random models and clusters for the tests of the evaluator as a whole.
#pragma once

#include <algorithm>
#include <array>
#include <memory>

#include "check.hpp"
#include "evaluator.hpp"
#include "numeric.hpp"
#include "tiny_model.hpp"

extern "C" mdbench::Evaluator* mdbench_backend_v2(const mdbench::EvaluatorOptions&,
                                                  const mdbench::ModelFile&);

namespace tiny {

using namespace mdbench;
using check::Random;
using check::Worst;

inline constexpr double kCutoff = 3.5;

inline std::unique_ptr<Evaluator> open(const Shape& shape, const std::string& precision = "double",
                                       int threads = 1, const std::string& head = "") {
  const TemporaryFile file("mdbench_test_evaluator.mace");
  file.write(make(shape).bytes());
  EvaluatorOptions options;
  options.path = file.path;
  options.precision = precision;
  options.threads = threads;
  options.head = head;
  return std::unique_ptr<Evaluator>(mdbench_backend_v2(options, {}));
}

/// A graph that owns its arrays.
struct Cluster {
  std::size_t num_local = 0;
  std::vector<std::int32_t> species, sender;
  std::vector<std::int64_t> first_edge{0};
  std::vector<double> edge_vector;

  Graph graph() const { return {num_local, species, first_edge, sender, edge_vector}; }
  void add_edge(int from, const double* d) {
    sender.push_back(from);
    edge_vector.insert(edge_vector.end(), d, d + 3);
  }
  void close_node() { first_edge.push_back(static_cast<std::int64_t>(sender.size())); }
};

/// Atoms in a cube, no two closer than 0.75 A but, where `close`, the first pair, at 0.3 A: below
/// the tables. The last atom is alone.
inline Cluster make_cluster(int atoms, unsigned seed, bool close = true) {
  Random random(seed);
  std::vector<std::array<double, 3>> x;
  const auto near = [&](const std::array<double, 3>& p) {
    return std::any_of(x.begin(), x.end(), [&](const auto& q) {
      return std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]) < 0.75;
    });
  };
  while (static_cast<int>(x.size()) < atoms) {
    std::array<double, 3> p;
    random.fill(p, 0.0, 4.5);
    if (!near(p)) x.push_back(p);
  }
  if (close) x[1] = {x[0][0] + 0.1, x[0][1] - 0.2, x[0][2] + 0.2};
  x.back() = {99, 99, 99};
  Cluster out;
  out.num_local = atoms;
  for (int i = 0; i < atoms; ++i) {
    out.species.push_back(i % 3 == 0);
    for (int j = 0; j < atoms; ++j) {
      const double d[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
      if (i != j && std::hypot(d[0], d[1], d[2]) < kCutoff) out.add_edge(j, d);
    }
    out.close_node();
  }
  return out;
}

struct Result {
  std::vector<double> energy, gradient;
  double total() const {
    double sum = 0.0;
    for (const double e : energy) sum += e;
    return sum;
  }
};

inline Result evaluate(Evaluator& evaluator, const Cluster& cluster) {
  NoHalo halo;
  const Evaluation& out = evaluator.evaluate(cluster.graph(), halo);
  return {{out.site_energy.begin(), out.site_energy.end()},
          {out.edge_gradient.begin(), out.edge_gradient.end()}};
}

/// Largest difference, in units of the largest number.
inline double relative(const std::vector<double>& a, const std::vector<double>& b) {
  CHECK(a.size() == b.size());
  Worst worst, size;
  for (std::size_t i = 0; i < b.size(); ++i) worst.add(a[i], b[i]), size.keep(std::abs(b[i]));
  return worst / std::max<double>(size, 1e-300);
}

inline void check_equal(const Result& a, const Result& b, double bound) {
  CHECK_BELOW(relative(a.energy, b.energy), bound);
  CHECK_BELOW(relative(a.gradient, b.gradient), bound);
}

inline std::vector<Shape> shapes() {
  std::vector<Shape> all(9);
  all[1] = {{0}, 3, 3, 3, "gaussian", "none", "weights", "tanh", true, true, ""};
  all[2] = {{0, 2, 1}, 9, 3, 2, "bessel", "agnesi", "basis", "silu", true, true, "b"};
  all[3] = {{0, 0, 2}, 4, 1, 3, "bessel", "soft", "weights", "tanh", false, true, "a"};
  all[4] = {{0, 1}, 17, 0, 1, "chebyshev", "agnesi", "basis", "linear", false, false, "b"};
  all[5] = {{0, 2}, 8, 2, 3, "bessel", "none", "weights", "silu", true, false, "b"};
  all[1].head = "b";
  all[6] = {{0, 1}, 5, 2, 2, "bessel", "agnesi", "weights", "silu", true, true, "b", true, 3};
  all[7] = {{0, 2, 1}, 3, 3, 3, "bessel", "none", "weights", "tanh", false, false, "b", true, 17};
  all[8] = {{0}, 16, 0, 2, "gaussian", "soft", "weights", "linear", true, false, "b", true, 16};
  return all;
}

}  // namespace tiny
