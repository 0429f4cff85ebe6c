// SPDX-License-Identifier: MIT
// The edge product and its gradients against sums written edge by edge.
#include "check.hpp"
#include "edge_case.hpp"
#include "error.hpp"
#include "orders.hpp"

using namespace edge_test;
using check::Worst;

namespace {

/// Natural paths with kernels of their own, and others; ranks, channels, kinds and segments.
std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (int sender_l = 0; sender_l <= 2; ++sender_l)
    for (int max_ell = 0; max_ell <= 3; ++max_ell)
      all.push_back({sender_l, max_ell, 1 + (7 * sender_l + 3 * max_ell) % 13, 32});
  all.push_back({1, 3, 8, 96});
  all.push_back({1, 3, 40, 128, 3, 1, 5, 0, 5});
  all.push_back({1, 2, 7, 64, 1, 8, 5, 3, 1});
  all.push_back({1, 1, kMaxEdgeRank, 32, 1, 2, 5, 0, 2});
  all.push_back({2, 3, 5, 32, 4, 2, 5, 1, 4});
  all.push_back({1, 3, 6, 32, 2, 3, 5, 1, 3, true});
  all.push_back({2, 3, 9, 64, 2, 3, 5, 2, 3, true});
  all.push_back({2, 2, 3, 32, 2, 3, 5, 1, 3, true});
  return all;
}

double largest(const std::vector<double>& values) {
  double most = 0.0;
  for (const double x : values) most = std::max(most, std::abs(x));
  return most;
}

template <class T>
std::vector<T> poison(std::size_t size) {
  return std::vector<T>(size, std::numeric_limits<T>::quiet_NaN());
}

template <class Real>
void check_forward(const EdgeCase<Real>& c, bool wide) {
  const DeviceCase<Real> device(c);
  const std::vector<double> expected = c.messages();
  Array<Real> messages(poison<Real>(expected.size()));
  edge_forward(device.forward(messages, wide), nullptr);
  check_launch("edge product");
  const std::vector<Real> found = messages.download();
  Worst worst;
  for (int row = 0; row < c.rows; ++row)
    for (int place = 0; place < c.pass.capacity; ++place)
      for (int k = 0; k < c.shape.channels; ++k) {
        const std::size_t i = c.at_message(row, place, k);
        if (place < c.pass.count)
          worst.add(found[i], expected[i]);
        else
          CHECK(std::isnan(found[i]));
      }
  CHECK_BELOW(worst / largest(expected), 60 * check::kEpsilon<Real>);
}

/// dE/dh as integers or in Real, and what the edges get.
template <class Real>
struct Reversed {
  std::vector<double> h;
  std::vector<Fixed> fixed;
  std::vector<Real> edge;
  unsigned flags;
};

template <class Real>
Reversed<Real> reversed(const EdgeCase<Real>& c, int splits, bool real) {
  const DeviceCase<Real> device(c);
  EdgeReverse<Real> arguments = device.reverse(splits);
  Array<Fixed> fixed(std::vector<Fixed>(c.h.size(), 3));
  Array<Real> sums(std::vector<Real>(c.h.size(), Real(0.5)));
  Array<Real> edge(poison<Real>(c.run.size() * (c.shape.channels / 32) * c.comps * kTile));
  Array<unsigned> flags(std::vector<unsigned>{0});
  if (real)
    arguments.sender_bar_real = device.nodes(sums.data());
  else
    arguments.sender_bar = device.nodes(fixed.data());
  arguments.edge_bar = device.edge_bar(edge.data());
  arguments.flags = flags.data();
  edge_reverse(arguments, nullptr);
  check_launch("edge product, reverse");
  Reversed<Real> out{{}, fixed.download(), edge.download(), flags.download()[0]};
  const std::vector<Real> in_real = sums.download();
  for (std::size_t i = 0; i < c.h.size(); ++i)
    out.h.push_back(real ? double(in_real[i]) - 0.5 : from_fixed(out.fixed[i] - 3));
  return out;
}

template <class Real>
void check_reverse(const EdgeCase<Real>& c, int splits, bool real) {
  const auto expected = c.gradients();
  const auto found = reversed(c, splits, real);
  CHECK(found.flags == 0);
  Worst worst_h, worst_edge;
  for (std::size_t i = 0; i < c.h.size(); ++i) worst_h.add(found.h[i], expected.h[i]);
  std::vector<char> written(found.edge.size(), 0);
  for (const Edge& e : c.edges)
    for (int block = 0; block < c.shape.channels / 32; ++block)
      for (int m = 0; m < c.comps; ++m) {
        const std::size_t i = c.at_edge(e, block, m);
        worst_edge.add(found.edge[i], expected.edge[i]);
        written[i] = 1;
      }
  // empty places get zeros or nothing; those of no tile nothing
  const std::size_t of_tile = found.edge.size() / c.run.size();
  for (std::size_t i = 0; i < found.edge.size(); ++i) {
    if (c.run[i / of_tile] < 0) CHECK(std::isnan(found.edge[i]));
    if (c.run[i / of_tile] >= 0 && written[i] == 0) CHECK(found.edge[i] == Real(0));
  }
  CHECK_BELOW(worst_h / largest(expected.h), 60 * check::kEpsilon<Real> + 1e-11);
  CHECK_BELOW(worst_edge / largest(expected.edge), 60 * check::kEpsilon<Real>);
}

}  // namespace

TEST(edge_units_number_paths_and_slots) {
  const auto made = make_units({{1, 1, 0}, {0, 0, 0}, {1, 1, 2}, {0, 1, 1}, {1, 1, 1}, {2, 0, 2}});
  CHECK((made.order == std::vector<int>{1, 5, 3, 0, 2, 4}));
  CHECK((made.first_slot == std::vector<int>{9, 0, 18, 6, 27, 1}));
  CHECK(made.slots == 36);
  CHECK(made.units.size() == 5);  // three paths with l1 = l2 = 1 are two units
  CHECK(made.units[3].paths == 2 && made.units[4].paths == 1 && made.units[4].first_slot == 27);
  CHECK(made.units[4].first_path == 5 && made.units[1].l1 == 2 && made.units[1].l2 == 0);
  CHECK(made.paths_of[1][1] == 3 && made.paths_of[0][2] == 1 && made.paths_of[3][0] == 0);
  CHECK(!check::thrown<mdbench::Error>([] { make_units({{3, 0, 3}}); }).empty());
  CHECK(!check::thrown<mdbench::Error>([] { edge_reverse_shared_bytes(2000, 32, 8); }).empty());
  CHECK(!check::thrown<mdbench::Error>([] { require_edge_rank(kMaxEdgeRank + 1); }).empty());
  require_edge_rank(kMaxEdgeRank);
  CHECK(edge_reverse_shared_bytes(88, 32, 4).warps == 4);
  CHECK(edge_reverse_shared_bytes(388, 32, 4).bytes > kPlainShared);
}

TEST(edge_natural_paths_are_those_of_the_parities) {
  for (int l1 = 0; l1 <= 2; ++l1)
    for (int max_ell = 0; max_ell <= 3; ++max_ell) {
      const auto made = make_units(paths_of({l1, max_ell, 1, 32}));
      for (int l2 = 0; l2 <= 3; ++l2)
        CHECK(made.paths_of[l2][l1] == natural_paths(l1, l2, max_ell));
    }
}

TEST(edge_product_agrees_with_sums_over_edges) {
  check::for_precisions([]<class Real>() {
    unsigned seed = 1;
    for (const Shape& shape : shapes()) {
      const EdgeCase<Real> c(shape, seed++);
      check_forward(c, false);
      check_forward(c, true);
    }
  });
}

TEST(edge_product_does_not_depend_on_the_order_of_threads) {
  const EdgeCase<float> c({1, 3, 7, 64}, 5);
  check::for_orders([&] {
    check_forward(c, false);
    check_forward(c, true);
  });
}

TEST(edge_product_wide_sums_keep_what_float_loses) {
  EdgeCase<float> c({0, 0, 2, 32, 1, 1, 5, 3, 1}, 9);
  // large numbers first, to which float cannot add the small ones
  std::fill(c.v.begin(), c.v.end(), 1.0f);
  std::fill(c.h.begin(), c.h.end(), 1.0f);
  for (float& u : c.u) u = u == 0.0f ? 0.0f : 1.0f;
  for (const Edge& e : c.edges) c.y[c.at_y(e.tile, 0, e.lane)] = e.tile < 4 ? 1e6f : 0.1f;
  const DeviceCase<float> device(c);
  const auto expected = c.messages();
  double error[2];
  for (const bool wide : {false, true}) {
    Array<float> messages(poison<float>(expected.size()));
    edge_forward(device.forward(messages, wide), nullptr);
    const auto found = messages.download();
    Worst worst;
    for (int k = 0; k < 32; ++k) worst.add(found[c.at_message(0, 0, k)], expected[k]);
    error[wide] = worst / largest(expected);
  }
  CHECK_BELOW(error[1], check::kEpsilon<float>);
  CHECK_BELOW(3 * check::kEpsilon<float>, error[0]);
}

TEST(edge_gradients_agree_with_sums_over_edges) {
  check::for_precisions([]<class Real>() {
    unsigned seed = 100;
    for (const Shape& shape : shapes()) {
      const EdgeCase<Real> c(shape, seed);
      check_reverse(c, 1 + static_cast<int>(seed % 3), seed % 4 == 0);
      ++seed;
    }
  });
}

TEST(edge_gradients_repeat_whatever_the_order_and_the_splits) {
  const EdgeCase<float> c({1, 3, 8, 64}, 6);
  const auto first = reversed(c, 1, false);
  check::for_orders([&] {
    for (const int splits : {1, 2, 3, 50}) {
      check_reverse(c, splits, true);
      const auto found = reversed(c, splits, false);
      CHECK(found.fixed == first.fixed);
      for (std::size_t i = 0; i < first.edge.size(); ++i)
        CHECK(found.edge[i] == first.edge[i] || std::isnan(first.edge[i]));
    }
  });
}

/// The reference's gradients are those of the reference's messages.
TEST(edge_gradients_are_differences_of_the_product) {
  EdgeCase<double> c({2, 3, 4, 32, 2, 2, 5, 1, 1}, 7);
  const auto energy = [&] {
    const auto messages = c.messages();
    double sum = 0.0;
    for (std::size_t i = 0; i < messages.size(); ++i)
      if (!std::isnan(c.bar[i])) sum += messages[i] * c.bar[i];
    return sum;
  };
  const auto slope_of = [&](double& x) {
    const double at = x;
    const double slope = check::difference([&](double t) { return x = t, energy(); }, at, 1e-2);
    x = at;
    return slope;
  };
  const auto g = c.gradients();
  Worst worst;
  for (int i = 0; i < 3; ++i) {
    const Edge& e = c.edges[c.random.below(static_cast<int>(c.edges.size()))];
    const std::size_t h = c.at_h(e.sender, c.random.below(9), c.random.below(32));
    worst.add(g.h[h], slope_of(c.h[h]));
    const int m = 1 + c.random.below(15);
    worst.add(g.edge[c.at_edge(e, 0, m)], slope_of(c.y[c.at_y(e.tile, m, e.lane)]));
    // along r, U moves with its slopes
    const auto u = c.u;
    worst.add(g.edge[c.at_edge(e, 0, 0)], check::difference(
                                              [&](double t) {
                                                for (int q = 0; q < c.shape.rank; ++q)
                                                  c.u[c.at_u(e.tile, 0, q, e.lane)] =
                                                      u[c.at_u(e.tile, 0, q, e.lane)] +
                                                      t * u[c.at_u(e.tile, 1, q, e.lane)];
                                                return energy();
                                              },
                                              0.0, 1e-2));
    c.u = u;
  }
  CHECK_BELOW(worst / largest(g.edge), 1e-11);
}

TEST(edge_gradients_that_do_not_fit_raise_a_flag) {
  for (const bool real : {false, true})
    for (const float much :
         {1e20f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      EdgeCase<float> c({1, 1, 3, 32, 1, 1, 5, 1, 1}, 11);
      const Edge e = c.edges.front();
      for (int m = 0; m < c.comps; ++m) c.y[c.at_y(e.tile, m, e.lane)] = much;
      const auto found = reversed(c, 1, real);
      CHECK(found.flags == kNotFinite);
      // the others are added
      auto others = c;
      std::erase_if(others.edges, [&](const Edge& o) { return o.sender == e.sender; });
      const auto expected = others.gradients();
      Worst worst;
      for (const Edge& o : others.edges)
        for (int n = 0; n < c.sender_comps; ++n)
          for (int k = 0; k < 32; ++k)
            worst.add(found.h[c.at_h(o.sender, n, k)], expected.h[c.at_h(o.sender, n, k)]);
      CHECK_BELOW(worst / largest(expected.h), 1e-5);
    }
}

/// All edges have the same sender and add the same to it: as much as its sum holds, or more.
TEST(edge_gradients_do_not_wrap_around) {
  EdgeCase<float> c({0, 0, 2, 32, 1, 1, 5, 3, 1}, 12);
  std::fill(c.v.begin(), c.v.end(), 1.0f);
  for (float& u : c.u) u = u == 0.0f ? 0.0f : 1.0f;
  for (Edge& e : c.edges) {
    e.sender = c.sender[kTile * e.tile + e.lane] = 0;
    c.y[c.at_y(e.tile, 0, e.lane)] = 1.0f;
  }
  const auto edges = static_cast<double>(c.edges.size());
  const double limit = fixed_limit(c.most_of_sender());
  CHECK(edges > 64 && c.most_of_sender() == static_cast<int>(edges));
  for (const double each : {0.99 * limit, 1.01 * limit, 240000.0}) {
    for (int k = 0; k < 32; ++k)
      c.bar[c.at_message(0, 0, k)] = static_cast<float>(0.5 * each / c.couplings[0].value);
    const auto found = reversed(c, 1, false);
    CHECK(found.flags == (each < limit ? 0u : kNotFinite));
    for (int k = 0; k < 32; ++k)
      CHECK_BELOW(std::abs(found.h[c.at_h(0, 0, k)] - (each < limit ? edges * each : 0.0)),
                  1e-5 * edges * each);
  }
}
