// SPDX-License-Identifier: MIT
// Low-rank tables of radial functions.
#include <algorithm>

#include "check.hpp"
#include "random_radial.hpp"

using namespace mdbench;
using namespace mdbench::radial_tests;
using check::Worst;

namespace {

/// A table with what it is made of, and R = U V from it.
struct Tabulated {
  Tabulated(const RadialSpec& spec, const RadialNetwork& network, int segments, double tolerance)
      : network(network),
        exact(spec, network, {0, 1}),
        metric(network.last),
        table(exact, metric, spec.cutoff, segments, tolerance) {
    for (int s = 0; s < segments; ++s) rows.push_back(table.rows(s));
    for (double r = RadialTable::kShortest; r < spec.cutoff; r += 0.01)
      scale = std::max(scale, norm(functions_at(exact, network.last, r, false)));
  }
  int segment_of(double r) const {
    const double x = (r - RadialTable::kShortest) / table.piece_length();
    const int last = table.num_pieces() - 1;
    return std::clamp(static_cast<int>(x), 0, last) / table.pieces_per_segment();
  }
  std::vector<double> at(double r, bool slopes = false) const {
    std::vector<double> value(table.width()), slope(value.size());
    table.evaluate(r, value.data(), slope.data());
    std::vector<double> out(network.last.outputs, 0.0);
    const auto& v = rows[segment_of(r)];
    for (std::size_t q = 0; q < v.size(); ++q)
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += (slopes ? slope : value)[q] * v[q][i];
    return out;
  }

  const RadialNetwork& network;
  ExactRadial exact;
  OrthogonalRows metric;
  RadialTable table;
  std::vector<std::vector<std::vector<double>>> rows;
  double scale = 1e-300;
};

/// Largest errors over random distances, relative to the largest functions; density absolute.
struct TableErrors {
  Worst value, slope, density, border;
};

TableErrors errors_of(const Tabulated& t, double cutoff, Random& random) {
  TableErrors out;
  std::vector<double> value(t.table.width()), slope(value.size());
  for (int i = 0; i < 1500; ++i) {
    const double r = random.uniform(RadialTable::kShortest, cutoff);
    const auto& last = t.network.last;
    out.value.keep(distance(t.at(r), functions_at(t.exact, last, r, false)) / t.scale);
    out.slope.keep(distance(t.at(r, true), functions_at(t.exact, last, r, true)) / t.scale);
    t.table.evaluate(r, value.data(), slope.data());
    out.density.add(value[t.table.rank()], t.exact.density(r).value);
  }
  for (int piece = 0; piece <= t.table.num_pieces(); ++piece) {
    const double r = RadialTable::kShortest + piece * t.table.piece_length();
    const auto exact = functions_at(t.exact, t.network.last, std::min(r, cutoff), false);
    for (const double side : {r * (1 - 1e-13), r * (1 + 1e-13)})
      out.border.keep(distance(t.at(side), exact) / t.scale);
  }
  return out;
}

}  // namespace

TEST(orthogonal_rows_make_up_the_matrix) {
  Random random(4);
  struct Shape {
    int inputs, outputs, rank;
  };
  for (const Shape s : {Shape{5, 20, 5}, {8, 3, 3}, {8, 20, 2}, {6, 6, 6}, {4, 7, 0}, {1, 1, 1}}) {
    // a product of two random matrices has the rank between them
    const auto a = random_layer(s.inputs, s.rank, 1.0, random);
    const auto b = random_layer(s.rank, s.outputs, 1.0, random);
    Perceptron::Layer w{s.inputs, s.outputs, std::vector<double>(s.inputs * s.outputs, 0.0)};
    for (int i = 0; i < s.inputs; ++i)
      for (int q = 0; q < s.rank; ++q)
        for (int j = 0; j < s.outputs; ++j)
          w.weight[i * s.outputs + j] += a.weight[i * s.rank + q] * b.weight[q * s.outputs + j];
    const OrthogonalRows rows(w);
    CHECK(rows.rank >= s.rank && rows.rank <= std::min(s.inputs, s.outputs));
    Worst product, overlap;
    for (int i = 0; i < s.inputs; ++i)
      for (int j = 0; j < s.outputs; ++j) {
        double sum = 0.0;
        for (int q = 0; q < rows.rank; ++q) sum += rows.lower[i][q] * rows.rows[q][j];
        product.add(sum, w.weight[i * s.outputs + j]);
      }
    for (int p = 0; p < rows.rank; ++p)
      for (int q = 0; q < rows.rank; ++q) {
        double sum = 0.0;
        for (int j = 0; j < s.outputs; ++j) sum += rows.rows[p][j] * rows.rows[q][j];
        overlap.add(sum, p == q);
      }
    CHECK_BELOW(product, 1e-12);
    CHECK_BELOW(overlap, 1e-12);
  }
}

TEST(tables_keep_to_their_tolerance) {
  Random random(5);
  for (const auto transform : {Transform::none, Transform::agnesi})
    for (const int segments : {1, 4, 8})
      for (const double tolerance : {1e-7, 1e-10}) {
        const auto spec = make_spec(Basis::bessel, transform, transform == Transform::none);
        const auto network = spec.cutoff_on_weights ? make_normalised_network(6, 10, 14, random)
                                                    : make_network(6, 2, 10, 14, random);
        const Tabulated t(spec, network, segments, tolerance);
        const auto errors = errors_of(t, kCutoff, random);
        CHECK_BELOW(t.table.value_error(), tolerance);
        CHECK_BELOW(t.table.slope_error(), 10 * tolerance);
        CHECK_BELOW(errors.value, 2 * tolerance);
        CHECK_BELOW(errors.density, 2 * tolerance);
        // the worst slopes lie at the ends of pieces, where measure() does not look
        CHECK_BELOW(errors.slope, 150 * tolerance);
        CHECK_BELOW(errors.border, 2 * tolerance);  // so jumps are below four times it
        CHECK_BELOW(norm(t.at(kCutoff * (1 - 1e-12))) / t.scale, tolerance);
        CHECK(t.table.rank() <= t.metric.rank);
        for (int s = 0; s < segments; ++s)
          CHECK(static_cast<int>(t.rows[s].size()) <= t.table.rank());
      }
}

TEST(table_of_a_network_that_is_zero) {
  Random random(6);
  const auto spec = make_spec(Basis::bessel, Transform::none, false);
  for (const bool last : {true, false}) {
    auto network = make_network(6, 1, 8, 10, random);
    auto& weight = last ? network.last.weight : network.hidden[0].weight;
    std::fill(weight.begin(), weight.end(), 0.0);
    const Tabulated t(spec, network, 4, 1e-10);
    for (double r = 0.5; r < kCutoff; r += 0.1) {
      CHECK(norm(t.at(r)) == 0.0 && norm(t.at(r, true)) == 0.0);
      std::vector<double> value(t.table.width()), slope(value.size());
      t.table.evaluate(r, value.data(), slope.data());
      CHECK_BELOW(std::abs(value[t.table.rank()] - t.exact.density(r).value), 1e-9);
    }
  }
}

/// One function alone, and a cutoff so short that a segment has room for hardly a sample.
TEST(table_of_small_networks) {
  Random random(7);
  for (const double cutoff : {0.45, 0.7, 9.0}) {
    auto spec = make_spec(Basis::gaussian, Transform::none, false);
    spec.cutoff = cutoff;
    const auto network = make_network(6, 1, 1, 1, random);
    const Tabulated t(spec, network, 8, 1e-7);
    const auto errors = errors_of(t, cutoff, random);
    CHECK_BELOW(errors.value, 2e-7);
  }
}
