// SPDX-License-Identifier: MIT
// Gates between the sums of messages and A, their gradients, and gradients given to nodes.
#include "check.hpp"
#include "gates.hpp"
#include "numeric.hpp"
#include "pass_case.hpp"

using namespace mdbench::cuda;
using check::difference;
using check::kEpsilon;
using check::Random;
using check::Worst;

namespace {

double logistic(double x) { return 0.5 * (1.0 + std::tanh(0.5 * x)); }

/// Sums of a pass, in two parts.
template <class Real>
struct GatesCase {
  Pass pass;
  int channels, max_ell;
  std::vector<Real> messages{}, residual{}, bar{};
  std::vector<double> density{};

  int components() const { return (max_ell + 1) * (max_ell + 1); }
  int rows() const { return components() + max_ell; }
  std::size_t at(int row, int place, int channel) const {
    return (static_cast<std::size_t>(row) * pass.capacity + place) * channels + channel;
  }
  void make(Random& random) {
    for (auto* x : {&messages, &residual, &bar})
      *x = check::poisoned<Real>(static_cast<std::size_t>(rows()) * pass.capacity * channels);
    for (int row = 0; row < rows(); ++row)
      for (int place = 0; place < pass.count; ++place)
        for (int k = 0; k < channels; ++k)
          for (auto* x : {&messages, &residual, &bar})
            (*x)[at(row, place, k)] = static_cast<Real>(random.uniform(-3.0, 3.0));
    density.resize(pass.capacity);
    random.fill(density, 1.0, 4.0);
  }
  double sum(int row, int place, int channel) const {
    return static_cast<double>(messages[at(row, place, channel)]) +
           residual[at(row, place, channel)];
  }
  /// Component m of what comes out, with one of the sums changed.
  double opened(int m, int place, int channel, int changed, double value) const {
    const auto s = [&](int row) { return row == changed ? value : sum(row, place, channel); };
    int l = 0;
    while ((l + 1) * (l + 1) <= m) ++l;
    return logistic(s(l == 0 ? 0 : components() + l - 1)) * s(m);
  }
};

template <class Function>
void for_cases(Function&& function) {
  for (const int channels : {32, 96})
    for (const int max_ell : {0, 1, 3}) function(channels, max_ell);
}

}  // namespace

TEST(gates_open) {
  check::for_precisions([]<class Real>() {
    Random random(1);
    for_cases([&](int channels, int max_ell) {
      GatesCase<Real> c{{4, 19, 23}, channels, max_ell};
      c.make(random);
      const Array<Real> messages(c.messages), residual(c.residual);
      Array<Real> out(check::poisoned<Real>(c.messages.size()));
      gates<Real>({c.pass, channels, max_ell, messages.data(), residual.data(), out.data()},
                  nullptr);
      check_launch("gates");
      const auto result = out.download();
      Worst worst;
      for (int m = 0; m < c.components(); ++m)
        for (int place = 0; place < c.pass.capacity; ++place)
          for (int k = 0; k < channels; ++k) {
            const Real x = result[c.at(m, place, k)];
            if (place < c.pass.count)
              worst.add(x, c.opened(m, place, k, -1, 0.0));
            else
              CHECK(std::isnan(x));
          }
      CHECK_BELOW(worst, 30 * kEpsilon<Real>);
    });
  });
}

TEST(gates_reverse_equals_differences) {
  check::for_precisions([]<class Real>() {
    Random random(2);
    for_cases([&](int channels, int max_ell) {
      GatesCase<Real> c{{0, 13, 16}, channels, max_ell};
      c.make(random);
      const Array<Real> messages(c.messages), residual(c.residual), bar(c.bar);
      const Array<double> density(c.density);
      Array<Real> out(check::poisoned<Real>(c.messages.size()));
      const int warps = channels / kWarp;
      Array<double> density_bar(check::poisoned<double>(c.pass.capacity * warps));
      gates_reverse<Real>({c.pass, channels, max_ell, messages.data(), residual.data(), bar.data(),
                           out.data(), density.data(), density_bar.data()},
                          nullptr);
      check_launch("gates, reverse");
      const auto result = out.download();
      const auto onto_density = density_bar.download();
      Worst worst, of_density;
      for (int place = 0; place < c.pass.count; ++place) {
        std::vector<double> expected(warps, 0.0);
        for (int row = 0; row < c.rows(); ++row)
          for (int k = 0; k < channels; ++k) {
            const auto total = [&](double value) {
              double all = 0.0;
              for (int m = 0; m < c.components(); ++m)
                all += c.bar[c.at(m, place, k)] * c.opened(m, place, k, row, value);
              return all;
            };
            const Real x = result[c.at(row, place, k)];
            worst.add(x, difference(total, c.sum(row, place, k), 1e-3));
            expected[k / kWarp] -= static_cast<double>(x) * c.messages[c.at(row, place, k)];
          }
        for (int w = 0; w < warps; ++w)
          of_density.add(onto_density[place * warps + w], expected[w] / c.density[place]);
      }
      CHECK_BELOW(worst, 1e-7 + 300 * kEpsilon<Real>);
      CHECK_BELOW(of_density, 3000 * kEpsilon<Real>);
    });
  });
}

TEST(gates_without_density) {
  GatesCase<double> c{{0, 3, 3}, 32, 2};
  Random random(3);
  c.make(random);
  const Array<double> messages(c.messages), residual(c.residual), bar(c.bar);
  Array<double> out(check::poisoned<double>(c.messages.size()));
  gates_reverse<double>(
      {c.pass, 32, 2, messages.data(), residual.data(), bar.data(), out.data(), nullptr, nullptr},
      nullptr);
  check_launch("gates, reverse");
  CHECK(std::isfinite(out.download().back()));
}

TEST(gradients_are_given_to_nodes) {
  check::for_precisions([]<class Real>() {
    Random random(4);
    const Pass pass{1, 4, 6};
    const std::vector<int> node = {8, 3, 0, 5, 2, 1};
    const int nodes = 9, components = 4, channels = 64, row = components * channels;
    std::vector<Real> in(static_cast<std::size_t>(pass.capacity) * row);
    random.fill(in, -2.0, 2.0);
    const Array<int> node_in(node);
    const Array<Real> values(in);
    for (const bool fixed : {true, false}) {
      Array<Fixed> integers(std::vector<Fixed>(nodes * row, 3ull << 40));
      Array<Real> real(std::vector<Real>(nodes * row, Real(3)));
      Array<unsigned> flags(std::vector<unsigned>(1, 0u));
      give_gradients<Real>(
          {pass, node_in.data(), components, channels, values.data(),
           fixed ? integers.data() : nullptr, fixed ? nullptr : real.data(), 1.5, flags.data()},
          nullptr);
      check_launch("giving gradients");
      std::vector<double> expected(nodes * row, 3.0);
      for (int place = 0; place < pass.count; ++place)
        for (int m = 0; m < components; ++m)
          for (int k = 0; k < channels; ++k) {
            const Real x = in[(static_cast<std::size_t>(m) * pass.capacity + place) * channels + k];
            if (!fixed || std::abs(x) < Real(1.5))  // what is not below the limit is left out
              expected[node[pass.begin + place] * row + m * channels + k] += x;
          }
      Worst worst;
      const auto whole = integers.download();
      const auto parts = real.download();
      for (int i = 0; i < nodes * row; ++i)
        worst.add(fixed ? from_fixed(whole[i]) : static_cast<double>(parts[i]), expected[i]);
      CHECK_BELOW(worst, 10 * kEpsilon<Real> + 1.0 / kFixedUnit);
      CHECK(flags.download()[0] == (fixed ? kNotFinite : 0u));
    }
  });
}
