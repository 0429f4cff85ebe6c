// SPDX-License-Identifier: MIT
// Radial functions as written, and their low-rank tables.
#include <algorithm>

#include "check.hpp"
#include "numeric.hpp"
#include "radial.hpp"

using namespace mdbench;
using check::difference;
using check::Random;
using check::Worst;

namespace {

using Basis = RadialSpec::Basis;
using Transform = RadialSpec::Transform;
constexpr double kCutoff = 4.5;

RadialSpec make_spec(Basis basis, Transform transform, bool on_weights) {
  RadialSpec spec;
  spec.basis = basis;
  spec.transform = transform;
  spec.cutoff = kCutoff;
  spec.cutoff_power = 6;
  spec.cutoff_on_weights = on_weights;
  for (int k = 0; k < 6; ++k)
    spec.frequencies.push_back(basis == Basis::bessel     ? (k + 1) * 3.141592653589793 / kCutoff
                               : basis == Basis::gaussian ? 0.8 * k
                                                          : k);
  if (basis == Basis::bessel) spec.prefactor = std::sqrt(2.0 / kCutoff);
  if (basis == Basis::gaussian) spec.prefactor = -0.5 / (0.8 * 0.8);
  if (transform == Transform::agnesi) spec.transform_values = {0.9183, 4.5791, 1.0805};
  if (transform == Transform::soft) spec.transform_values = {4.0};
  spec.radius = {0.31, 0.76};
  return spec;
}

RadialNetwork::Layer random_layer(int inputs, int outputs, double size, Random& random) {
  RadialNetwork::Layer layer{inputs, outputs, std::vector<double>(inputs * outputs)};
  random.fill(layer.weight, -size, size);
  return layer;
}

RadialNetwork make_network(int basis, int hidden, int features, int outputs, Random& random) {
  RadialNetwork network;
  for (int i = 0; i < hidden; ++i)
    network.hidden.push_back(random_layer(i ? features : basis, features, 0.5, random));
  network.last = random_layer(hidden ? features : basis, outputs, 0.5, random);
  network.density.resize(basis);
  random.fill(network.density, -0.5, 0.5);
  return network;
}

template <class Function>
void for_specs(Function&& function) {
  for (const auto basis : {Basis::bessel, Basis::gaussian, Basis::chebyshev})
    for (const auto transform : {Transform::none, Transform::agnesi, Transform::soft})
      for (const bool on_weights : {false, true}) function(make_spec(basis, transform, on_weights));
}

/// FORMAT.md's transforms and bases, with powers and angles in place of recurrences.
double basis_as_written(const RadialSpec& spec, int k, double r, double r0) {
  double y = r;
  const auto& v = spec.transform_values;
  if (spec.transform == Transform::agnesi) {
    const double x = r / r0;
    y = 1.0 / (1.0 + v[2] * std::pow(x, v[0]) / (1.0 + std::pow(x, v[0] - v[1])));
  } else if (spec.transform == Transform::soft) {
    const double p0 = 0.75 * r0, p1 = 4.0 / 3.0 * r0;
    y = p0 + (r - p0) * 0.5 * (1.0 + std::tanh(v[0] / (p1 - p0) * (r - 0.5 * (p0 + p1))));
  }
  const double w = spec.frequencies[k];
  if (spec.basis == Basis::bessel) return spec.prefactor * std::sin(w * y) / y;
  if (spec.basis == Basis::gaussian) return std::exp(spec.prefactor * (y - w) * (y - w));
  if (y < -1.0) return std::pow(-1.0, w) * std::cosh(w * std::acosh(-y));
  return y > 1.0 ? std::cosh(w * std::acosh(y)) : std::cos(w * std::acos(y));
}

std::vector<double> features_at(const ExactRadial& exact, double r, bool slopes) {
  std::vector<double> value(exact.num_features()), slope(value.size());
  exact.features(r, value, slope);
  return slopes ? slope : value;
}

/// R or R' from the last features.
std::vector<double> functions_at(const ExactRadial& exact, const RadialNetwork::Layer& last,
                                 double r, bool slopes) {
  const auto x = features_at(exact, r, slopes);
  std::vector<double> out(last.outputs, 0.0);
  for (int i = 0; i < last.inputs; ++i)
    for (int j = 0; j < last.outputs; ++j) out[j] += x[i] * last.weight[i * last.outputs + j];
  return out;
}

double norm(const std::vector<double>& x) {
  double sum = 0.0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

/// A table with what it is made of, and R = U V from it.
struct Tabulated {
  Tabulated(const RadialSpec& spec, const RadialNetwork& network, int segments, double tolerance)
      : network(network),
        exact(spec, network, transform_radius(spec, 0, 1)),
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

TEST(polynomial_cutoff_and_its_slope) {
  for (const int p : {1, 2, 5, 6, 12}) {
    CHECK(polynomial_cutoff(0.0, kCutoff, p).value == 1.0 || p == 0);
    for (const double r : {kCutoff, kCutoff + 1e-12, 100.0}) {
      CHECK(polynomial_cutoff(r, kCutoff, p).value == 0.0);
      CHECK(polynomial_cutoff(r, kCutoff, p).slope == 0.0);
    }
    const Jet end = polynomial_cutoff(kCutoff * (1 - 1e-6), kCutoff, p);
    CHECK_BELOW(std::abs(end.value), 1e-12);
    CHECK_BELOW(std::abs(end.slope), 1e-8);
    Worst value, slope;
    for (double r = 0.05; r < kCutoff - 0.01; r += 0.05) {
      const double x = r / kCutoff;
      const auto f = [&](double at) { return polynomial_cutoff(at, kCutoff, p).value; };
      slope.add(polynomial_cutoff(r, kCutoff, p).slope, difference(f, r, 1e-3));
      value.add(f(r), 1 - (p + 1) * (p + 2) / 2.0 * std::pow(x, p) +
                          p * (p + 2.0) * std::pow(x, p + 1) -
                          p * (p + 1) / 2.0 * std::pow(x, p + 2));
    }
    CHECK_BELOW(value, 1e-12);
    CHECK_BELOW(slope, 1e-7);
  }
}

TEST(bases_and_transforms_are_as_written) {
  for_specs([](const RadialSpec& spec) {
    Random random(1);
    const RadialNetwork network = make_network(6, 0, 0, 3, random);
    const double r0 = transform_radius(spec, 0, 1);
    const ExactRadial exact(spec, network, r0);
    Worst value, density;
    for (int i = 0; i < 100; ++i) {
      const double r = random.uniform(0.2, 1.1 * kCutoff);
      const double cut = polynomial_cutoff(r, kCutoff, spec.cutoff_power).value;
      const auto x = features_at(exact, r, false);
      double sum = 0.0;
      for (int k = 0; k < 6; ++k) {
        const double b = basis_as_written(spec, k, r, r0);
        value.keep(std::abs(x[k] - b * cut) / (1 + std::abs(b)));
        sum += b * network.density[k];
      }
      if (!spec.cutoff_on_weights) sum *= cut;
      density.add(exact.density(r).value,
                  std::tanh(sum * sum) * (spec.cutoff_on_weights ? cut : 1.0));
    }
    CHECK_BELOW(value, 1e-12);
    CHECK_BELOW(density, 1e-8);
  });
}

TEST(radial_slopes_equal_differences) {
  for_specs([](const RadialSpec& spec) {
    Random random(2);
    RadialNetwork network = make_network(6, 2, 8, 3, random);
    // degrees reach thousands where the distance itself is the argument
    if (spec.basis == Basis::chebyshev)
      for (auto* w : {&network.hidden[0].weight, &network.density})
        for (double& x : *w) x *= 0.01;
    const ExactRadial exact(spec, network, transform_radius(spec, 0, 1));
    Worst worst, density;
    for (int i = 0; i < 60; ++i) {
      const double r = random.uniform(0.3, kCutoff - 0.01), h = 1e-3;
      const auto slopes = features_at(exact, r, true);
      for (int f = 0; f < exact.num_features(); ++f) {
        const auto value = [&](double at) { return features_at(exact, at, false)[f]; };
        worst.keep(std::abs(slopes[f] - difference(value, r, h)) / (1 + std::abs(slopes[f])));
      }
      const auto value = [&](double at) { return exact.density(at).value; };
      const double slope = exact.density(r).slope;
      density.keep(std::abs(slope - difference(value, r, h)) / (1 + std::abs(slope)));
    }
    CHECK_BELOW(worst, 1e-6);
    CHECK_BELOW(density, 1e-5);
  });
}

TEST(functions_vanish_at_the_cutoff) {
  for_specs([](const RadialSpec& spec) {
    Random random(3);
    const RadialNetwork network = make_network(6, 2, 8, 3, random);
    const ExactRadial exact(spec, network, transform_radius(spec, 0, 1));
    for (const double r : {kCutoff, 1.2 * kCutoff})
      for (const bool slopes : {false, true}) CHECK(norm(features_at(exact, r, slopes)) == 0.0);
    CHECK(exact.density(kCutoff).value == 0.0);
    CHECK_BELOW(norm(features_at(exact, kCutoff * (1 - 1e-5), false)), 1e-6);
  });
}

TEST(orthogonal_rows_make_up_the_matrix) {
  Random random(4);
  struct Shape {
    int inputs, outputs, rank;
  };
  for (const Shape s : {Shape{5, 20, 5}, {8, 3, 3}, {8, 20, 2}, {6, 6, 6}, {4, 7, 0}, {1, 1, 1}}) {
    // a product of two random matrices has the rank between them
    const auto a = random_layer(s.inputs, s.rank, 1.0, random);
    const auto b = random_layer(s.rank, s.outputs, 1.0, random);
    RadialNetwork::Layer w{s.inputs, s.outputs, std::vector<double>(s.inputs * s.outputs, 0.0)};
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
        const auto network = make_network(6, 2, 10, 14, random);
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
