// SPDX-License-Identifier: MIT
#include "radial.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace mdbench {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void subtract(std::vector<double>& a, double factor, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= factor * b[i];
}

Jet silu(Jet x) {
  const double s = 1.0 / (1.0 + std::exp(-x.value));
  return {x.value * s, x.slope * s * (1.0 + x.value * (1.0 - s))};
}

std::vector<Jet> multiply(const std::vector<Jet>& x, const Perceptron::Layer& layer) {
  std::vector<Jet> y(layer.outputs);
  for (std::size_t j = 0; j < layer.bias.size(); ++j) y[j].value = layer.bias[j];
  for (int i = 0; i < layer.inputs; ++i) {
    const double* row = &layer.weight[static_cast<std::size_t>(i) * layer.outputs];
    for (int j = 0; j < layer.outputs; ++j) {
      y[j].value += x[i].value * row[j];
      y[j].slope += x[i].slope * row[j];
    }
  }
  return y;
}

/// (x - mean) / sqrt(variance + epsilon), scaled and shifted.
void normalise(std::vector<Jet>& x, const Perceptron::Layer& layer) {
  Jet mean, variance;
  const double share = 1.0 / static_cast<double>(x.size());
  for (const Jet& v : x) mean = {mean.value + share * v.value, mean.slope + share * v.slope};
  for (Jet& v : x) {
    v = {v.value - mean.value, v.slope - mean.slope};
    variance.value += share * v.value * v.value;
    variance.slope += share * 2.0 * v.value * v.slope;
  }
  const double inverse = 1.0 / std::sqrt(variance.value + Perceptron::kEpsilon);
  const double slope = -0.5 * inverse * inverse * inverse * variance.slope;
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = {x[i].value * inverse * layer.scale[i] + layer.shift[i],
            (x[i].slope * inverse + x[i].value * slope) * layer.scale[i]};
}

/// Adds an element's row of [elements, x.size()].
void add_row(std::vector<Jet>& x, const std::vector<double>& rows, int element) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i].value += rows[element * x.size() + i];
}

}  // namespace

double transform_radius(const RadialSpec& spec, int a, int b) {
  if (spec.transform == RadialSpec::Transform::none) return 0.0;
  const double sum = spec.radius[a] + spec.radius[b];
  return spec.transform == RadialSpec::Transform::agnesi ? 0.5 * sum : sum;
}

ExactRadial::ExactRadial(const RadialSpec& spec, const RadialNetwork& network, ElementPair pair)
    : spec_(spec),
      network_(network),
      pair_(pair),
      r0_(transform_radius(spec, pair.receiver, pair.sender)) {}

Jet ExactRadial::transformed(double r) const {
  const auto& v = spec_.transform_values;
  if (spec_.transform == RadialSpec::Transform::agnesi) {
    const double q = v[0], p = v[1], a = v[2], x = r / r0_;
    const double up = std::pow(x, q), down = 1.0 + std::pow(x, q - p);
    const double ratio = up / down;
    const double slope = ratio / x * (q - (q - p) * (down - 1.0) / down);
    const double y = 1.0 / (1.0 + a * ratio);
    return {y, -y * y * a * slope / r0_};
  }
  if (spec_.transform == RadialSpec::Transform::soft) {
    const double p0 = 0.75 * r0_, p1 = 4.0 / 3.0 * r0_, alpha = v[0] / (p1 - p0);
    const double t = std::tanh(alpha * (r - 0.5 * (p0 + p1))), s = 0.5 * (1.0 + t);
    return {p0 + (r - p0) * s, s + (r - p0) * 0.5 * alpha * (1.0 - t * t)};
  }
  return {r, 1.0};
}

std::vector<Jet> ExactRadial::basis(double r) const {
  const Jet y = transformed(r), cut = polynomial_cutoff(r, spec_.cutoff, spec_.cutoff_power);
  std::vector<Jet> b(spec_.frequencies.size());
  for (std::size_t k = 0; k < b.size(); ++k) {
    const double w = spec_.frequencies[k], f = spec_.prefactor;
    double value, slope;
    if (spec_.basis == RadialSpec::Basis::bessel) {
      value = f * std::sin(w * y.value) / y.value;
      slope = (f * w * std::cos(w * y.value) - value) / y.value;
    } else if (spec_.basis == RadialSpec::Basis::gaussian) {
      value = std::exp(f * (y.value - w) * (y.value - w));
      slope = 2.0 * f * (y.value - w) * value;
    } else {
      // T_n, and T_n' = n U_(n-1), by their recurrences: valid outside [-1, 1] too
      double t0 = 1.0, t1 = y.value, u0 = 1.0, u1 = 2.0 * y.value;
      const int n = static_cast<int>(w);
      for (int i = 1; i < n; ++i) {
        t0 = std::exchange(t1, 2.0 * y.value * t1 - t0);
        u0 = std::exchange(u1, 2.0 * y.value * u1 - u0);
      }
      value = n == 0 ? 1.0 : t1;
      slope = n == 0 ? 0.0 : n * u0;
    }
    b[k] = {value, slope * y.slope};
    if (!spec_.cutoff_on_weights)
      b[k] = {value * cut.value, b[k].slope * cut.value + value * cut.slope};
  }
  return b;
}

std::vector<Jet> ExactRadial::last_hidden(const Perceptron& perceptron, std::vector<Jet> x) const {
  for (const auto& layer : perceptron.hidden) {
    x = multiply(x, layer);
    if (&layer == perceptron.hidden.data() && !perceptron.receiver.empty()) {
      add_row(x, perceptron.receiver, pair_.receiver);
      add_row(x, perceptron.sender, pair_.sender);
    }
    if (!layer.scale.empty()) normalise(x, layer);
    std::transform(x.begin(), x.end(), x.begin(), silu);
  }
  return x;
}

/// What the radial functions and the density function are multiplied with.
Jet ExactRadial::cutoff(double r) const {
  if (!spec_.cutoff_on_weights) return {1.0, 0.0};
  return polynomial_cutoff(r, spec_.cutoff, spec_.cutoff_power);
}

void ExactRadial::features(double r, std::span<double> value, std::span<double> slope) const {
  std::vector<Jet> x = last_hidden(network_, basis(r));
  const Jet factor = cutoff(r);
  x.resize(num_features(), {1.0, 0.0});  // the last one of a bias
  for (std::size_t i = 0; i < x.size(); ++i) {
    value[i] = x[i].value * factor.value;
    slope[i] = x[i].slope * factor.value + x[i].value * factor.slope;
  }
}

Jet ExactRadial::density(double r) const {
  if (!network_.has_density()) return {};
  const Jet x = multiply(last_hidden(network_.density, basis(r)), network_.density.last)[0];
  const double t = std::tanh(x.value * x.value), f = network_.density_factor;
  const Jet d{f * t, f * (1.0 - t * t) * 2.0 * x.value * x.slope}, cut = cutoff(r);
  return {d.value * cut.value, d.slope * cut.value + d.value * cut.slope};
}

OrthogonalRows::OrthogonalRows(const Perceptron::Layer& last) {
  double largest = 0.0;
  for (int i = 0; i < last.inputs; ++i) {
    const double* begin = &last.weight[static_cast<std::size_t>(i) * last.outputs];
    std::vector<double> row(begin, begin + last.outputs);
    const double norm = std::sqrt(dot(row, row));
    largest = std::max(largest, norm);
    std::vector<double> l(rows.size(), 0.0);
    // twice: once leaves errors of the order of the condition number
    for (int pass = 0; pass < 2; ++pass)
      for (std::size_t j = 0; j < rows.size(); ++j) {
        const double c = dot(row, rows[j]);
        l[j] += c;
        subtract(row, c, rows[j]);
      }
    const double rest = std::sqrt(dot(row, row));
    if (rest > 1e-14 * largest && static_cast<int>(rows.size()) < last.outputs) {
      for (double& x : row) x /= rest;
      rows.push_back(std::move(row));
      l.push_back(rest);
    }
    lower.push_back(std::move(l));
  }
  rank = static_cast<int>(rows.size());
  for (auto& l : lower) l.resize(rank, 0.0);
}

RadialTable::RadialTable(const ExactRadial& exact, const OrthogonalRows& metric, double cutoff,
                         int segments, double tolerance)
    : exact_(exact), metric_(metric), cutoff_(cutoff), directions_(segments) {
  std::vector<Rows> samples;
  for (int s = 0; s < segments; ++s) samples.push_back(sample(s));
  for (const auto& rows : samples)
    for (const auto& row : rows) scale_ = std::max(scale_, std::sqrt(dot(row, row)));
  for (int s = 0; s < segments; ++s)
    rank_ = std::max(rank_, choose(samples[s], directions_[s], tolerance * scale_, metric.rank));
  rank_ = std::max(rank_, 1);
  const double span = (cutoff - kShortest) / segments;
  int pieces = std::max(2, static_cast<int>(std::ceil(span / 0.12)));
  for (;; pieces *= 2) {
    fit(pieces);
    measure();
    if ((value_error_ < tolerance && slope_error_ < 10.0 * tolerance) || pieces > 512) break;
  }
}

RadialTable::Rows RadialTable::sample(int segment) const {
  const double span = (cutoff_ - kShortest) / segments();
  const int count = std::max({2, 2 * metric_.rank / segments(), static_cast<int>(span / 0.02)});
  Rows rows;
  std::vector<double> value(exact_.num_features()), slope(value.size());
  for (int i = 0; i < count; ++i) {
    const double r = kShortest + span * (segment + static_cast<double>(i) / (count - 1));
    exact_.features(std::min(r, cutoff_ * (1 - 1e-15)), value, slope);
    std::vector<double> row(metric_.rank, 0.0);
    for (std::size_t f = 0; f < value.size(); ++f) subtract(row, -value[f], metric_.lower[f]);
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Adds directions until every sample's residual is at most `smallest`, or there are `count`.
int RadialTable::choose(Rows& samples, Rows& directions, double smallest, int count) {
  while (static_cast<int>(directions.size()) < count) {
    const auto largest =
        std::max_element(samples.begin(), samples.end(),
                         [](const auto& a, const auto& b) { return dot(a, a) < dot(b, b); });
    std::vector<double> w = *largest;
    if (std::sqrt(dot(w, w)) <= smallest) break;
    // twice: a small residual is mostly rounding, which is not orthogonal to the others
    for (int pass = 0; pass < 2; ++pass) {
      for (const auto& d : directions) subtract(w, dot(w, d), d);
      const double norm = std::sqrt(dot(w, w));
      for (double& x : w) x /= norm;
    }
    for (auto& row : samples) subtract(row, dot(row, w), w);
    directions.push_back(std::move(w));
  }
  return static_cast<int>(directions.size());
}

void RadialTable::exact_columns(int segment, double r, double* value, double* slope) const {
  std::vector<double> f(exact_.num_features()), df(f.size());
  exact_.features(r, f, df);
  std::vector<double> row(metric_.rank, 0.0), drow(metric_.rank, 0.0);
  for (std::size_t i = 0; i < f.size(); ++i) {
    subtract(row, -f[i], metric_.lower[i]);
    subtract(drow, -df[i], metric_.lower[i]);
  }
  for (int q = 0; q < rank_; ++q) {
    const bool used = q < static_cast<int>(directions_[segment].size());
    value[q] = used ? dot(row, directions_[segment][q]) : 0.0;
    slope[q] = used ? dot(drow, directions_[segment][q]) : 0.0;
  }
  const Jet d = exact_.density(r);
  value[rank_] = d.value;
  slope[rank_] = d.slope;
}

/// Interpolation at Chebyshev-Lobatto nodes: neighbouring pieces share their end nodes, so values
/// are continuous.
void RadialTable::fit(int pieces_per_segment) {
  constexpr int n = kDegree;
  pieces_per_segment_ = pieces_per_segment;
  length_ = (cutoff_ - kShortest) / num_pieces();
  const int w = width();
  coefficients_.assign(static_cast<std::size_t>(num_pieces()) * (n + 1) * w, 0.0);
  std::vector<double> node(static_cast<std::size_t>(n + 1) * w), slope(w);
  // powers[k][i]: coefficient of x^i in T_k
  double powers[n + 1][n + 1] = {{1.0}, {0.0, 1.0}};
  for (int k = 2; k <= n; ++k)
    for (int i = 0; i <= n; ++i)
      powers[k][i] = (i > 0 ? 2.0 * powers[k - 1][i - 1] : 0.0) - powers[k - 2][i];
  for (int piece = 0; piece < num_pieces(); ++piece) {
    const double begin = kShortest + piece * length_;
    for (int j = 0; j <= n; ++j) {
      const double x = std::cos(std::numbers::pi * j / n);
      const double r = j == n ? begin : j == 0 ? begin + length_ : begin + 0.5 * length_ * (1 + x);
      exact_columns(piece / pieces_per_segment, std::min(r, cutoff_), &node[j * w], slope.data());
    }
    double* c = &coefficients_[static_cast<std::size_t>(piece) * (n + 1) * w];
    for (int k = 0; k <= n; ++k)
      for (int j = 0; j <= n; ++j) {
        const double half = (j == 0 || j == n ? 0.5 : 1.0) * (k == 0 || k == n ? 0.5 : 1.0);
        const double weight = 2.0 / n * half * std::cos(std::numbers::pi * j * k / n);
        for (int i = k % 2; i <= k; i += 2)
          for (int q = 0; q < w; ++q) c[i * w + q] += weight * powers[k][i] * node[j * w + q];
      }
  }
}

void RadialTable::evaluate(double r, double* value, double* slope) const {
  const int last = num_pieces() - 1;
  const double x = (r - kShortest) / length_;
  const int piece = std::clamp(static_cast<int>(x), 0, last), w = width();
  const double t = 2.0 * (x - piece) - 1.0;
  const double* c = &coefficients_[static_cast<std::size_t>(piece) * (kDegree + 1) * w];
  for (int q = 0; q < w; ++q) {
    double v = c[kDegree * w + q], d = 0.0;
    for (int i = kDegree - 1; i >= 0; --i) {
      d = d * t + v;
      v = v * t + c[i * w + q];
    }
    value[q] = v;
    slope[q] = d * 2.0 / length_;
  }
}

void RadialTable::measure() {
  const int w = width();
  std::vector<double> v(w), d(w), ev(w), ed(w);
  value_error_ = slope_error_ = 0.0;
  for (int piece = 0; piece < num_pieces(); ++piece)
    for (const double x : {0.08, 0.37, 0.71}) {
      const double r = kShortest + (piece + x) * length_;
      evaluate(r, v.data(), d.data());
      exact_columns(piece / pieces_per_segment_, r, ev.data(), ed.data());
      for (int q = 0; q < w; ++q) {
        // the density function is of order one, not of the radial functions' size
        const double scale = q == rank_ ? 1.0 : scale_;
        value_error_ = std::max(value_error_, std::abs(v[q] - ev[q]) / scale);
        slope_error_ = std::max(slope_error_, std::abs(d[q] - ed[q]) / scale);
      }
    }
}

std::vector<std::vector<double>> RadialTable::rows(int segment) const {
  Rows v;
  for (const auto& direction : directions_[segment]) {
    std::vector<double> row(metric_.rows.empty() ? 0 : metric_.rows[0].size(), 0.0);
    for (int j = 0; j < metric_.rank; ++j) subtract(row, -direction[j], metric_.rows[j]);
    v.push_back(std::move(row));
  }
  return v;
}

}  // namespace mdbench
