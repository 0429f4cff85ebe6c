// SPDX-License-Identifier: MIT
// Radial functions as written.
#include "check.hpp"
#include "random_radial.hpp"

using namespace mdbench;
using namespace mdbench::radial_tests;
using check::difference;
using check::Worst;

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
    const ExactRadial exact(spec, network, {0, 1});
    Worst value, density;
    for (int i = 0; i < 100; ++i) {
      const double r = random.uniform(0.2, 1.1 * kCutoff);
      const double cut = polynomial_cutoff(r, kCutoff, spec.cutoff_power).value;
      const auto x = features_at(exact, r, false);
      double sum = 0.0;
      for (int k = 0; k < 6; ++k) {
        const double b = basis_as_written(spec, k, r, r0);
        value.keep(std::abs(x[k] - b * cut) / (1 + std::abs(b)));
        sum += b * network.density.last.weight[k];
      }
      if (!spec.cutoff_on_weights) sum *= cut;
      density.add(exact.density(r).value,
                  std::tanh(sum * sum) * (spec.cutoff_on_weights ? cut : 1.0));
    }
    CHECK_BELOW(value, 1e-12);
    CHECK_BELOW(density, 1e-8);
  });
}

TEST(normalised_perceptrons_are_as_written) {
  Random random(7);
  const auto spec = make_spec(Basis::bessel, Transform::agnesi, true);
  const RadialNetwork network = make_normalised_network(6, 8, 3, random);
  const auto written = [&](const Perceptron& p, double r, ElementPair pair) {
    std::vector<double> x(6);
    const double r0 = transform_radius(spec, pair.receiver, pair.sender);
    for (int k = 0; k < 6; ++k) x[k] = basis_as_written(spec, k, r, r0);
    for (std::size_t l = 0; l < p.hidden.size(); ++l) {
      const auto& layer = p.hidden[l];
      std::vector<double> y = layer.bias;
      double mean = 0.0, square = 0.0;
      for (int j = 0; j < 8; ++j) {
        for (std::size_t i = 0; i < x.size(); ++i) y[j] += x[i] * layer.weight[i * 8 + j];
        if (l == 0) y[j] += p.receiver[pair.receiver * 8 + j] + p.sender[pair.sender * 8 + j];
        mean += y[j] / 8, square += y[j] * y[j] / 8;
      }
      for (int j = 0; j < 8; ++j) {
        y[j] = (y[j] - mean) / std::sqrt(square - mean * mean + 1e-5);
        y[j] = y[j] * layer.scale[j] + layer.shift[j];
        y[j] /= 1 + std::exp(-y[j]);
      }
      x = y;
    }
    return x;
  };
  Worst value, density;
  for (const ElementPair pair : {ElementPair{0, 0}, {0, 1}, {1, 0}})
    for (double r = 0.3; r < kCutoff; r += 0.1) {
      const ExactRadial exact(spec, network, pair);
      const double cut = polynomial_cutoff(r, kCutoff, spec.cutoff_power).value;
      auto x = written(network, r, pair);
      x.push_back(1.0);
      for (int f = 0; f < 9; ++f) value.add(features_at(exact, r, false)[f], cut * x[f]);
      double sum = 0.7;
      const auto y = written(network.density, r, pair);
      for (int i = 0; i < 8; ++i) sum += y[i] * network.density.last.weight[i];
      density.add(exact.density(r).value, 0.4 * cut * std::tanh(sum * sum));
    }
  CHECK_BELOW(value, 1e-12);
  CHECK_BELOW(density, 1e-12);
}

void check_slopes(bool normalised) {
  for_specs([=](const RadialSpec& spec) {
    if (normalised && !spec.cutoff_on_weights) return;
    Random random(2);
    RadialNetwork network =
        normalised ? make_normalised_network(6, 8, 3, random) : make_network(6, 2, 8, 3, random);
    // degrees reach thousands where the distance itself is the argument
    auto& density = normalised ? network.density.hidden[0] : network.density.last;
    if (spec.basis == Basis::chebyshev)
      for (auto* w : {&network.hidden[0].weight, &density.weight})
        for (double& x : *w) x *= 0.01;
    const ExactRadial exact(spec, network, {0, 1});
    Worst worst, worst_density;
    for (int i = 0; i < 60; ++i) {
      const double r = random.uniform(0.3, kCutoff - 0.01), h = 1e-3;
      const auto slopes = features_at(exact, r, true);
      for (int f = 0; f < exact.num_features(); ++f) {
        const auto value = [&](double at) { return features_at(exact, at, false)[f]; };
        worst.keep(std::abs(slopes[f] - difference(value, r, h)) / (1 + std::abs(slopes[f])));
      }
      const auto value = [&](double at) { return exact.density(at).value; };
      const double slope = exact.density(r).slope;
      worst_density.keep(std::abs(slope - difference(value, r, h)) / (1 + std::abs(slope)));
    }
    CHECK_BELOW(worst, 1e-6);
    CHECK_BELOW(worst_density, 1e-5);
  });
}

TEST(radial_slopes_equal_differences) {
  check_slopes(false);
  check_slopes(true);
}

TEST(functions_vanish_at_the_cutoff) {
  for_specs([](const RadialSpec& spec) {
    Random random(3);
    const RadialNetwork network = make_network(6, 2, 8, 3, random);
    const ExactRadial exact(spec, network, {0, 1});
    for (const double r : {kCutoff, 1.2 * kCutoff})
      for (const bool slopes : {false, true}) CHECK(norm(features_at(exact, r, slopes)) == 0.0);
    CHECK(exact.density(kCutoff).value == 0.0);
    CHECK_BELOW(norm(features_at(exact, kCutoff * (1 - 1e-5), false)), 1e-6);
  });
}
