// SPDX-License-Identifier: MIT
// Radial bases and networks of random numbers.
#pragma once

#include <cmath>
#include <vector>

#include "numeric.hpp"
#include "radial.hpp"

namespace mdbench::radial_tests {

using check::Random;
using Basis = RadialSpec::Basis;
using Transform = RadialSpec::Transform;
inline constexpr double kCutoff = 4.5;

inline RadialSpec make_spec(Basis basis, Transform transform, bool on_weights) {
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

inline Perceptron::Layer random_layer(int inputs, int outputs, double size, Random& random) {
  Perceptron::Layer layer{inputs, outputs, std::vector<double>(inputs * outputs)};
  random.fill(layer.weight, -size, size);
  return layer;
}

inline RadialNetwork make_network(int basis, int hidden, int features, int outputs,
                                  Random& random) {
  RadialNetwork network;
  for (int i = 0; i < hidden; ++i)
    network.hidden.push_back(random_layer(i ? features : basis, features, 0.5, random));
  network.last = random_layer(hidden ? features : basis, outputs, 0.5, random);
  network.density.last = random_layer(basis, 1, 0.5, random);
  return network;
}

inline void add_biases(Perceptron& perceptron, Random& random) {
  for (auto& layer : perceptron.hidden) {
    for (auto* values : {&layer.bias, &layer.scale, &layer.shift}) {
      values->resize(layer.outputs);
      random.fill(*values, -1.0, 1.0);
    }
  }
  for (auto* rows : {&perceptron.receiver, &perceptron.sender}) {
    rows->resize(2 * perceptron.hidden[0].outputs);
    random.fill(*rows, -1.0, 1.0);
  }
}

/// With biases, layer normalisations and elements, as in MACE-MH-1.
inline RadialNetwork make_normalised_network(int basis, int features, int outputs, Random& random) {
  RadialNetwork network = make_network(basis, 2, features, outputs, random);
  add_biases(network, random);
  ++network.last.inputs;  // of a bias
  network.last.weight.resize(network.last.inputs * outputs, 0.3);
  network.density.hidden.push_back(random_layer(basis, features, 0.5, random));
  network.density.last = random_layer(features, 1, 0.5, random);
  network.density.last.bias = {0.7};
  network.density_factor = 0.4;
  add_biases(network.density, random);
  return network;
}

template <class Function>
void for_specs(Function&& function) {
  for (const auto basis : {Basis::bessel, Basis::gaussian, Basis::chebyshev})
    for (const auto transform : {Transform::none, Transform::agnesi, Transform::soft})
      for (const bool on_weights : {false, true}) function(make_spec(basis, transform, on_weights));
}

/// FORMAT.md's transforms and bases, with powers and angles in place of recurrences.
inline double basis_as_written(const RadialSpec& spec, int k, double r, double r0) {
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

inline std::vector<double> features_at(const ExactRadial& exact, double r, bool slopes) {
  std::vector<double> value(exact.num_features()), slope(value.size());
  exact.features(r, value, slope);
  return slopes ? slope : value;
}

/// R or R' from the last features.
inline std::vector<double> functions_at(const ExactRadial& exact, const Perceptron::Layer& last,
                                        double r, bool slopes) {
  const auto x = features_at(exact, r, slopes);
  std::vector<double> out(last.outputs, 0.0);
  for (int i = 0; i < last.inputs; ++i)
    for (int j = 0; j < last.outputs; ++j) out[j] += x[i] * last.weight[i * last.outputs + j];
  return out;
}

inline double norm(const std::vector<double>& x) {
  double sum = 0.0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace mdbench::radial_tests
