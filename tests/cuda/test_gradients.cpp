// SPDX-License-Identifier: MIT
// Forces and virials against differences of energies that depend on each edge's distance,
// harmonics, radial columns, density function and repulsion.
#include <limits>
#include <numeric>

#include "check.hpp"
#include "harmonics.hpp"
#include "orders.hpp"
#include "random_pairs.hpp"
#include "zbl.hpp"

using namespace mdbench;
using namespace cuda_test;
using check::Random;
using check::Worst;

namespace {

constexpr int kWarps = 3, kRank = 9, kRow = 12, kWidth = kRank + 1;

/// Columns as functions of the distance; the last is the density function.
double column(int q, double r) { return std::sin(0.4 * (q + 1) * r + 0.3 * q) / r; }
double column_slope(int q, double r) {
  const double w = 0.4 * (q + 1), x = w * r + 0.3 * q;
  return (w * std::cos(x) - std::sin(x) / r) / r;
}

enum Wanted : unsigned {
  kForce = 1,
  kVirial = 2,
  kNodeVirial = 4,
  kEdgeGradient = 8,
  kDensity = 16,
  kRepulsion = 32,
  kAll = 63
};

/// The gradients' inputs for a pass, at random, and the energy that they are the gradients of.
template <class Real>
class Case {
 public:
  Case(const RandomPairs& pairs, const cuda::Pass& pass, bool first_layer, Random& random)
      : pairs(pairs), pass(pass), first_layer(first_layer), tiles(pairs, pass) {
    tiles.make();
    const int comps = tiles.comps();
    bar.resize(tiles.tiles() * kWarps * comps * 4);
    moments_bar.resize(static_cast<std::size_t>(pairs.shape.kinds) * comps * pass.capacity * kRow);
    density_bar.resize(pass.capacity * kWarps);
    random.fill(bar);
    random.fill(moments_bar);
    random.fill(density_bar);
    columns.resize(tiles.tiles() * 8 * kWidth, Real(0));
    tiles.for_edges([&](int, int, std::int64_t tile, int e, std::int64_t) {
      for (int q = 0; q < kWidth; ++q) {
        const double r = tiles.distance[4 * tile + e];
        columns[(tile * 2 * kWidth + q) * 4 + e] = static_cast<Real>(column(q, r));
        columns[((tile * 2 + 1) * kWidth + q) * 4 + e] = static_cast<Real>(column_slope(q, r));
      }
    });
    zbl.power = 6;
    zbl.c = {0.1818, 0.5099, 0.2802, 0.02817};
    zbl.d = {3.2, 0.9423, 0.4029, 0.2016};
    for (int kind = 0; kind < pairs.shape.kinds; ++kind) {
      zbl.radius.push_back(0.4 + 0.3 * kind);
      atomic_number.push_back(1 + 5 * kind);
    }
  }

  /// Energy of an edge from its vector; the repulsion apart, which is an energy of the receiver.
  double energy(int place, std::int64_t tile, int e, const std::array<double, 3>& d,
                unsigned wanted) const {
    const int comps = tiles.comps();
    const double r = std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    double y[kMaxComponents], sum = 0.0;
    spherical_harmonics(pairs.shape.max_ell, d[0] / r, d[1] / r, d[2] / r, y);
    const int kind = tiles.run[tile] / pairs.shape.segments;
    for (int m = 0; m < comps; ++m)
      if (first_layer) {
        for (int q = 0; q < kRank; ++q)
          sum += y[m] * column(q, r) *
                 moments_bar[((kind * comps + m) * pass.capacity + place) * kRow + q];
      } else {
        for (int w = 0; w < kWarps; ++w)
          sum += (m == 0 ? r : y[m]) * bar[((tile * kWarps + w) * comps + m) * 4 + e];
      }
    if (wanted & kDensity)
      for (int w = 0; w < kWarps; ++w) sum += density_bar[place * kWarps + w] * column(kRank, r);
    return sum;
  }
  double repulsion(int place, std::int64_t tile, double r) const {
    const int a = tiles.run[tile] / pairs.shape.segments;
    const int b = pairs.receiver_kind[pass.begin + place];
    return kScale * zbl.energy(a, b, atomic_number[a], atomic_number[b], r).value;
  }

  const RandomPairs& pairs;
  cuda::Pass pass;
  bool first_layer;
  PassTiles<Real> tiles;
  std::vector<Real> bar, moments_bar, columns;
  std::vector<double> density_bar;
  ZblSpec zbl;
  std::vector<int> atomic_number;
  double limit = cuda::fixed_limit(4000);
  static constexpr double kScale = 0.7;
};

/// What the kernel adds to.
struct Result {
  std::vector<double> energy, virial, force, node_virial, edge_gradient;
  unsigned flags = 0;
};

std::vector<double> from_fixed(const std::vector<cuda::Fixed>& in) {
  std::vector<double> out;
  for (const auto x : in) out.push_back(cuda::from_fixed(x));
  return out;
}

template <class Real>
cuda::Zbl device_zbl(const Case<Real>& c, const double* radius, const int* atomic_number) {
  cuda::Zbl zbl{};
  zbl.power = c.zbl.power;
  zbl.terms = static_cast<int>(c.zbl.c.size());
  std::copy(c.zbl.c.begin(), c.zbl.c.end(), zbl.c);
  std::copy(c.zbl.d.begin(), c.zbl.d.end(), zbl.d);
  zbl.exponent = c.zbl.exponent;
  zbl.prefactor = c.zbl.prefactor;
  zbl.scale = Case<Real>::kScale;
  zbl.radius = radius;
  zbl.atomic_number = atomic_number;
  return zbl;
}

/// Runs the kernel on sums that begin with 1 everywhere.
template <class Real>
Result run(Case<Real>& c, unsigned wanted) {
  const auto& shape = c.pairs.shape;
  const auto ones = [](std::size_t n) { return Array<double>(std::vector<double>(n, 1.0)); };
  const auto fixed_ones = [](std::size_t n) {
    return Array<cuda::Fixed>(std::vector<cuda::Fixed>(n, cuda::Fixed{1} << 40));
  };
  auto energy = ones(shape.receivers), virial = ones(9 * shape.receivers);
  auto edge_gradient = ones(c.pairs.vector.size());
  auto force = fixed_ones(3 * shape.nodes), node_virial = fixed_ones(9 * shape.nodes);
  const Array<Real> bar(c.bar), moments_bar(c.moments_bar), columns(c.columns);
  const Array<double> density_bar(c.density_bar), radius(c.zbl.radius);
  const Array<int> atomic_number(c.atomic_number);
  Array<unsigned> flags(std::vector<unsigned>{0});
  cuda::EdgeGradients<Real> p{};
  p.pass = c.pass;
  p.pairs = c.pairs.pairs();
  p.at = c.pairs.at();
  p.tiles = c.tiles.view();
  p.max_ell = shape.max_ell;
  p.kinds = shape.kinds;
  p.segments = shape.segments;
  p.warps = p.density_warps = kWarps;
  p.rank = kRank;
  p.row = kRow;
  p.width = kWidth;
  p.columns = c.tiles.far(columns.data(), 8 * kWidth);
  if (c.first_layer)
    p.moments_bar = moments_bar.data();
  else
    p.edge_bar = c.tiles.far(bar.data(), kWarps * c.tiles.comps() * 4);
  if (wanted & kDensity) p.density_bar = density_bar.data();
  if (wanted & kRepulsion) p.zbl = device_zbl(c, radius.data(), atomic_number.data());
  p.energy = energy.data();
  const auto of_nodes = [](auto& array, int size) {
    return check::begin_of_far(array.data(), std::int64_t{check::kFarNode} * size);
  };
  p.force = wanted & kForce ? of_nodes(force, 3) : nullptr;
  p.virial = wanted & kVirial ? virial.data() : nullptr;
  p.node_virial = wanted & kNodeVirial ? of_nodes(node_virial, 9) : nullptr;
  p.edge_gradient = wanted & kEdgeGradient
                        ? check::begin_of_far(edge_gradient.data(), 3 * check::kFarPair)
                        : nullptr;
  p.limit = c.limit;
  p.flags = flags.data();
  cuda::edge_gradients(p, nullptr);
  cuda::check_launch("gradients of edges");
  return {energy.download(),
          virial.download(),
          from_fixed(force.download()),
          from_fixed(node_virial.download()),
          edge_gradient.download(),
          flags.download()[0]};
}

/// The same from differences of the energies.
template <class Real>
Result expected(const Case<Real>& c, unsigned wanted) {
  const auto& shape = c.pairs.shape;
  Result out{std::vector<double>(shape.receivers, 1.0),
             std::vector<double>(9 * shape.receivers, 1.0),
             std::vector<double>(3 * shape.nodes, 1.0), std::vector<double>(9 * shape.nodes, 1.0),
             std::vector<double>(c.pairs.vector.size(), 1.0)};
  const auto length = [](const auto& d) {
    return std::sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  };
  c.tiles.for_edges([&](int place, int receiver, std::int64_t tile, int e, std::int64_t pair) {
    const auto d = c.pairs.edge_vector(receiver, pair);
    const int node = c.pairs.node[receiver], sender = c.pairs.sender[pair];
    const bool repels = (wanted & kRepulsion) && c.first_layer;
    if (repels) out.energy[receiver] += c.repulsion(place, tile, length(d));
    for (int b = 0; b < 3; ++b) {
      const auto at = [&](double x) {
        auto moved = d;
        moved[b] = x;
        return c.energy(place, tile, e, moved, wanted) +
               (repels ? c.repulsion(place, tile, length(moved)) : 0.0);
      };
      const double g = check::difference(at, d[b], 2e-4);
      if (wanted & kEdgeGradient) out.edge_gradient[3 * pair + b] += g;
      if (wanted & kForce) {
        out.force[3 * node + b] += g;
        out.force[3 * sender + b] -= g;
      }
      for (int a = 0; a < 3; ++a) {
        if (wanted & kVirial) out.virial[9 * receiver + 3 * a + b] -= d[a] * g;
        if (wanted & kNodeVirial)
          for (const int end : {node, sender})
            out.node_virial[9 * end + 3 * a + b] -= 0.5 * d[a] * g;
      }
    }
  });
  return out;
}

double error(const std::vector<double>& a, const std::vector<double>& b) {
  Worst worst;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst.keep(std::abs(a[i] - b[i]) / (1.0 + std::abs(b[i])));
  return worst;
}

template <class Real>
void check_case(Case<Real>& c, unsigned wanted) {
  const Result result = run(c, wanted), reference = expected(c, wanted);
  const double bound = 200.0 * check::kEpsilon<Real> + 1e-8;
  CHECK(result.flags == 0);
  CHECK_BELOW(error(result.energy, reference.energy), 1e-12);
  CHECK_BELOW(error(result.force, reference.force), bound);
  CHECK_BELOW(error(result.virial, reference.virial), bound);
  CHECK_BELOW(error(result.node_virial, reference.node_virial), bound);
  CHECK_BELOW(error(result.edge_gradient, reference.edge_gradient), bound);
}

}  // namespace

TEST(gradients_of_random_pairs) {
  check::for_precisions([]<class Real>() {
    check::for_orders([] {
      Random random(1);
      for (int round = 0; round < 12; ++round) {
        Shape shape;
        shape.receivers = round == 0 ? 1 : 3 + round;
        shape.nodes = shape.receivers + 3;
        shape.kinds = 1 + round % 3;
        shape.segments = 1 + round % 4;
        shape.most_pairs = 15 * round + 20;
        shape.max_ell = round % 4;
        shape.vectors = round % 3 == 1;
        const RandomPairs pairs(shape, random);
        for (const bool first_layer : {false, true}) {
          Case<Real> all(pairs, {0, shape.receivers, shape.receivers + 1}, first_layer, random);
          check_case(all, kAll);
          check_case(all, kForce | kRepulsion);
          if (round == 0) continue;
          Case<Real> some(pairs, {1, 2, 3}, first_layer, random);
          check_case(some, kVirial);
          check_case(some, kNodeVirial | kDensity);
          check_case(some, kEdgeGradient);
        }
      }
    });
  });
}

TEST(gradients_that_do_not_fit) {
  Random random(2);
  const RandomPairs pairs({.receivers = 4, .nodes = 4}, random);
  for (const double wrong : {std::nan(""), std::numeric_limits<double>::infinity(), -1e9}) {
    Case<double> c(pairs, {0, 4, 4}, false, random);
    std::int64_t broken = -1, tile_of = 0;
    c.tiles.for_edges([&](int, int, std::int64_t tile, int e, std::int64_t pair) {
      if (broken >= 0 || e != 1) return;
      broken = pair;
      tile_of = tile;
    });
    const Result before = run(c, kAll);
    c.bar[tile_of * kWarps * c.tiles.comps() * 4 + 1] = wrong;
    const Result after = run(c, kAll);
    CHECK(before.flags == 0 && after.flags == cuda::kNotFinite);
    for (std::size_t i = 0; i < after.edge_gradient.size(); ++i)
      CHECK(after.edge_gradient[i] ==
            (static_cast<std::int64_t>(i) / 3 == broken ? 1.0 : before.edge_gradient[i]));
    for (const double x : after.force) CHECK(std::abs(x) < 1e6);
    for (const double x : after.virial) CHECK(std::abs(x) < 1e6);
  }
}

/// Integers where many warps add, fixed orders elsewhere: the same bits in whatever order they run.
TEST(gradients_repeat) {
  Random random(3);
  const RandomPairs pairs({.receivers = 9, .nodes = 10, .most_pairs = 120}, random);
  for (const bool first_layer : {false, true}) {
    Case<float> c(pairs, {0, 9, 9}, first_layer, random);
    const Result once = run(c, kAll);
    check::for_orders([&] {
      const Result again = run(c, kAll);
      CHECK(again.force == once.force && again.virial == once.virial);
      CHECK(again.node_virial == once.node_virial && again.energy == once.energy);
      CHECK(again.edge_gradient == once.edge_gradient);
    });
  }
}

/// Many receivers with one edge each add the same to one sender.
TEST(gradients_do_not_wrap_around) {
  constexpr int kReceivers = 60;
  Random random(4);
  RandomPairs pairs({.receivers = kReceivers,
                     .nodes = kReceivers + 1,
                     .kinds = 1,
                     .segments = 1,
                     .most_pairs = 0,
                     .vectors = true},
                    random);
  const int all = kReceivers * (kReceivers + 1) / 2;
  const int sender = all - std::accumulate(pairs.node.begin(), pairs.node.end(), 0);
  pairs.first_pair = pairs.first_tile = {0};
  for (int i = 0; i < kReceivers; ++i) {
    pairs.sender.push_back(sender);
    pairs.sender_atom.push_back(0);
    pairs.vector.insert(pairs.vector.end(), {2.0, 0.0, 0.0});
    pairs.first_pair.push_back(i + 1);
    pairs.first_tile.push_back(i + 1);
  }
  pairs.upload();
  Case<double> c(pairs, {0, kReceivers, kReceivers}, false, random);
  c.limit = cuda::fixed_limit(kReceivers + 1);
  for (const double each : {0.99 * c.limit, 1.01 * c.limit, 240000.0}) {
    std::fill(c.bar.begin(), c.bar.end(), 0.0);
    for (int i = 0; i < kReceivers; ++i) c.bar[i * kWarps * c.tiles.comps() * 4] = each;
    const Result found = run(c, kForce);
    const bool fits = each < c.limit;
    CHECK(found.flags == (fits ? 0u : cuda::kNotFinite));
    CHECK_BELOW(std::abs(found.force[3 * sender] - (fits ? 1.0 - kReceivers * each : 1.0)), 1e-6);
  }
}
