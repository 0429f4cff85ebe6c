// SPDX-License-Identifier: MIT
// Tiles of edges against lists made the slow way.
#include <limits>

#include "check.hpp"
#include "harmonics.hpp"
#include "orders.hpp"
#include "random_pairs.hpp"

using namespace mdbench;
using namespace cuda_test;
using check::Random;
using check::Worst;

namespace {

constexpr double kShortest = 0.4;

int segment_of(const Shape& shape, double r) {
  const double x = (r - kShortest) / (shape.cutoff - kShortest) * shape.segments;
  return std::clamp(static_cast<int>(x), 0, shape.segments - 1);
}

/// Pairs of a receiver, less the first, tile by tile; -1 in empty places.
struct Expected {
  std::vector<int> run, pair;
  int edges = 0;

  Expected(const RandomPairs& random, int receiver) {
    const auto& shape = random.shape;
    const std::int64_t first = random.first_pair[receiver];
    for (int kind = 0; kind < shape.kinds; ++kind)
      for (int segment = 0; segment < shape.segments; ++segment) {
        const std::size_t before = pair.size();
        for (std::int64_t i = first; i < random.first_pair[receiver + 1]; ++i) {
          const double r = random.distance(receiver, i);
          if (r < shape.cutoff && random.sender_kind(i) == kind && segment_of(shape, r) == segment)
            pair.push_back(static_cast<int>(i - first));
        }
        edges += static_cast<int>(pair.size() - before);
        while (pair.size() % 4 != 0) pair.push_back(-1);
        run.resize(pair.size() / 4, kind * shape.segments + segment);
      }
  }
};

/// What a place holds besides its pair.
template <class Real>
void check_place(const RandomPairs& random, const PassTiles<Real>& tiles, int receiver,
                 std::int64_t at) {
  const bool empty = tiles.pair[at] < 0;
  double y[kMaxComponents] = {};
  double r = random.shape.cutoff;
  int sender = random.node[receiver];
  if (!empty) {
    const std::int64_t pair = random.first_pair[receiver] + tiles.pair[at];
    const auto d = random.edge_vector(receiver, pair);
    r = random.distance(receiver, pair);
    sender = random.sender[pair];
    spherical_harmonics(random.shape.max_ell, d[0] / r, d[1] / r, d[2] / r, y);
  }
  CHECK(tiles.sender[at] == sender);
  CHECK_BELOW(std::abs(tiles.distance[at] - r), 1e-14);
  Worst worst;
  for (int m = 0; m < tiles.comps(); ++m) {
    const double value = tiles.harmonics[(at / 4 * tiles.comps() + m) * 4 + at % 4];
    empty ? CHECK(value == 0.0) : worst.add(value, y[m]);
  }
  CHECK_BELOW(worst, 4.0 * check::kEpsilon<Real> + 1e-14);
}

template <class Real>
void check_pass(const RandomPairs& random, const cuda::Pass& pass) {
  PassTiles<Real> tiles(random, pass);
  tiles.make();
  CHECK(tiles.flags == 0);
  for (int place = 0; place < pass.count; ++place) {
    const int receiver = pass.begin + place;
    const Expected expected(random, receiver);
    const std::int64_t first = tiles.first(place), count = expected.run.size();
    CHECK(tiles.edges[receiver] == expected.edges);
    CHECK(tiles.count[place] == count);
    if (tiles.count[place] != count) continue;
    CHECK(std::equal(expected.run.begin(), expected.run.end(), tiles.run.begin() + first));
    CHECK(std::equal(expected.pair.begin(), expected.pair.end(), tiles.pair.begin() + 4 * first));
    for (std::int64_t at = 4 * first; at < 4 * (first + count); ++at)
      check_place(random, tiles, receiver, at);
    // the rest of the room is not touched
    for (std::int64_t tile = first + count; tile < tiles.first(place + 1); ++tile)
      CHECK(tiles.run[tile] == -1 && std::isnan(tiles.distance[4 * tile]));
  }
  for (int i = 0; i < random.shape.receivers; ++i)
    if (i < pass.begin || i >= pass.begin + pass.count) CHECK(tiles.edges[i] == -1);
  for (int place = pass.count; place < pass.capacity; ++place) CHECK(tiles.count[place] == -1);
}

/// A receiver with one sender, at a vector.
RandomPairs one_pair(const std::array<double, 3>& d, bool vectors) {
  Random random(3);
  Shape shape{.receivers = 1, .nodes = 1, .kinds = 1, .segments = 4, .most_pairs = 0};
  shape.vectors = vectors;
  RandomPairs pairs(shape, random);
  pairs.sender = {0};
  pairs.sender_atom = {1};
  pairs.first_pair = {0, 1};
  pairs.first_tile = {0, 1};
  pairs.position = {0.0, 0.0, 0.0, d[0], d[1], d[2]};
  pairs.vector = {d[0], d[1], d[2]};
  pairs.upload();
  return pairs;
}

}  // namespace

TEST(room_for_tiles) {
  // the worst of all ways to deal pairs to segments
  for (int segments = 1; segments <= 9; ++segments)
    for (int pairs = 0; pairs <= 60; ++pairs) {
      int worst = 0;
      for (int used = 1; used <= std::min(segments, pairs); ++used)
        // each has one but the first
        worst = std::max(worst, used - 1 + (pairs - used + 1 + 3) / 4);
      CHECK(cuda::tile_room(pairs, segments) >= worst);
      CHECK(cuda::tile_room(pairs, segments) <= (pairs + 3) / 4 + std::min(pairs, segments));
    }
  CHECK(cuda::tile_room(0, 8) == 0 && cuda::tile_room(1, 8) == 1 && cuda::tile_room(5, 1) == 2);
}

TEST(tiles_of_random_pairs) {
  check::for_precisions([]<class Real>() {
    check::for_orders([] {
      Random random(1);
      for (int round = 0; round < 12; ++round) {
        Shape shape;
        shape.receivers = round == 0 ? 1 : 3 + 2 * round;
        shape.nodes = shape.receivers + 4;
        shape.kinds = 1 + round % 4;
        shape.segments = 1 + round % 8;
        shape.most_pairs = 30 * round + 5;
        shape.max_ell = round % 4;
        shape.vectors = round % 3 == 2;
        const RandomPairs pairs(shape, random);
        check_pass<Real>(pairs, {0, shape.receivers, shape.receivers});
        if (round == 0) continue;
        check_pass<Real>(pairs, {2, shape.receivers - 2, shape.receivers + 5});
        check_pass<Real>(pairs, {1, 1, 3});
        check_pass<Real>(pairs, {shape.receivers, 0, 2});
      }
    });
  });
}

TEST(tiles_of_many_kinds) {
  Random random(2);
  Shape shape{.receivers = 9, .nodes = 400, .kinds = 89, .segments = 8, .most_pairs = 300};
  shape.max_ell = 1;
  check_pass<float>(RandomPairs(shape, random), {0, 9, 9});
}

TEST(tiles_at_the_cutoff) {
  for (const bool vectors : {false, true}) {
    const double below = std::nextafter(3.0, 0.0);
    RandomPairs pairs = one_pair({0.0, 3.0, 0.0}, vectors);
    PassTiles<float> outside(pairs, {0, 1, 1});
    outside.make();
    CHECK(outside.flags == 0 && outside.edges[0] == 0 && outside.count[0] == 0);
    pairs = one_pair({0.0, 0.0, below}, vectors);
    PassTiles<float> inside(pairs, {0, 1, 1});
    inside.make();
    CHECK(inside.flags == 0 && inside.edges[0] == 1 && inside.run[0] == 3);
    pairs = one_pair({-kShortest, 0.0, 0.0}, vectors);
    PassTiles<float> shortest(pairs, {0, 1, 1});
    shortest.make();
    CHECK(shortest.flags == 0 && shortest.edges[0] == 1 && shortest.run[0] == 0);
  }
}

TEST(tiles_of_edges_that_are_too_short) {
  for (const bool vectors : {false, true})
    for (const double r : {0.0, 1e-9, 0.39}) {
      const RandomPairs pairs = one_pair({0.0, r, 0.0}, vectors);
      PassTiles<double> tiles(pairs, {0, 1, 1});
      tiles.make();
      CHECK(tiles.flags == cuda::kTooClose && tiles.edges[0] == 1 && tiles.run[0] == 0);
      CHECK(tiles.distance[0] == kShortest);
      for (int m = 0; m < tiles.comps(); ++m) CHECK(std::isfinite(tiles.harmonics[4 * m]));
    }
}

TEST(tiles_of_coordinates_that_are_not_numbers) {
  for (const double wrong : {std::nan(""), std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity()})
    for (const bool vectors : {false, true}) {
      RandomPairs pairs = one_pair({1.0, wrong, 0.0}, vectors);
      PassTiles<float> tiles(pairs, {0, 1, 1});
      tiles.make();
      CHECK(tiles.flags == cuda::kNotFinite && tiles.edges[0] == 0);
      // an atom that is alone
      pairs = one_pair({2.9, 2.9, 2.9}, false);
      pairs.position[1] = wrong;
      pairs.first_pair = {0, 0};
      pairs.upload();
      PassTiles<float> alone(pairs, {0, 1, 1});
      alone.make();
      CHECK(alone.flags == cuda::kNotFinite && alone.edges[0] == 0);
    }
}

TEST(tiles_that_lack_room) {
  Random random(4);
  RandomPairs pairs({.receivers = 3, .most_pairs = 200}, random);
  const Expected expected(pairs, 0);
  CHECK(expected.run.size() > 2);
  // the middle receiver's room begins after two tiles of the first's
  for (std::size_t i = 1; i < pairs.first_tile.size(); ++i)
    pairs.first_tile[i] += 2 - static_cast<std::int64_t>(expected.run.size());
  pairs.first_tile[1] = 2;
  pairs.upload();
  PassTiles<float> tiles(pairs, {0, 1, 1});
  tiles.make();
  CHECK(tiles.flags == cuda::kNoRoom && tiles.count[0] == 2);
  CHECK(std::equal(tiles.pair.begin(), tiles.pair.end(), expected.pair.begin()));
}
