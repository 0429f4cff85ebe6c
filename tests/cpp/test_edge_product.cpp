// SPDX-License-Identifier: MIT
// The product over edges against plain loops, and its gradient by its multilinearity.
#include "check.hpp"
#include "edge_product.hpp"
#include "numeric.hpp"

using namespace mdbench;
using check::kEpsilon;
using check::Random;
using check::Worst;

namespace {

constexpr int kSenders = 7;

/// Random edges of an atom with some paths, or none, of each l1 and l2; channels beyond the vectors
/// in work must not be touched.
template <class Real, class Sum, int Vectors>
struct Product {
  static constexpr int W = kWidth<Real>, kLanes = Vectors * W, kChannels = 3 * kLanes;
  static constexpr int stride = padded<Real>(kMaxComponents), channel = kLanes;
  struct Slot {
    int path, component, lm;
  };

  Product(int edges, int max_ell, int sender_l, Random& random)
      : edges(edges), max_ell(max_ell), senders(components(sender_l)) {
    for (int l2 = 0; l2 <= max_ell; ++l2)
      for (int l1 = 0; l1 <= sender_l; ++l1) add_paths(l1, l2, random.below(3));
    for (int e = 0; e < edges; ++e)
      row.push_back(static_cast<std::int64_t>(random.below(kSenders)) * senders * kChannels);
    features.resize(static_cast<std::size_t>(kSenders) * senders * kChannels);
    harmonics.resize(static_cast<std::size_t>(edges) * stride);
    for (int e = 0; e < edges; ++e)
      for (int lm = 0; lm < stride; ++lm)
        harmonics[e * stride + lm] = static_cast<Real>(lm == 0 ? 1.0 : random.uniform());
    radial.resize(static_cast<std::size_t>(paths) * edges * kLanes);
    slope.resize(radial.size());
    bar.resize(static_cast<std::size_t>(Vectors) * slots.size() * W);
    for (auto* x : {&features, &radial, &slope, &bar}) random.fill(*x);
  }
  void add_paths(int l1, int l2, int count) {
    blocks[l2][l1] = {paths, count, static_cast<int>(slots.size())};
    for (int p = 0; p < count; ++p, ++paths)
      for (int m1 = 0; m1 <= 2 * l1; ++m1) {
        rows[l2].push_back({paths, l1 * l1 + m1});
        for (int m2 = 0; m2 <= 2 * l2; ++m2) slots.push_back({paths, l1 * l1 + m1, l2 * l2 + m2});
      }
  }
  std::ptrdiff_t path_stride() const { return static_cast<std::ptrdiff_t>(edges) * kLanes; }
  double r(const Slot& s, int e, int k) const {
    return radial[s.path * path_stride() + e * kLanes + k];
  }
  double slope_of(const Slot& s, int e, int k) const {
    return slope[s.path * path_stride() + e * kLanes + k];
  }
  std::size_t feature(const Slot& s, int e, int k) const {
    return row[e] + s.component * kChannels + channel + k;
  }
  double y(const Slot& s, int e) const { return harmonics[e * stride + s.lm]; }
  double bar_of(std::size_t i, int k) const {
    return bar[((k / W) * slots.size() + i) * W + k % W];
  }

  /// The one place that knows the forward kernel's call.
  Buffer<Sum> forward(int vector) const {
    Buffer<Sum> sums(slots.size() * W + 1, Sum(0.25));
    Sum* out = sums.data();
    const auto l2 = [&]<int L>() {
      const EdgeSpan<Real> span{edges,
                                row.data(),
                                features.data() + channel + vector * W,
                                kChannels,
                                harmonics.data() + L * L,
                                stride};
      accumulate_slots<2 * L + 1>(span, rows[L], radial.data() + vector * W, path_stride(), kLanes,
                                  out);
      out += rows[L].size() * (2 * L + 1) * W;
    };
    l2.template operator()<0>();
    l2.template operator()<1>();
    l2.template operator()<2>();
    l2.template operator()<3>();
    return sums;
  }
  /// The one place that knows the reverse kernel's call: of each edge dE/dr, then dE/dY.
  void reverse(Buffer<Sum>& features_bar, std::vector<double>& edge_bar) const {
    for (int e = 0; e < edges; ++e) {
      const ReverseEdge<Real> edge{max_ell,
                                   &harmonics[e * stride],
                                   &features[row[e] + channel],
                                   kChannels,
                                   radial.data() + e * kLanes,
                                   slope.data() + e * kLanes,
                                   path_stride(),
                                   bar.data(),
                                   static_cast<std::ptrdiff_t>(slots.size()) * W};
      reverse_slots<Vectors>(blocks, senders, edge, &features_bar[row[e] + channel],
                             &edge_bar[e * kMaxComponents]);
    }
  }

  void check_forward() const {
    Worst worst;
    for (int v = 0; v < Vectors; ++v) {
      const auto sums = forward(v);
      for (std::size_t i = 0; i < slots.size(); ++i)
        for (int k = 0; k < W; ++k) {
          double sum = 0.25;
          for (int e = 0; e < edges; ++e)
            sum += r(slots[i], e, v * W + k) * features[feature(slots[i], e, v * W + k)] *
                   y(slots[i], e);
          worst.add(sums[i * W + k], sum);
        }
    }
    CHECK_BELOW(worst, (2 + edges) * kEpsilon<Real>);
  }

  void check_reverse() const {
    Buffer<Sum> h_bar(features.size(), Sum(0.5));
    std::vector<double> bars(edges * kMaxComponents + 1, 0.5), want(bars);
    std::vector<double> h_want(h_bar.begin(), h_bar.end());
    reverse(h_bar, bars);
    for (int e = 0; e < edges; ++e)
      for (std::size_t i = 0; i < slots.size(); ++i)
        for (int k = 0; k < kLanes; ++k) {
          const Slot& s = slots[i];
          const double b = bar_of(i, k), h = features[feature(s, e, k)];
          h_want[feature(s, e, k)] += b * r(s, e, k) * y(s, e);
          want[e * kMaxComponents] += b * slope_of(s, e, k) * h * y(s, e);
          if (s.lm > 0) want[e * kMaxComponents + s.lm] += b * r(s, e, k) * h;
        }
    Worst worst;
    for (std::size_t i = 0; i < h_bar.size(); ++i) worst.add(h_bar[i], h_want[i]);
    for (std::size_t i = 0; i < bars.size(); ++i) worst.add(bars[i], want[i]);
    CHECK_BELOW(worst, (20 + 2 * slots.size() * kLanes) * kEpsilon<Real>);
    check_adjoint(h_bar);
  }

  /// The sums are linear in h: <bar, slots> = <h_bar, h>, which ties the reverse kernel to the
  /// forward kernel.
  void check_adjoint(const Buffer<Sum>& h_bar) const {
    double energy = 0.0, by_h = 0.0, size = 1.0;
    for (int v = 0; v < Vectors; ++v) {
      const auto sums = forward(v);
      for (std::size_t i = 0; i < slots.size() * W; ++i) {
        const double term = bar[v * slots.size() * W + i] * (static_cast<double>(sums[i]) - 0.25);
        energy += term;
        size += std::abs(term);
      }
    }
    for (std::size_t i = 0; i < features.size(); ++i) by_h += (h_bar[i] - 0.5) * features[i];
    CHECK_BELOW(std::abs(energy - by_h) / size, 30 * kEpsilon<Real>);
  }

  const int edges, max_ell, senders;
  int paths = 0;
  PathBlocks blocks{};
  std::vector<SlotRow> rows[kMaxEll + 1];  ///< [l2], in the order of the slots
  std::vector<Slot> slots;
  std::vector<std::int64_t> row;
  Buffer<Real> features, harmonics, radial, slope, bar;
};

/// Both numbers of vectors in one type only: each takes seconds to compile.
template <class Real, class Sum, int... Vectors>
void run_all() {
  Random random(11);
  const auto with = [&]<int V>() {
    for (int max_ell = 0; max_ell <= kMaxEll; ++max_ell)
      for (int sender_l = 0; sender_l <= kMaxSenderEll; ++sender_l)
        for (const int edges : {0, 1, 17, 40}) {
          const Product<Real, Sum, V> product(edges, max_ell, sender_l, random);
          product.check_forward();
          product.check_reverse();
        }
  };
  (with.template operator()<Vectors>(), ...);
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
