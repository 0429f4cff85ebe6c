// SPDX-License-Identifier: MIT
// The product over edges against plain loops, and its gradient by its multilinearity.
#include <utility>

#include "check.hpp"
#include "edge_product.hpp"
#include "numeric.hpp"

using namespace mdbench;
using check::kEpsilon;
using check::Random;
using check::Worst;

namespace {

constexpr int kSenders = 7;

/// Random edges of an atom; channels beyond the vectors in work must not be touched.
template <class Real, class Sum, int M, int Vectors>
struct Product {
  static constexpr int W = kWidth<Real>, kLanes = Vectors * W, kChannels = 3 * kLanes;
  static constexpr int l2 = (M - 1) / 2;

  Product(int edges, int sender_l, Random& random)
      : edges(edges), senders(components(sender_l)), stride(padded<Real>(kMaxComponents)) {
    for (int component = 0; component < senders; ++component)
      for (int path = 0; path < paths; ++path)
        if (random.below(3) > 0) rows.push_back({path, component});
    for (int e = 0; e < edges; ++e)
      row.push_back(static_cast<std::int64_t>(random.below(kSenders)) * senders * kChannels);
    features.resize(static_cast<std::size_t>(kSenders) * senders * kChannels);
    harmonics.resize(static_cast<std::size_t>(edges) * stride + 1);
    radial.resize(static_cast<std::size_t>(paths) * (edges + 1) * kLanes);
    slope.resize(radial.size());
    for (auto* x : {&features, &harmonics, &radial, &slope}) random.fill(*x);
  }
  EdgeSpan<Real> span(int vector) const {
    return {edges,
            row.data(),
            features.data() + channel + vector * W,
            kChannels,
            harmonics.data() + l2 * l2,
            stride};
  }
  std::ptrdiff_t path_stride() const { return static_cast<std::ptrdiff_t>(edges + 1) * kLanes; }
  std::size_t slot(int r, int m) const { return (static_cast<std::size_t>(r) * M + m) * W; }

  /// The one place that knows the forward kernel's call.
  Buffer<Sum> forward(int vector) const {
    Buffer<Sum> slots(rows.size() * M * W, Sum(0.25));
    accumulate_slots<M>(span(vector), rows, radial.data() + vector * W, path_stride(), kLanes,
                        slots.data());
    return slots;
  }
  /// R h Y of an edge without the factors that are left out.
  double r(int i, int e, int k) const { return radial[at(i, e, k)]; }
  double h(int i, int e, int k) const { return features[row[e] + offset(i, k)]; }
  double y(int e, int m) const { return harmonics[e * stride + l2 * l2 + m]; }
  std::size_t at(int i, int e, int k) const {
    return rows[i].path * path_stride() + e * kLanes + k;
  }
  std::size_t offset(int i, int k) const { return rows[i].component * kChannels + channel + k; }

  void check_forward() const {
    Worst worst;
    for (int v = 0; v < Vectors; ++v) {
      const auto slots = forward(v);
      for (std::size_t i = 0; i < rows.size(); ++i)
        for (int m = 0; m < M; ++m)
          for (int k = 0; k < W; ++k) {
            double sum = 0.25;
            for (int e = 0; e < edges; ++e)
              sum += r(i, e, v * W + k) * h(i, e, v * W + k) * y(e, m);
            worst.add(slots[slot(i, m) + k], sum);
          }
    }
    CHECK_BELOW(worst, (2 + edges) * kEpsilon<Real>);
  }

  void check_reverse(Random& random) const {
    Buffer<Real> bar(Vectors * rows.size() * M * W + 1);
    random.fill(bar);
    Buffer<Sum> h_bar(features.size(), Sum(0.5));
    Buffer<double> y_bar(static_cast<std::size_t>(edges) * kMaxComponents + 1, 0.5);
    Buffer<double> r_bar(edges + 1, 0.5);
    const EdgeGradients<Sum> out{row.data(), h_bar.data() + channel, y_bar.data() + l2 * l2,
                                 r_bar.data()};
    reverse_slots<M, Vectors>(span(0), rows, radial.data(), slope.data(), path_stride(), bar.data(),
                              out);
    std::vector<double> h_want(h_bar.size(), 0.5), y_want(y_bar.size(), 0.5);
    std::vector<double> r_want(r_bar.size(), 0.5);
    for (int e = 0; e < edges; ++e)
      for (std::size_t i = 0; i < rows.size(); ++i)
        for (int m = 0; m < M; ++m)
          for (int k = 0; k < kLanes; ++k) {
            const double s = bar[(k / W) * rows.size() * M * W + slot(i, m) + k % W];
            h_want[row[e] + offset(i, k)] += s * r(i, e, k) * y(e, m);
            y_want[e * kMaxComponents + l2 * l2 + m] += s * r(i, e, k) * h(i, e, k);
            r_want[e] += s * slope[at(i, e, k)] * h(i, e, k) * y(e, m);
          }
    Worst worst;
    for (std::size_t i = 0; i < h_bar.size(); ++i) worst.add(h_bar[i], h_want[i]);
    for (std::size_t i = 0; i < y_bar.size(); ++i) worst.add(y_bar[i], y_want[i]);
    for (std::size_t i = 0; i < r_bar.size(); ++i) worst.add(r_bar[i], r_want[i]);
    CHECK_BELOW(worst, (20 + rows.size() * kLanes) * kEpsilon<Real>);
    check_adjoint(bar, h_bar, y_bar);
  }

  /// The sums are linear in h and in Y: <bar, slots> = <h_bar, h> = <y_bar, Y>, which ties the
  /// reverse kernel to the forward kernel.
  void check_adjoint(const Buffer<Real>& bar, const Buffer<Sum>& h_bar,
                     const Buffer<double>& y_bar) const {
    double energy = 0.0, by_h = 0.0, by_y = 0.0, size = 1.0;
    for (int v = 0; v < Vectors; ++v) {
      const auto slots = forward(v);
      for (std::size_t i = 0; i < slots.size(); ++i) {
        energy += bar[v * slots.size() + i] * (static_cast<double>(slots[i]) - 0.25);
        size += std::abs(bar[v * slots.size() + i] * slots[i]);
      }
    }
    for (std::size_t i = 0; i < features.size(); ++i) by_h += (h_bar[i] - 0.5) * features[i];
    for (int e = 0; e < edges; ++e)
      for (int m = 0; m < M; ++m) by_y += (y_bar[e * kMaxComponents + l2 * l2 + m] - 0.5) * y(e, m);
    CHECK_BELOW(std::abs(energy - by_h) / size, 30 * kEpsilon<Real>);
    CHECK_BELOW(std::abs(energy - by_y) / size, 30 * kEpsilon<Real>);
  }

  const int edges, senders, stride, paths = 4, channel = kLanes;
  std::vector<SlotRow> rows;
  std::vector<std::int64_t> row;
  Buffer<Real> features, harmonics, radial, slope;
};

template <class Real, class Sum, int M, int Vectors>
void run(Random& random) {
  for (int sender_l = 0; sender_l <= 2; ++sender_l)
    for (const int edges : {0, 1, 17, 40}) {
      const Product<Real, Sum, M, Vectors> product(edges, sender_l, random);
      product.check_forward();
      product.check_reverse(random);
    }
}

/// Both numbers of vectors in one type only: each costs a second to compile.
template <class Real, class Sum, int... Vectors>
void run_all() {
  Random random(11);
  [&]<int... L>(std::integer_sequence<int, L...>) {
    const auto with = [&]<int V>() { (run<Real, Sum, 2 * L + 1, V>(random), ...); };
    (with.template operator()<Vectors>(), ...);
  }(std::make_integer_sequence<int, kMaxEll + 1>());
}

}  // namespace

TEST(edge_product_in_single) { run_all<float, float, 2>(); }
TEST(edge_product_in_double) { run_all<double, double, 1, 2>(); }
TEST(edge_product_in_mixed) { run_all<float, double, 1>(); }

/// In "mixed" the error must not grow with the number of edges: sums of blocks are in double.
TEST(mixed_sums_many_edges) {
  constexpr int W = kWidth<float>, kEdges = 40000;
  Buffer<float> ones(W, 0.1f), y(kEdges, 0.1f), radial(static_cast<std::size_t>(kEdges) * W, 0.1f);
  const std::vector<std::int64_t> row(kEdges, 0);
  const EdgeSpan<float> span{kEdges, row.data(), ones.data(), W, y.data(), 1};
  const std::vector<SlotRow> rows = {{0, 0}};
  Buffer<double> slots(W, 0.0);
  accumulate_slots<1>(span, rows, radial.data(), 0, W, slots.data());
  CHECK_BELOW(std::abs(slots[0] / (kEdges * std::pow(static_cast<double>(0.1f), 3)) - 1), 1e-6);
}
