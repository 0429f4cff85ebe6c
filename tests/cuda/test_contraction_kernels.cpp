// SPDX-License-Identifier: MIT
// The symmetric contraction and its reverse, with and without densities.
#include <algorithm>
#include <array>

#include "check.hpp"
#include "contraction_program.hpp"
#include "numeric.hpp"
#include "pass_case.hpp"
#include "random_terms.hpp"

using namespace mdbench;
using namespace mdbench::cuda;
using check::difference;
using check::kEpsilon;
using check::PassCase;
using check::Random;
using check::random_terms;
using check::Worst;

namespace {

using Term = ContractionPlan::Term;

double coefficient_of(const Term& term, int kind, int channel) {
  return term.value *
         std::sin(1.0 + 7 * term.order + 3 * term.weight + 1.7 * kind + 0.37 * channel);
}

struct Place {
  int kind, channel;
};

/// sum_o bar_o c_o of the polynomial as written.
double energy_of(const std::vector<Term>& terms, const std::vector<double>& a,
                 const std::vector<double>& bar, Place where) {
  double sum = 0.0;
  for (const Term& term : terms) {
    double product = coefficient_of(term, where.kind, where.channel) * bar[term.output];
    for (int f = 0; f < term.order; ++f) product *= a[term.factors[f]];
    sum += product;
  }
  return sum;
}

template <class Real>
struct ContractionCase {
  PassCase of;
  int kinds, inputs, outputs, channels;
  std::vector<Term> terms;
  bool density = false, of_all = false;
  std::vector<Real> a{}, c_bar{}, c{}, a_bar{};
  std::vector<double> n{}, n_bar{};

  int c_receivers() const { return of_all ? of.receivers() : of.pass.capacity; }
  std::size_t at(int component, int place) const {
    return (static_cast<std::size_t>(component) * of.pass.capacity + place) * channels;
  }

  std::vector<Real> coefficients(const ContractionPlan& plan) const {
    std::vector<Real> out;
    for (int kind = 0; kind < kinds; ++kind)
      for (int i = 0; i < plan.num_coefficients(); ++i)
        for (int k = 0; k < channels; ++k) {
          double sum = 0.0;
          for (const Term& term : plan.sources(i)) sum += coefficient_of(term, kind, k);
          out.push_back(static_cast<Real>(sum));
        }
    return out;
  }

  void run(Random& random) {
    const ContractionPlan plan(terms, inputs, outputs);
    HostProgram host = host_program(plan);
    const Array<uint2> steps(host.steps);
    host.program.steps = steps.data();
    a = check::poisoned<Real>(at(inputs, 0));
    c_bar = check::poisoned<Real>(at(outputs, 0));
    n = check::poisoned<double>(of.pass.capacity);
    for (int place = 0; place < of.pass.count; ++place) {
      n[place] = random.uniform(1.0, 2.0);
      for (int k = 0; k < channels; ++k) {
        for (int i = 0; i < inputs; ++i) a[at(i, place) + k] = random.uniform();
        for (int o = 0; o < outputs; ++o) c_bar[at(o, place) + k] = random.uniform();
      }
    }
    const Array<Real> w(coefficients(plan)), a_array(a), c_bar_array(c_bar);
    const Array<int> kind_array(of.kind);
    const Array<double> n_array(n);
    Array<Real> c_array(
        check::poisoned<Real>(static_cast<std::size_t>(outputs) * c_receivers() * channels));
    Array<Real> a_bar_array(check::poisoned<Real>(at(inputs, 0)));
    Array<double> n_bar_array(check::poisoned<double>(of.pass.capacity * (channels / kWarp)));
    contract(Contract<Real>{of.pass, kind_array.data(), host.program, channels, w.data(),
                            a_array.data(), c_array.data(), c_receivers(), of_all},
             nullptr);
    contract_reverse(ContractReverse<Real>{of.pass, kind_array.data(), host.program, channels,
                                           w.data(), a_array.data(), c_bar_array.data(),
                                           a_bar_array.data(), density ? n_array.data() : nullptr,
                                           density ? n_bar_array.data() : nullptr},
                     nullptr);
    check_launch("contracting");
    c = c_array.download();
    a_bar = a_bar_array.download();
    n_bar = n_bar_array.download();
  }

  /// A channel's components; with `scale` those for a density that much larger.
  std::vector<double> components(int place, int k, double scale = 1.0) const {
    std::vector<double> out;
    for (int i = 0; i < inputs; ++i) out.push_back(a[at(i, place) + k] / scale);
    return out;
  }
  std::vector<double> bars(int place, int k) const {
    std::vector<double> out;
    for (int o = 0; o < outputs; ++o) out.push_back(c_bar[at(o, place) + k]);
    return out;
  }

  void check_channel(int place, int k, Worst& value, Worst& slope) const {
    const Place where{of.kind_of(place), k};
    const auto x = components(place, k), bar = bars(place, k);
    for (int o = 0; o < outputs; ++o) {
      std::vector<double> unit(outputs, 0.0);
      unit[o] = 1.0;
      const std::size_t row = std::size_t(o) * c_receivers() + (of_all ? of.pass.begin : 0) + place;
      value.add(c[row * channels + k], energy_of(terms, x, unit, where));
    }
    for (int i = 0; i < inputs; ++i) {
      const auto energy = [&](double moved) {
        auto y = x;
        y[i] = moved;
        return energy_of(terms, y, bar, where);
      };
      const double divisor = density ? n[place] : 1.0;
      slope.add(a_bar[at(i, place) + k], difference(energy, x[i], 0.25) / divisor);
    }
  }

  /// dE/dn of A = M / n by differences: A scales as 1 / n.
  double density_gradient(int place, int block) const {
    const auto energy = [&](double moved) {
      double sum = 0.0;
      for (int k = block * kWarp; k < (block + 1) * kWarp; ++k)
        sum += energy_of(terms, components(place, k, moved / n[place]), bars(place, k),
                         {of.kind_of(place), k});
      return sum;
    };
    return difference(energy, n[place], 2e-3);
  }

  void check_results() const {
    Worst value, slope, of_density;
    const int step = of.pass.count > 50 ? 13 : 3;
    for (int place = 0; place < of.pass.count; ++place)
      for (int k = place % step; k < channels; k += step) check_channel(place, k, value, slope);
    CHECK_BELOW(value, 4 * (terms.size() + 1) * kEpsilon<Real>);
    CHECK_BELOW(slope, 12 * (terms.size() + 1) * kEpsilon<Real>);
    if (!density) return;
    for (int place = 0; place < of.pass.count; place += of.pass.count > 50 ? 9 : 1)
      for (int block = 0; block < channels / kWarp; ++block)
        of_density.add(n_bar[place * (channels / kWarp) + block], density_gradient(place, block));
    CHECK_BELOW(of_density, (terms.size() + 1) * std::max(100 * kEpsilon<Real>, 1e-8));
  }

  /// Rows of other receivers are left alone.
  void check_rest() const {
    bool untouched = true;
    for (int o = 0; o < outputs; ++o)
      for (int i = 0; i < c_receivers(); ++i)
        if (!of.has(i, of_all))
          untouched = untouched && std::isnan(c[(std::size_t(o) * c_receivers() + i) * channels]);
    for (int place = of.pass.count; place < of.pass.capacity; ++place)
      untouched = untouched && std::isnan(a_bar[at(inputs - 1, place) + channels - 1]) &&
                  std::isnan(n_bar[place * (channels / kWarp)]);
    CHECK(untouched);
  }
};

template <class Real>
void run_case(const ContractionCase<Real>& what, Random& random) {
  ContractionCase<Real> it = what;
  it.run(random);
  it.check_results();
  it.check_rest();
}

}  // namespace

TEST(contraction_kernels_equal_the_polynomial) {
  check::for_precisions([]<class Real>() {
    Random random(31);
    int number = 0;
    for (const int l : {0, 1, 2, 3})
      for (const int orders : {1, 2, 3}) {
        const int inputs = (l + 1) * (l + 1), outputs = 1 + number * 5 % 9;
        const int channels = std::array{32, 64, 128, 160}[number % 4], size = 1 + number % 5;
        run_case<Real>(
            {PassCase({size, 1, size - 1}, number % 2, number % 3 == 0 ? 1 : 0), 3, inputs, outputs,
             channels, random_terms(inputs, outputs, orders, 50, random), number % 2 == 1,
             number % 3 == 0},
            random);
        ++number;
      }
  });
}

TEST(contraction_kernels_of_few_terms) {
  check::for_precisions([]<class Real>() {
    Random random(32);
    const PassCase of({3, 2}, 1, 0);
    run_case<Real>({of, 2, 4, 4, 32, {}, true, false}, random);
    // a third factor without the pair alone, and the same pair in other outputs
    const std::vector<Term> terms = {{{1, 1, 1}, 2, 3, 0, 0.7},   {{1, 1, -1}, 0, 2, 1, -0.2},
                                     {{0, 1, 3}, 2, 3, 0, 0.3},   {{1, 1, 2}, 2, 3, 1, 0.4},
                                     {{0, -1, -1}, 3, 1, 0, 1.1}, {{1, 1, 3}, 2, 3, 1, 0.9}};
    run_case<Real>({of, 2, 4, 4, 64, terms, true, true}, random);
  });
}

/// Enough receivers that blocks take two and four of them, in groups that kinds and the end break.
TEST(contraction_kernels_of_many_receivers) {
  check::for_precisions([]<class Real>() {
    Random random(33);
    for (const bool density : {false, true}) {
      run_case<Real>({PassCase({90, 62, 70}, 3, 2), 3, 4, 2, 160, random_terms(4, 2, 3, 25, random),
                      density, density},
                     random);
      run_case<Real>({PassCase({201, 2, 228}, 2, 0), 3, 4, 2, 160,
                      random_terms(4, 2, 3, 25, random), density, !density},
                     random);
    }
  });
}

TEST(contraction_steps_hold_every_term_once) {
  Random random(34);
  const ContractionPlan plan(random_terms(9, 4, 3, 80, random), 9, 4);
  const HostProgram host = host_program(plan);
  CHECK(host.program.num_forward % (kContractionWarps * kStepsAtOnce) == 0);
  std::vector<int> seen(2 * plan.num_coefficients());
  for (int i = 0; i < host.program.num_forward + host.program.num_reverse; ++i) {
    const uint2 step = host.steps[i];
    if (static_cast<int>(step.x >> 16 & 0xff) == plan.inputs() + 1) continue;  // times zero
    const int list = i < host.program.num_forward ? 0 : plan.num_coefficients();
    ++seen[list + (step.y & 0xffff)];
    if (step.y >> 24 & 1) ++seen[list + (step.y & 0xffff) + 1];
  }
  CHECK(std::count(seen.begin(), seen.end(), 1) == static_cast<std::ptrdiff_t>(seen.size()));
}
