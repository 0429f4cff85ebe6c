// SPDX-License-Identifier: MIT
// Columns of the radial tables against the tables themselves.
#include <memory>

#include "check.hpp"
#include "orders.hpp"
#include "radial.hpp"
#include "random_pairs.hpp"

using namespace mdbench;
using namespace cuda_test;
using check::Random;
using check::Worst;

namespace {

RadialNetwork::Layer random_layer(int inputs, int outputs, Random& random) {
  RadialNetwork::Layer layer{inputs, outputs, std::vector<double>(inputs * outputs)};
  random.fill(layer.weight, -0.5, 0.5);
  return layer;
}

/// A layer's tables for all pairs of kinds, on the host and on the device.
template <class Real>
class LayerTables {
 public:
  LayerTables(int kinds, int segments, double cutoff, Random& random)
      : kinds_(kinds), segments_(segments) {
    spec_.cutoff = cutoff;
    spec_.prefactor = std::sqrt(2.0 / cutoff);
    for (int k = 0; k < 4; ++k) spec_.frequencies.push_back((k + 1) * 3.141592653589793 / cutoff);
    for (int a = 0; a < kinds; ++a)
      for (int b = 0; b < kinds; ++b) {
        // pairs share tables where they may: here each with its mirror image
        if (b < a) {
          table_of_pair_.push_back(table_of_pair_[b * kinds + a]);
          continue;
        }
        table_of_pair_.push_back(static_cast<int>(tables_.size()));
        add_table(random);
      }
    for (const auto& table : tables_) rank_ = std::max(rank_, table->rank());
    for (const auto& table : tables_) upload(*table);
    table_.upload(views_);
    pairs_.upload(table_of_pair_);
  }

  int width() const { return rank_ + 1; }
  int segments() const { return segments_; }
  cuda::Tables<Real> view() const {
    return {kinds_, segments_, rank_, width(), table_.data(), pairs_.data()};
  }
  /// Columns and slopes at a distance, from the pieces of a segment.
  void evaluate(int pair, int segment, double r, std::vector<double> (&columns)[2]) const {
    const RadialTable& table = *tables_[table_of_pair_[pair]];
    const int per = table.pieces_per_segment(), w = table.width();
    const double x = (r - RadialTable::kShortest) / table.piece_length();
    const int piece = std::clamp(static_cast<int>(x), segment * per, segment * per + per - 1);
    const double t = 2.0 * (x - piece) - 1.0;
    for (auto& c : columns) c.assign(width(), 0.0);
    for (int q = 0; q < w; ++q)
      for (int i = 0; i <= RadialTable::kDegree; ++i) {
        const double c = table.coefficients()[(piece * (RadialTable::kDegree + 1) + i) * w + q];
        const int to = q == table.rank() ? rank_ : q;
        columns[0][to] += c * std::pow(t, i);
        if (i > 0) columns[1][to] += c * i * std::pow(t, i - 1) * 2.0 / table.piece_length();
      }
  }
  /// Whether rounding puts a distance in another segment than the tiles do.
  bool rounds_away(int segment, double r) const {
    const RadialTable& table = *tables_[0];
    const int piece = static_cast<int>((r - RadialTable::kShortest) / table.piece_length());
    return piece / table.pieces_per_segment() != segment;
  }

 private:
  void add_table(Random& random) {
    auto network = std::make_unique<RadialNetwork>();
    const int features = 3 + random.below(6);  // tables of different ranks
    network->hidden.push_back(random_layer(4, features, random));
    network->last = random_layer(features, 10, random);
    network->density.last = random_layer(4, 1, random);
    exact_.push_back(std::make_unique<ExactRadial>(spec_, *network, ElementPair{0, 0}));
    metrics_.push_back(std::make_unique<OrthogonalRows>(network->last));
    tables_.push_back(std::make_unique<RadialTable>(*exact_.back(), *metrics_.back(), spec_.cutoff,
                                                    segments_, 1e-7));
    networks_.push_back(std::move(network));
  }
  void upload(const RadialTable& table) {
    const int rows = table.num_pieces() * (RadialTable::kDegree + 1);
    std::vector<Real> c(static_cast<std::size_t>(rows) * width(), Real(0));
    for (int i = 0; i < rows; ++i)
      for (int q = 0; q < table.width(); ++q)
        c[static_cast<std::size_t>(i) * width() + (q == table.rank() ? rank_ : q)] =
            static_cast<Real>(
                table.coefficients()[static_cast<std::size_t>(i) * table.width() + q]);
    coefficients_.emplace_back(c);
    views_.push_back(
        {table.pieces_per_segment(), 1.0 / table.piece_length(), coefficients_.back().data()});
  }

  int kinds_, segments_, rank_ = 0;
  RadialSpec spec_;
  std::vector<std::unique_ptr<RadialNetwork>> networks_;
  std::vector<std::unique_ptr<ExactRadial>> exact_;
  std::vector<std::unique_ptr<OrthogonalRows>> metrics_;
  std::vector<std::unique_ptr<RadialTable>> tables_;
  std::vector<int> table_of_pair_;
  std::vector<Array<Real>> coefficients_;
  std::vector<cuda::Table<Real>> views_;
  Array<cuda::Table<Real>> table_;
  Array<int> pairs_;
};

/// Returns how many edges rounding would have put in another segment.
template <class Real>
int check_columns(const RandomPairs& pairs, const LayerTables<Real>& tables, const cuda::Pass& pass,
                  bool with_density) {
  PassTiles<Real> tiles(pairs, pass);
  tiles.make();
  const int width = tables.width();
  auto columns = poisoned<Real>(tiles.tiles() * 8 * width);
  auto density = poisoned<double>(pass.capacity);
  cuda::radial_columns<Real>(
      {pass, pairs.pairs(), tiles.view(), tables.view(), pairs.shape.segments,
       tiles.far(columns.data(), 8 * width), with_density ? density.data() : nullptr},
      nullptr);
  cuda::check_launch("radial columns");
  const auto out = columns.download();
  const auto n = density.download();
  Worst value_error, slope_error, density_error;
  std::vector<double> sum(pass.count, 1.0), expected[2];
  int wrong = 0, away = 0;
  const auto at = [&](std::int64_t tile, int part, int q, int e) {
    return static_cast<double>(out[((tile * 2 + part) * width + q) * 4 + e]);
  };
  tiles.for_edges([&](int place, int receiver, std::int64_t tile, int e, std::int64_t pair) {
    const int kinds = pairs.receiver_kind[receiver] * pairs.shape.kinds + pairs.sender_kind(pair);
    const int segment = tables.segments() == 1 ? 0 : tiles.run[tile] % pairs.shape.segments;
    const double r = pairs.distance(receiver, pair);
    away += tables.segments() > 1 && tables.rounds_away(segment, r) ? 1 : 0;
    tables.evaluate(kinds, segment, r, expected);
    for (int q = 0; q < width; ++q) {
      value_error.keep(std::abs(at(tile, 0, q, e) - expected[0][q]) /
                       (1.0 + std::abs(expected[0][q])));
      slope_error.keep(std::abs(at(tile, 1, q, e) - expected[1][q]) /
                       (10.0 + std::abs(expected[1][q])));
    }
    sum[place] += expected[0][width - 1];
  });
  for (int place = 0; place < pass.count; ++place) {
    for (std::int64_t tile = tiles.first(place); tile < tiles.first(place + 1); ++tile)
      for (int e = 0; e < 4; ++e)
        for (int i = 0; i < 2 * width; ++i) {
          const double x = at(tile, i / width, i % width, e);
          if (tile >= tiles.first(place) + tiles.count[place])
            CHECK(std::isnan(x));
          else if (tiles.pair[4 * tile + e] < 0)
            wrong += x == 0.0 ? 0 : 1;
        }
    with_density ? density_error.add(n[place], sum[place]) : CHECK(std::isnan(n[place]));
  }
  for (int place = pass.count; place < pass.capacity; ++place) CHECK(std::isnan(n[place]));
  CHECK(wrong == 0);
  CHECK_BELOW(value_error, 20.0 * check::kEpsilon<Real>);
  CHECK_BELOW(slope_error, 200.0 * check::kEpsilon<Real>);
  CHECK_BELOW(density_error, 100.0 * check::kEpsilon<Real>);
  return away;
}

}  // namespace

TEST(columns_of_tables) {
  check::for_precisions([]<class Real>() {
    check::for_orders([] {
      Random random(1);
      for (int round = 0; round < 5; ++round) {
        Shape shape;
        shape.receivers = round == 0 ? 1 : 4 + 2 * round;
        shape.nodes = shape.receivers + 3;
        shape.kinds = 1 + round % 3;
        shape.segments = 1 + 2 * round;
        shape.most_pairs = 60;
        shape.max_ell = 1;
        const RandomPairs pairs(shape, random);
        // the layer's own segments, or one where the tiles were made with more
        for (const int segments : {shape.segments, 1}) {
          const LayerTables<Real> tables(shape.kinds, segments, shape.cutoff, random);
          check_columns(pairs, tables, {0, shape.receivers, shape.receivers}, true);
          if (round > 0) check_columns(pairs, tables, {2, 2, 5}, segments == 1);
        }
      }
    });
  });
}

/// Next to the borders of segments the tile's segment decides which piece is taken: the columns of
/// another segment belong to other rows V.
TEST(columns_at_the_borders_of_segments) {
  Random random(2);
  int away = 0;
  for (int segments = 2; segments <= 8; ++segments) {
    Shape shape{.receivers = 1, .nodes = 1, .kinds = 1, .segments = segments, .most_pairs = 0};
    shape.vectors = true;
    RandomPairs pairs(shape, random);
    const double length = (shape.cutoff - RadialTable::kShortest) / segments;
    for (int border = 1; border < segments; ++border)
      for (int side = -3; side <= 3; ++side) {
        const double r = (RadialTable::kShortest + border * length) * (1.0 + side * 1.2e-16);
        pairs.vector.insert(pairs.vector.end(), {0.0, r, 0.0});
        pairs.sender.push_back(0);
        pairs.sender_atom.push_back(0);
      }
    const auto count = static_cast<int>(pairs.sender.size());
    pairs.first_pair = {0, count};
    pairs.first_tile = {0, cuda::tile_room(count, segments)};
    pairs.upload();
    const LayerTables<double> tables(1, segments, shape.cutoff, random);
    away += check_columns(pairs, tables, {0, 1, 1}, true);
  }
  CHECK(away > 0);
}
