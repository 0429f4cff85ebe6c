// SPDX-License-Identifier: MIT
// Matrix product, lane sums, harmonics, the symmetric contraction and ZBL.
#include <algorithm>
#include <numbers>
#include <utility>

#include "check.hpp"
#include "contraction.hpp"
#include "gemm.hpp"
#include "harmonics.hpp"
#include "numeric.hpp"
#include "random_terms.hpp"
#include "zbl.hpp"

using namespace mdbench;
using check::difference;
using check::kEpsilon;
using check::Random;
using check::Worst;

namespace {

/// C has columns on the right that must stay as they are; A and B end where they are read last.
template <class Real>
double gemm_error(int rows, int inner, int columns, bool accumulate, Random& random) {
  const int a_stride = inner + 3, b_stride = columns + kWidth<Real>, c_stride = columns + 5;
  Buffer<Real> a((rows - 1) * a_stride + inner), b((inner - 1) * b_stride + columns);
  Buffer<Real> c(rows * c_stride);
  for (auto* x : {&a, &b, &c}) random.fill(*x);
  Buffer<Real> again = c;
  const Panels shape{inner, columns, kPanelVectors<Real> * kWidth<Real>};
  std::vector<double> expected(c.begin(), c.end());
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      double sum = accumulate ? expected[i * c_stride + j] : 0.0;
      for (int k = 0; k < inner; ++k)
        sum += static_cast<double>(a[i * a_stride + k]) * b[k * b_stride + j];
      expected[i * c_stride + j] = sum;
    }
  gemm<Real>(rows, inner, columns, {a.data(), a_stride}, {b.data(), b_stride}, {c.data(), c_stride},
             accumulate);
  Worst worst;
  for (std::size_t i = 0; i < c.size(); ++i) worst.add(c[i], expected[i]);
  Buffer<Real> packed(shape.size());  // no more: it ends where it is read last
  for (int k = 0; k < inner; ++k)
    for (int j = 0; j < columns; ++j) packed[shape.index(k, j)] = b[k * b_stride + j];
  gemm<Real>(rows, {a.data(), a_stride}, shape, packed.data(), {again.data(), c_stride},
             accumulate);
  for (std::size_t i = 0; i < c.size(); ++i) worst.add(again[i], expected[i]);
  return worst / inner / kEpsilon<Real>;
}

template <class Real, int N>
void check_lane_sums(Random& random) {
  Vec<Real> v[N];
  double sums[N + 1], expected[N + 1];
  for (int i = 0; i <= N; ++i) sums[i] = expected[i] = random.uniform();
  for (int i = 0; i < N; ++i) {
    v[i] = Vec<Real>([&](int) { return static_cast<Real>(random.uniform()); });
    for (int k = 0; k < kWidth<Real>; ++k) expected[i] += v[i][k];
  }
  add_lane_sums(v, sums);
  Worst worst;
  for (int i = 0; i < N; ++i) worst.add(sums[i], expected[i]);
  CHECK_BELOW(worst, 8 * kWidth<Real> * kEpsilon<Real>);
  CHECK(sums[N] == expected[N]);
}

/// By associated Legendre functions and angles, y being the polar axis: shares no formula with
/// ours.
double legendre_harmonic(int l, int m, const double* u) {
  const int order = std::abs(m);
  double norm = 2 * l + 1;
  for (int i = l - order + 1; i <= l + order; ++i) norm /= i;
  const double phi = std::atan2(u[0], u[2]);
  const double angle = m < 0 ? std::sin(order * phi) : std::cos(order * phi);
  return std::sqrt((m == 0 ? 1 : 2) * norm) * std::assoc_legendre(l, order, u[1]) * angle;
}

std::array<double, 3> random_unit(Random& random) {
  std::array<double, 3> u;
  double r;
  do {
    random.fill(u);
    r = std::hypot(u[0], u[1], u[2]);
  } while (r < 0.1 || r > 1.0);
  for (double& x : u) x /= r;
  return u;
}

std::array<double, kMaxComponents> harmonics_of(int max_ell, const double* u) {
  Vec<double> y[kMaxComponents];
  for (auto& v : y) v = -7.0;
  spherical_harmonics<Vec<double>>(max_ell, u[0], u[1], u[2], y);
  std::array<double, kMaxComponents> out;
  for (int i = 0; i < kMaxComponents; ++i) out[i] = y[i][kWidth<double> - 1];
  return out;
}

/// Nodes and weights of Gauss-Legendre integration over [-1, 1], by Newton's method.
std::vector<std::pair<double, double>> gauss_legendre(int n) {
  std::vector<std::pair<double, double>> out;
  for (int i = 1; i <= n; ++i) {
    double x = std::cos(std::numbers::pi * (i - 0.25) / (n + 0.5)), slope = 1.0;
    for (int step = 0; step < 20; ++step) {
      slope = n * (x * std::legendre(n, x) - std::legendre(n - 1, x)) / (x * x - 1.0);
      x -= std::legendre(n, x) / slope;
    }
    out.emplace_back(x, 2.0 / ((1.0 - x * x) * slope * slope));
  }
  return out;
}

using check::random_terms;
using Term = ContractionPlan::Term;

/// Weight of a term in a channel.
double weight_of(const Term& term, int channel) {
  return std::sin(1.0 + 7 * term.order + 3 * term.weight + 0.37 * channel);
}

/// Coefficients in the layout that the kernels read.
template <class Real>
Buffer<Real> pack(const ContractionPlan& plan, int channels) {
  constexpr int W = kWidth<Real>;
  const int n = plan.num_coefficients();
  Buffer<Real> out(static_cast<std::size_t>(n) * channels);
  for (int i = 0; i < n; ++i)
    for (int c = 0; c < channels; ++c) {
      double sum = 0.0;
      for (const Term& term : plan.sources(i)) sum += term.value * weight_of(term, c);
      out[(static_cast<std::size_t>(c / W) * n + i) * W + c % W] = static_cast<Real>(sum);
    }
  return out;
}

/// The polynomial as written, of one atom's channel.
std::vector<double> polynomial(const std::vector<Term>& terms, const std::vector<double>& a,
                               int outputs, int channel) {
  std::vector<double> c(outputs, 0.0);
  for (const Term& term : terms) {
    double product = term.value * weight_of(term, channel);
    for (int f = 0; f < term.order; ++f) product *= a[term.factors[f]];
    c[term.output] += product;
  }
  return c;
}

template <class Real>
struct ContractionCase {
  int inputs, outputs, atoms, channels;
  std::vector<Term> terms;

  void run(Random& random) const {
    const ContractionPlan plan(terms, inputs, outputs);
    const AtomBatch<Real> batch{atoms, channels};
    const std::size_t size = static_cast<std::size_t>(atoms) * channels;
    const auto coefficients = pack<Real>(plan, channels);
    Buffer<Real> a(inputs * size), c(outputs * size, Real(9)), bar(outputs * size);
    Buffer<Real> a_bar(inputs * size, Real(9));
    random.fill(a);
    random.fill(bar);
    contract(plan, coefficients.data(), batch, a.data(), c.data());
    contract_reverse(plan, coefficients.data(), batch, a.data(), bar.data(), a_bar.data());
    Worst value, slope;
    for (int atom = 0; atom < atoms; ++atom)
      for (int k = 0; k < channels; k += 3) {
        std::vector<double> x;
        for (int i = 0; i < inputs; ++i) x.push_back(a[batch.at(i, atom) + k]);
        const auto expected = polynomial(terms, x, outputs, k);
        for (int o = 0; o < outputs; ++o) value.add(c[batch.at(o, atom) + k], expected[o]);
        for (int i = 0; i < inputs; ++i) {
          const auto energy = [&](double moved) {
            auto y = x;
            y[i] = moved;
            const auto out = polynomial(terms, y, outputs, k);
            double sum = 0.0;
            for (int o = 0; o < outputs; ++o) sum += bar[batch.at(o, atom) + k] * out[o];
            return sum;
          };
          slope.add(a_bar[batch.at(i, atom) + k], difference(energy, x[i], 0.25));
        }
      }
    CHECK_BELOW(value, 4 * (terms.size() + 1) * kEpsilon<Real>);
    CHECK_BELOW(slope, 12 * (terms.size() + 1) * kEpsilon<Real>);
  }
};

}  // namespace

TEST(padding_fills_cache_lines) {
  CHECK(padded<float>(0) == 0 && padded<float>(1) == 16 && padded<float>(16) == 16);
  CHECK(padded<float>(17) == 32 && padded<double>(8) == 8 && padded<double>(9) == 16);
  Buffer<double> buffer;
  reserve(buffer, 100);
  CHECK(buffer.size() >= 100 && reinterpret_cast<std::uintptr_t>(buffer.data()) % kLine == 0);
  const auto size = buffer.size();
  reserve(buffer, 7);
  CHECK(buffer.size() == size);
}

TEST(gemm_equals_three_loops) {
  check::for_precisions([]<class Real>() {
    Random random(1);
    Worst worst;
    for (int rows = 1; rows <= 20; ++rows)
      for (const int inner : {1, 2, 3, 8, 17, 40, 70})
        for (const int vectors : {1, 2, 3, 4, 5, 7, 9})
          for (const bool accumulate : {false, true})
            if (rows < 8 || inner % 2 == 0)
              worst.keep(gemm_error<Real>(rows, inner, vectors * kWidth<Real>, accumulate, random));
    for (int inner = 1; inner <= 70; ++inner)
      worst.keep(gemm_error<Real>(7, inner, 3 * kWidth<Real>, true, random));
    for (const int inner : {64, 65, 127, 128, 129, 200, 600})  // parts of panels
      worst.keep(gemm_error<Real>(9, inner, 11 * kWidth<Real>, inner % 2 == 0, random));
    CHECK_BELOW(worst, 3.0);
  });
}

TEST(lane_sums_are_added) {
  check::for_precisions([]<class Real>() {
    Random random(2);
    [&]<int... N>(std::integer_sequence<int, N...>) {
      (check_lane_sums<Real, N + 1>(random), ...);
    }(std::make_integer_sequence<int, 17>());
  });
}

TEST(rows_go_to_a_wider_type) {
  double sums[kWidth<float>];
  Vec<float> v([](int i) { return 1.0f + i; });
  for (int i = 0; i < kWidth<float>; ++i) sums[i] = 1e9 + i;
  add_to(sums, v);
  for (int i = 0; i < kWidth<float>; ++i) CHECK(sums[i] == 1e9 + 1 + 2 * i);
}

TEST(harmonics_equal_legendre_functions) {
  Random random(3);
  Worst worst, norm;
  for (int round = 0; round < 200; ++round) {
    auto u = random_unit(random);
    if (round < 6) u = {0, 0, 0}, u[round % 3] = round < 3 ? 1.0 : -1.0;  // the axes
    for (int max_ell = 0; max_ell <= kMaxEll; ++max_ell) {
      const auto y = harmonics_of(max_ell, u.data());
      for (int l = 0; l <= max_ell; ++l) {
        double squares = 0.0;
        for (int m = -l; m <= l; ++m) {
          worst.add(y[l * l + l + m], legendre_harmonic(l, m, u.data()));
          squares += std::pow(y[l * l + l + m], 2);
        }
        norm.add(squares, 2 * l + 1);
      }
      for (int i = components(max_ell); i < kMaxComponents; ++i) CHECK(y[i] == -7.0);
    }
  }
  CHECK_BELOW(worst, 1e-13);
  CHECK_BELOW(norm, 1e-13);
}

TEST(harmonics_are_orthonormal) {
  double overlap[kMaxComponents][kMaxComponents] = {};
  constexpr int kAngles = 8;
  for (const auto& [y, weight] : gauss_legendre(5))
    for (int k = 0; k < kAngles; ++k) {
      const double phi = 2 * std::numbers::pi * (k + 0.3) / kAngles, rho = std::sqrt(1 - y * y);
      const double u[3] = {rho * std::sin(phi), y, rho * std::cos(phi)};
      const auto values = harmonics_of(kMaxEll, u);
      for (int i = 0; i < kMaxComponents; ++i)
        for (int j = 0; j < kMaxComponents; ++j)
          overlap[i][j] += 0.5 * weight / kAngles * values[i] * values[j];
    }
  Worst worst;
  for (int i = 0; i < kMaxComponents; ++i)
    for (int j = 0; j < kMaxComponents; ++j) worst.add(overlap[i][j], i == j);
  CHECK_BELOW(worst, 1e-13);
}

TEST(harmonics_gradient_equals_differences) {
  Random random(4);
  Worst worst;
  for (int round = 0; round < 100; ++round) {
    const int max_ell = round % (kMaxEll + 1);
    const auto u = random_unit(random);
    const double r = random.uniform(0.3, 6.0);
    std::array<double, kMaxComponents> w;
    random.fill(w);
    const auto value = [&](std::array<double, 3> d) {
      const double length = std::hypot(d[0], d[1], d[2]);
      for (double& x : d) x /= length;
      const auto y = harmonics_of(max_ell, d.data());
      double sum = 0.0;
      for (int i = 0; i < components(max_ell); ++i) sum += w[i] * y[i];
      return sum;
    };
    Vec<double> weights[kMaxComponents], g[3], radial;
    for (int i = 0; i < kMaxComponents; ++i) weights[i] = w[i];
    harmonics_gradient<Vec<double>>(max_ell, u[0], u[1], u[2], weights, g, &radial);
    for (int k = 0; k < 3; ++k) {
      const auto moved = [&](double x) {
        std::array<double, 3> d = {r * u[0], r * u[1], r * u[2]};
        d[k] = x;
        return value(d);
      };
      const double expected = difference(moved, r * u[k], 1e-3 * r);
      worst.add((g[k][0] - radial[0] * u[k]) / r * r, expected * r);
    }
  }
  CHECK_BELOW(worst, 1e-9);
}

TEST(contraction_equals_the_polynomial) {
  check::for_precisions([]<class Real>() {
    Random random(5);
    for (int atoms = 1; atoms <= 9; ++atoms)
      for (const int orders : {1, 2, 3}) {
        const int inputs = (atoms % 4 + 1) * (atoms % 4 + 1), outputs = atoms;
        ContractionCase<Real>{inputs, outputs, atoms, padded<Real>(atoms % 2 ? 16 : 40),
                              random_terms(inputs, outputs, orders, 60, random)}
            .run(random);
      }
  });
}

TEST(contraction_of_few_terms) {
  Random random(6);
  const int channels = padded<double>(8);
  ContractionCase<double>{4, 4, 5, channels, {}}.run(random);
  // a third factor without the pair alone, and the same pair in other outputs
  const std::vector<Term> terms = {{{1, 1, 1}, 2, 3, 0, 0.7},
                                   {{1, 1, -1}, 0, 2, 1, -0.2},
                                   {{0, 1, 3}, 2, 3, 0, 0.3},
                                   {{0, -1, -1}, 3, 1, 0, 1.1}};
  ContractionCase<double>{4, 4, 5, channels, terms}.run(random);
}

TEST(zbl_slope_equals_differences) {
  ZblSpec zbl;
  zbl.power = 6;
  zbl.c = {0.1818, 0.5099, 0.2802, 0.02817};
  zbl.d = {3.2, 0.9423, 0.4029, 0.2016};
  zbl.radius = {0.31, 0.66, 1.5};
  const int z[3] = {1, 8, 79};
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) {
      const auto energy = [&](double r) { return zbl.energy(a, b, z[a], z[b], r).value; };
      const double cutoff = zbl.radius[a] + zbl.radius[b];
      Worst worst;
      for (double x = 0.05; x < 1.3; x += 0.013) {
        const double r = x * cutoff, h = 1e-3 * r, slope = zbl.energy(a, b, z[a], z[b], r).slope;
        const double expected = difference(energy, r, h);
        if (std::abs(r - cutoff) > 2 * h)  // higher derivatives jump at the cutoff
          worst.keep(std::abs(slope - expected) / (1.0 + std::abs(expected)));
        CHECK(r < cutoff ? energy(r) > 0.0 : energy(r) == 0.0 && slope == 0.0);
        CHECK(energy(r) == zbl.energy(b, a, z[b], z[a], r).value);
      }
      CHECK_BELOW(worst, 1e-7);
      // bare Coulomb close by: half of 14.4 Z Z / r
      CHECK_BELOW(std::abs(energy(1e-6) * 1e-6 / (0.5 * 14.3996 * z[a] * z[b]) - 1.0), 1e-3);
    }
}
