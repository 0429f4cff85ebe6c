// SPDX-License-Identifier: MIT
// Energies from the layers' invariant outputs, and their gradients.
#include <array>

#include "check.hpp"
#include "numeric.hpp"
#include "pass_case.hpp"

using namespace mdbench::cuda;
using check::difference;
using check::kEpsilon;
using check::PassCase;
using check::Random;
using check::Worst;

namespace {

/// Written differently from the code under test.
double activated(Activation kind, double x) {
  if (kind == Activation::silu) return x / (1.0 + std::exp(-x));
  if (kind == Activation::tanh) return 1.0 - 2.0 / (std::exp(2.0 * x) + 1.0);
  return x;
}

/// Layers' outputs, every second of all receivers, one of them unread.
template <class Real>
struct ReadoutCase {
  PassCase of;
  int kinds, channels, neurons, sources;
  Activation activation;
  bool isolated;

  std::vector<std::vector<Real>> c{}, weight{};
  std::vector<double> bias{}, out{}, lone{}, before{}, energy{};
  std::vector<Real> neurons_bar{};

  bool of_all(int s) const { return s % 2 == 0; }
  bool read(int s) const { return s != 1; }
  int stride(int s) const { return s == 2 ? 0 : channels * neurons; }
  std::size_t row(int s, int place) const {
    return static_cast<std::size_t>(of_all(s) ? of.pass.begin + place : place) * channels;
  }

  void make(Random& random) {
    for (int s = 0; s < sources; ++s) {
      const int places = of_all(s) ? of.receivers() : of.pass.capacity;
      c.push_back(check::poisoned<Real>(static_cast<std::size_t>(places) * channels));
      for (int i = 0; i < places * channels; ++i)
        if (of.has(i / channels, of_all(s))) c[s][i] = static_cast<Real>(random.uniform());
      weight.emplace_back(static_cast<std::size_t>(kinds) * channels * neurons);
      random.fill(weight[s], -0.2, 0.2);
    }
    bias.resize(kinds * neurons);
    out.resize(neurons);
    lone.resize(kinds);
    before.resize(of.receivers());
    for (auto* x : {&bias, &out, &lone, &before}) random.fill(*x);
  }

  void run() {
    std::vector<Array<Real>> c_array, weight_array;
    Readout<Real> x{};
    for (int s = 0; s < sources; ++s) {
      c_array.emplace_back(c[s]);
      weight_array.emplace_back(weight[s]);
      x.source[s] = {c_array[s].data(), of_all(s), read(s) ? weight_array[s].data() : nullptr,
                     stride(s)};
    }
    const Array<int> kind_array(of.kind);
    const Array<double> bias_array(bias), out_array(out), lone_array(lone);
    Array<double> energy_array(before);
    Array<Real> bar_array(check::poisoned<Real>(of.receivers() * neurons));
    x.pass = of.pass;
    x.receiver_kind = kind_array.data();
    x.channels = channels;
    x.neurons = neurons;
    x.num_sources = sources;
    x.activation = activation;
    x.bias = bias_array.data();
    x.out = out_array.data();
    x.isolated = isolated ? lone_array.data() : nullptr;
    x.energy = energy_array.data();
    x.neurons_bar = bar_array.data();
    readout(x, nullptr);
    check_launch("reading out");
    energy = energy_array.download();
    neurons_bar = bar_array.download();
  }

  /// Of a place, with c of one source and channel moved.
  double expected(int place, int source = -1, int channel = 0, double moved = 0.0) const {
    const int kind = of.kind_of(place);
    double sum = 0.0;
    for (int i = 0; i < neurons; ++i) {
      double pre = bias[kind * neurons + i];
      for (int s = 0; s < sources; ++s)
        for (int k = 0; read(s) && k < channels; ++k)
          pre += (s == source && k == channel ? moved : double{c[s][row(s, place) + k]}) *
                 weight[s][kind * stride(s) + k * neurons + i];
      sum += out[i] * activated(activation, pre);
    }
    return sum;
  }

  void check_energies() const {
    Worst worst;
    std::vector<double> rest = before;
    for (int place = 0; place < of.pass.count; ++place) {
      const int i = of.pass.begin + place;
      const double first = isolated ? lone[of.kind_of(place)] : before[i];
      worst.add(energy[i], first + expected(place));
      rest[i] = energy[i];
    }
    CHECK_BELOW(worst, (20 + 2 * neurons) * kEpsilon<Real>);
    CHECK(rest == energy);
    bool untouched = true;
    for (int i = 0; i < of.receivers() * neurons; ++i)
      untouched = untouched && std::isnan(neurons_bar[i]) != of.has(i / neurons, true);
    CHECK(untouched);
  }

  /// The reverse of one source equals differences of the energy.
  void check_reverse(int s, int outputs) const {
    const Array<Real> weight_array(weight[s]), bar_array(neurons_bar);
    const Array<int> kind_array(of.kind);
    Array<Real> c_bar_array(check::poisoned<Real>(outputs * of.pass.capacity * channels));
    ReadoutReverse<Real> x{};
    x.pass = of.pass;
    x.receiver_kind = kind_array.data();
    x.channels = channels;
    x.outputs = outputs;
    x.num_readers = 1;
    x.reader[0] = {neurons, bar_array.data(), weight_array.data(), stride(s)};
    x.c_bar = c_bar_array.data();
    readout_reverse(x, nullptr);
    check_launch("reading out, reverse");
    const auto c_bar = c_bar_array.download();
    Worst worst;
    bool cleared = true;
    for (int o = 0; o < outputs; ++o)
      for (int place = 0; place < of.pass.capacity; ++place)
        for (int k = 0; k < channels; ++k) {
          const Real g = c_bar[(o * of.pass.capacity + place) * channels + k];
          if (place >= of.pass.count)
            cleared = cleared && std::isnan(g);
          else if (o > 0)
            cleared = cleared && g == 0;
          else if ((place + k) % 11 == 0)
            worst.add(g, difference([&](double y) { return expected(place, s, k, y); },
                                    c[s][row(s, place) + k], 1e-3));
        }
    CHECK(cleared);
    CHECK_BELOW(worst, std::max((10 + neurons) * double{kEpsilon<Real>}, 1e-9));
  }
};

}  // namespace

TEST(readout_kernels_equal_the_formulas) {
  check::for_precisions([]<class Real>() {
    Random random(41);
    int number = 0;
    for (const int neurons : {1, 4, 7, 16, 20, 32, 45})
      for (const auto activation : {Activation::linear, Activation::silu, Activation::tanh}) {
        const int channels = std::array{32, 64, 128, 160}[number % 4], size = 1 + number % 7;
        ReadoutCase<Real> it{PassCase({size, 1, size}, number % 2, number % 3 == 0),
                             3,
                             channels,
                             neurons,
                             1 + number % 4,
                             activation,
                             number % 2 == 0};
        it.make(random);
        it.run();
        it.check_energies();
        for (int s = 0; s < it.sources; ++s)
          if (it.read(s)) it.check_reverse(s, 1 + number % 4);
        ++number;
      }
  });
}

TEST(readout_kernels_without_neurons) {
  check::for_precisions([]<class Real>() {
    Random random(42);
    for (const bool isolated : {false, true}) {
      ReadoutCase<Real> it{PassCase({3, 6}, 1, 1), 2, 32, 0, 1, Activation::linear, isolated};
      it.make(random);
      it.run();
      it.check_energies();
    }
  });
}

TEST(readout_kernels_add_up_the_readers) {
  check::for_precisions([]<class Real>() {
    Random random(43);
    const PassCase of({6, 4}, 1, 2);
    const int channels = 64, outputs = 4;
    const Array<int> kind_array(of.kind);
    for (const int readers : {0, 2, kMaxLayers}) {
      std::vector<Array<Real>> arrays;
      std::vector<std::vector<Real>> bars, weights;
      ReadoutReverse<Real> x{};
      for (int r = 0; r < readers; ++r) {
        const int neurons = 1 + 3 * r;
        bars.emplace_back(of.receivers() * neurons);
        weights.emplace_back(2 * channels * neurons);
        random.fill(bars[r]);
        random.fill(weights[r]);
        arrays.emplace_back(bars[r]);
        arrays.emplace_back(weights[r]);
        x.reader[r] = {neurons, arrays[2 * r].data(), arrays[2 * r + 1].data(), channels * neurons};
      }
      Array<Real> c_bar_array(check::poisoned<Real>(outputs * of.pass.capacity * channels));
      x.pass = of.pass;
      x.receiver_kind = kind_array.data();
      x.channels = channels;
      x.outputs = outputs;
      x.num_readers = readers;
      x.c_bar = c_bar_array.data();
      readout_reverse(x, nullptr);
      const auto c_bar = c_bar_array.download();
      Worst worst;
      for (int i = 0; i < outputs * of.pass.capacity * channels; ++i) {
        const int o = i / (of.pass.capacity * channels), place = i / channels % of.pass.capacity;
        if (place >= of.pass.count) continue;
        double sum = 0.0;
        for (int r = 0; o == 0 && r < readers; ++r)
          for (int j = 0; j < 1 + 3 * r; ++j)
            sum += double{bars[r][(of.pass.begin + place) * (1 + 3 * r) + j]} *
                   weights[r][(of.kind_of(place) * channels + i % channels) * (1 + 3 * r) + j];
        worst.add(c_bar[i], sum);
      }
      CHECK_BELOW(worst, 40 * kEpsilon<Real>);
    }
  });
}
