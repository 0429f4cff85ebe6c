// SPDX-License-Identifier: MIT
// Random tiles, radial rows and couplings for the tests of the edge product, and the same sums
// written as they are in the books: in double, edge by edge, coupling by coupling.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "edge_units.hpp"
#include "far.hpp"
#include "layout.hpp"
#include "memory.hpp"
#include "numeric.hpp"

namespace edge_test {

using namespace mdbench::cuda;
using check::Random;
using Paths = std::vector<std::array<int, 3>>;

struct Shape {
  int sender_l, max_ell, rank, channels;
  int kinds = 2, segments = 3, receivers = 5, begin = 1, count = 3;
  bool all_parities = false;
};

inline Paths paths_of(const Shape& shape) {
  Paths paths;
  for (int l1 = 0; l1 <= shape.sender_l; ++l1)
    for (int l2 = 0; l2 <= shape.max_ell; ++l2)
      for (int l3 = std::abs(l1 - l2); l3 <= std::min(l1 + l2, shape.max_ell); ++l3)
        if (shape.all_parities || (l1 + l2 + l3) % 2 == 0) paths.push_back({l1, l2, l3});
  return paths;
}

struct Coupling {
  int path, m1, m2, row;
  double value;
};

struct Edge {
  int place, sender, tile, lane, run;
};

/// Numbers of one case, in double but exact in Real.
template <class Real>
struct EdgeCase {
  Shape shape;
  Random random;
  Paths paths = paths_of(shape);
  EdgeUnits made = make_units(paths);
  std::vector<Coupling> couplings;
  int rows = 0, nodes = 11, tables, width = shape.rank + 1;
  int comps = (shape.max_ell + 1) * (shape.max_ell + 1);
  int sender_comps = (shape.sender_l + 1) * (shape.sender_l + 1);
  std::vector<int> node, receiver_kind, table_of_pair, run_rank, tiles_of, run, sender, pair;
  std::vector<std::int64_t> first_tile{0};
  std::vector<Edge> edges;
  std::vector<Real> u, y, h, v, bar;  // bar: dE/d(message)
  std::vector<SlotCoupling<Real>> by_row, by_slot;
  Pass pass{shape.begin, shape.count, shape.count + 2};

  EdgeCase(const Shape& s, unsigned seed) : shape(s), random(seed) {
    tables = shape.kinds * (shape.kinds + 1) / 2;
    make_couplings();
    make_tiles();
    make_rows();
    h.resize(static_cast<std::size_t>(nodes) * sender_comps * shape.channels);
    bar.assign(static_cast<std::size_t>(rows) * pass.capacity * shape.channels, nan());
    random.fill(h);
    for (int row = 0; row < rows; ++row)
      for (int place = 0; place < pass.count; ++place)
        for (int k = 0; k < shape.channels; ++k)
          bar[at_message(row, place, k)] = static_cast<Real>(random.uniform());
  }

  static Real nan() { return std::numeric_limits<Real>::quiet_NaN(); }
  std::size_t at_message(int row, int place, int k) const {
    return (static_cast<std::size_t>(row) * pass.capacity + place) * shape.channels + k;
  }
  std::size_t at_h(int sender_node, int component, int k) const {
    return (static_cast<std::size_t>(sender_node) * sender_comps + component) * shape.channels + k;
  }
  std::size_t at_v(int table, int path, int q, int k) const {
    const int position = static_cast<int>(std::find(made.order.begin(), made.order.end(), path) -
                                          made.order.begin());
    const std::size_t block = static_cast<std::size_t>(table) * (shape.channels / 32) + k / 32;
    return ((block * paths.size() + position) * radial_rows(shape.rank) + q) * 32 + k % 32;
  }
  std::size_t at_u(int tile, int slope, int q, int lane) const {
    return ((static_cast<std::size_t>(tile) * 2 + slope) * width + q) * kTile + lane;
  }
  std::size_t at_y(int tile, int m, int lane) const {
    return (static_cast<std::size_t>(tile) * comps + m) * kTile + lane;
  }
  int most_of_sender() const {
    std::vector<int> of_sender(nodes);
    for (const Edge& e : edges) ++of_sender[e.sender];
    return std::ranges::max(of_sender);
  }
  int index_of_run(const Edge& e) const {
    const int kind = receiver_kind[pass.begin + e.place];
    return table_of_pair[kind * shape.kinds + e.run / shape.segments] * shape.segments +
           e.run % shape.segments;
  }

  /// R_p (slope = 0) or dR_p/dr of an edge.
  double radial(const Edge& e, int slope, int path, int k) const {
    const int index = index_of_run(e);
    double sum = 0.0;
    for (int q = 0; q < run_rank[index]; ++q)
      sum += double(u[at_u(e.tile, slope, q, e.lane)]) * v[at_v(index, path, q, k)];
    return sum;
  }

  std::vector<double> messages() const {
    std::vector<double> out(static_cast<std::size_t>(rows) * pass.capacity * shape.channels, 0.0);
    for (const Edge& e : edges)
      for (int path = 0; path < static_cast<int>(paths.size()); ++path)
        for (int k = 0; k < shape.channels; ++k) {
          const auto [l1, l2, l3] = paths[path];
          const double r = radial(e, 0, path, k);
          for (const Coupling& c : couplings)
            if (c.path == path)
              out[at_message(c.row, e.place, k)] += c.value * r *
                                                    h[at_h(e.sender, l1 * l1 + c.m1, k)] *
                                                    y[at_y(e.tile, l2 * l2 + c.m2, e.lane)];
        }
    return out;
  }

  struct Gradients {
    std::vector<double> h;     ///< as h
    std::vector<double> edge;  ///< [tile][K / 32][component][4]
  };
  std::size_t at_edge(const Edge& e, int block, int component) const {
    return ((static_cast<std::size_t>(e.tile) * (shape.channels / 32) + block) * comps +
            component) *
               kTile +
           e.lane;
  }
  /// Of sum bar * message.
  Gradients gradients() const {
    Gradients g{std::vector<double>(h.size(), 0.0),
                std::vector<double>(run.size() * (shape.channels / 32) * comps * kTile, 0.0)};
    for (const Edge& e : edges)
      for (int path = 0; path < static_cast<int>(paths.size()); ++path)
        for (int k = 0; k < shape.channels; ++k) {
          const auto [l1, l2, l3] = paths[path];
          const double r = radial(e, 0, path, k), slope = radial(e, 1, path, k);
          for (const Coupling& c : couplings) {
            if (c.path != path) continue;
            const double along = c.value * bar[at_message(c.row, e.place, k)];
            const double x = h[at_h(e.sender, l1 * l1 + c.m1, k)];
            const double ym = y[at_y(e.tile, l2 * l2 + c.m2, e.lane)];
            g.h[at_h(e.sender, l1 * l1 + c.m1, k)] += along * r * ym;
            g.edge[at_edge(e, k / 32, 0)] += along * slope * x * ym;
            if (l2 > 0) g.edge[at_edge(e, k / 32, l2 * l2 + c.m2)] += along * r * x;
          }
        }
    return g;
  }

 private:
  /// Two or three terms a row, so that some slots have none.
  void make_couplings() {
    for (int p = 0; p < static_cast<int>(paths.size()); ++p) {
      const auto [l1, l2, l3] = paths[p];
      for (int m3 = 0; m3 <= 2 * l3; ++m3, ++rows)
        for (int i = 0; i < 2 + random.below(2); ++i) {
          const int m1 = random.below(2 * l1 + 1), m2 = random.below(2 * l2 + 1);
          const auto same = [&](const Coupling& c) {
            return c.row == rows && c.m1 == m1 && c.m2 == m2;
          };
          if (std::find_if(couplings.begin(), couplings.end(), same) == couplings.end())
            couplings.push_back({p, m1, m2, rows, double(Real(random.uniform()))});
        }
    }
    for (const Coupling& c : couplings)
      by_slot.push_back({made.first_slot[c.path] + c.m1 * (2 * paths[c.path][1] + 1) + c.m2, c.row,
                         static_cast<Real>(c.value)});
    const auto slot_first = [](const auto& a, const auto& b) {
      return std::tie(a.slot, a.row) < std::tie(b.slot, b.row);
    };
    const auto row_first = [](const auto& a, const auto& b) {
      return std::tie(a.row, a.slot) < std::tie(b.row, b.slot);
    };
    std::sort(by_slot.begin(), by_slot.end(), slot_first);
    for (EdgeUnit& unit : made.units) {
      unit.first_coupling = static_cast<int>(by_row.size());
      const int last = unit.first_slot + unit.paths * (2 * unit.l1 + 1) * (2 * unit.l2 + 1);
      for (const auto& c : by_slot)
        if (c.slot >= unit.first_slot && c.slot < last) by_row.push_back(c);
      std::sort(by_row.begin() + unit.first_coupling, by_row.end(), row_first);
      unit.last_coupling = static_cast<int>(by_row.size());
    }
  }

  /// Receivers have none, one, some or more than 32 tiles, with holes; the places after the tiles
  /// of a receiver hold what would show.
  void make_tiles() {
    for (int a = 0, next = 0; a < shape.kinds; ++a)
      for (int b = 0; b < shape.kinds; ++b)
        table_of_pair.push_back(a <= b ? next++ : table_of_pair[b * shape.kinds + a]);
    for (int i = 0; i < shape.receivers; ++i) {
      node.push_back((3 * i + 1) % nodes);
      receiver_kind.push_back(i * shape.kinds / shape.receivers);
      const int tiles = std::array{2, 5, 0, 35, 1}[i % 5];
      first_tile.push_back(first_tile.back() + tiles + random.below(2));
      if (i < pass.begin || i >= pass.begin + pass.count) continue;
      tiles_of.push_back(tiles);
      add_tiles(i - pass.begin, tiles);
    }
  }
  void add_tiles(int place, int tiles) {
    const std::int64_t first = first_tile[pass.begin];
    const auto room = static_cast<int>(first_tile[pass.begin + place + 1] - first);
    for (int t = static_cast<int>(run.size()); t < room; ++t) {
      const bool used = t < first_tile[pass.begin + place] - first + tiles;
      run.push_back(used ? random.below(shape.kinds * shape.segments) : -100000000);
      for (int lane = 0; lane < kTile; ++lane) {
        const bool edge = used && (lane == 0 || random.below(4) > 0);
        sender.push_back(edge ? random.below(nodes) : used ? node[pass.begin + place] : -100000000);
        pair.push_back(edge ? 4 * t + lane : -1);
        if (edge) edges.push_back({place, sender.back(), t, lane, run.back()});
      }
    }
  }

  /// Rows of V beyond those in use, and one of zeros after an odd one, are not to be read.
  void make_rows() {
    u.assign(run.size() * 2 * width * kTile, Real(0));
    y.assign(run.size() * comps * kTile, Real(0));
    for (const Edge& e : edges) {
      for (int q = 0; q < 2 * width; ++q) u[at_u(e.tile, 0, q, e.lane)] = Real(random.uniform());
      for (int m = 0; m < comps; ++m) y[at_y(e.tile, m, e.lane)] = Real(random.uniform());
    }
    const int runs = tables * shape.segments;
    v.assign(
        static_cast<std::size_t>(runs) * paths.size() * radial_rows(shape.rank) * shape.channels,
        nan());
    for (int i = 0; i < runs; ++i) {
      run_rank.push_back(i == 0 ? shape.rank : 1 + random.below(shape.rank));
      for (int p = 0; p < static_cast<int>(paths.size()); ++p)
        for (int q = 0; q < radial_rows(run_rank[i]); ++q)
          for (int k = 0; k < shape.channels; ++k)
            v[at_v(i, p, q, k)] = q < run_rank[i] ? Real(random.uniform()) : Real(0);
    }
  }
};

/// A case on the device, with tiles and nodes far from the first.
template <class Real>
class DeviceCase {
 public:
  explicit DeviceCase(const EdgeCase<Real>& c)
      : node_(c.node),
        receiver_kind_(c.receiver_kind),
        table_of_pair_(c.table_of_pair),
        run_rank_(c.run_rank),
        tiles_of_(c.tiles_of),
        run_(c.run),
        sender_node_(far_nodes(c.sender)),
        pair_(c.pair),
        first_tile_(c.first_tile),
        u_(c.u),
        y_(c.y),
        h_(c.h),
        v_(c.v),
        bar_(c.bar),
        by_row_(c.by_row),
        by_slot_(c.by_slot),
        units_(c.made.units),
        limit_(static_cast<Real>(fixed_limit(c.most_of_sender()))) {
    const Shape& s = c.shape;
    product_ = {s.kinds,
                s.segments,
                s.rank,
                c.width,
                s.channels,
                static_cast<int>(c.paths.size()),
                c.made.slots,
                c.rows,
                c.sender_comps,
                s.max_ell,
                static_cast<int>(c.made.units.size()),
                units_.data(),
                by_row_.data(),
                by_slot_.data(),
                static_cast<int>(c.by_slot.size()),
                table_of_pair_.data(),
                run_rank_.data(),
                v_.data(),
                {}};
    for (std::size_t l2 = 0; l2 < c.made.paths_of.size(); ++l2)
      std::copy(c.made.paths_of[l2].begin(), c.made.paths_of[l2].end(), product_.paths_of[l2]);
    tile_size_ = {2 * c.width * kTile, s.channels / 32 * c.comps * kTile};
    node_size_ = c.sender_comps * s.channels;
    pairs_.node = node_.data();
    pairs_.receiver_kind = receiver_kind_.data();
    pairs_.first_tile = first_tile_.data();
    const auto far = [](const auto& array, int size) {
      return const_cast<std::remove_cvref_t<decltype(*array.data())>*>(
          check::begin_of_far(array.data(), check::kFarTile * size));
    };
    tiles_ = {c.first_tile[c.pass.begin] - check::kFarTile,
              tiles_of_.data(),
              far(run_, 1),
              far(sender_node_, kTile),
              far(pair_, kTile),
              nullptr,
              far(y_, c.comps * kTile)};
    pass_ = c.pass;
  }
  EdgeForward<Real> forward(Array<Real>& messages, bool wide) const {
    return {pass_, pairs_, tiles_, product_, columns(), sender(), messages.data(), wide};
  }
  /// Where [node][component][K] and what is written of edges would begin.
  template <class T>
  T* nodes(T* p) const {
    return check::begin_of_far(p, std::int64_t{check::kFarNode} * node_size_);
  }
  Real* edge_bar(Real* p) const { return check::begin_of_far(p, check::kFarTile * tile_size_[1]); }
  EdgeReverse<Real> reverse(int splits) const {
    EdgeReverse<Real> r{};
    r.pass = pass_, r.pairs = pairs_, r.tiles = tiles_, r.product = product_;
    r.columns = columns(), r.sender = sender(), r.messages_bar = bar_.data(), r.splits = splits;
    r.limit = limit_;
    return r;
  }

 private:
  static std::vector<int> far_nodes(std::vector<int> nodes) {
    for (int& node : nodes) node += check::kFarNode;
    return nodes;
  }
  const Real* columns() const {
    return check::begin_of_far(u_.data(), check::kFarTile * tile_size_[0]);
  }
  const Real* sender() const { return nodes(h_.data()); }

  Array<int> node_, receiver_kind_, table_of_pair_, run_rank_, tiles_of_, run_, sender_node_, pair_;
  Array<std::int64_t> first_tile_;
  Array<Real> u_, y_, h_, v_, bar_;
  Array<SlotCoupling<Real>> by_row_, by_slot_;
  Array<EdgeUnit> units_;
  EdgeProduct<Real> product_;
  Pairs pairs_{};
  Tiles<Real> tiles_{};
  Pass pass_{};
  Real limit_;
  std::array<int, 2> tile_size_;  ///< numbers of the columns and of edge_bar
  int node_size_;
};

}  // namespace edge_test
