// SPDX-License-Identifier: MIT
// Moments of layer 0 against sums over the edges.
#include "check.hpp"
#include "orders.hpp"
#include "random_pairs.hpp"

using namespace mdbench;
using namespace cuda_test;
using check::Random;
using check::Worst;

namespace {

struct Rows {
  int rank, row;
};

template <class Real>
void check_moments(const RandomPairs& pairs, const Rows& rows, const cuda::Pass& pass,
                   Random& random) {
  PassTiles<Real> tiles(pairs, pass);
  tiles.make();
  const int width = rows.rank + 1, comps = tiles.comps(), kinds = pairs.shape.kinds;
  std::vector<Real> u(tiles.tiles() * 8 * width);
  random.fill(u);
  // the slopes and the density are not to be read
  for (std::size_t i = 0; i < u.size(); ++i)
    if (i / 4 % (2 * width) >= static_cast<std::size_t>(rows.rank)) u[i] = std::nan("");
  const Array<Real> columns(u);
  const std::size_t size = static_cast<std::size_t>(kinds) * comps * pass.capacity * rows.row;
  auto out = poisoned<Real>(size);
  cuda::moments<Real>(
      {pass, pairs.pairs(), tiles.view(), kinds, pairs.shape.segments, comps, rows.rank, width,
       rows.row, tiles.far(columns.data(), 8 * width), out.data()},
      nullptr);
  cuda::check_launch("moments");
  const auto index = [&](int kind, int m, int place, int q) {
    return ((static_cast<std::size_t>(kind) * comps + m) * pass.capacity + place) * rows.row + q;
  };
  std::vector<double> expected(size, std::nan("")), magnitude(size, 0.0);
  for (int kind = 0; kind < kinds; ++kind)
    for (int m = 0; m < comps; ++m)
      for (int place = 0; place < pass.count; ++place)
        for (int q = 0; q < rows.row; ++q) expected[index(kind, m, place, q)] = 0.0;
  tiles.for_edges([&](int place, int, std::int64_t tile, int e, std::int64_t pair) {
    for (int m = 0; m < comps; ++m)
      for (int q = 0; q < rows.rank; ++q) {
        const double term = static_cast<double>(u[(tile * 2 * width + q) * 4 + e]) *
                            static_cast<double>(tiles.harmonics[(tile * comps + m) * 4 + e]);
        expected[index(pairs.sender_kind(pair), m, place, q)] += term;
        magnitude[index(pairs.sender_kind(pair), m, place, q)] += std::abs(term);
      }
  });
  Worst worst;
  const auto result = out.download();
  for (std::size_t i = 0; i < size; ++i) {
    if (std::isnan(expected[i]))
      CHECK(std::isnan(result[i]));
    else if (magnitude[i] == 0.0)
      CHECK(result[i] == Real(0));
    else
      worst.keep(std::abs(result[i] - expected[i]) / magnitude[i]);
  }
  CHECK_BELOW(worst, 20.0 * check::kEpsilon<Real>);
}

}  // namespace

TEST(moments_of_random_pairs) {
  check::for_precisions([]<class Real>() {
    check::for_orders([] {
      Random random(1);
      const Rows all[] = {{1, 4},   {7, 8},   {8, 8},   {17, 20}, {24, 24}, {25, 32}, {33, 36},
                          {40, 40}, {41, 48}, {53, 56}, {61, 64}, {70, 72}, {5, 40}};
      for (int round = 0; round < 13; ++round)
        for (int max_ell = 0; max_ell <= 3; ++max_ell) {
          Shape shape;
          shape.receivers = round == 0 ? 1 : 3 + round % 4;
          shape.nodes = shape.receivers + 2;
          shape.kinds = 1 + (round + max_ell) % 4;
          shape.segments = 1 + round % 5;
          shape.most_pairs = 70;
          shape.max_ell = max_ell;
          const RandomPairs pairs(shape, random);
          check_moments<Real>(pairs, all[round], {0, shape.receivers, shape.receivers}, random);
          if (round % 4 == 1) check_moments<Real>(pairs, all[round], {1, 2, 4}, random);
        }
    });
  });
}

TEST(moments_of_many_kinds) {
  Random random(2);
  Shape shape{.receivers = 3, .nodes = 150, .kinds = 89, .segments = 2, .most_pairs = 300};
  check_moments<float>(RandomPairs(shape, random), {9, 12}, {0, 3, 3}, random);
}
