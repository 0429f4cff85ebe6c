// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "graph.hpp"
#include "network.hpp"

namespace mdbench {

/// The edges of a batch of atoms of one element: geometry, harmonics, and the columns U of the
/// radial tables, sorted so that edges which share rows V stand together.
template <class Real>
class BatchEdges {
 public:
  /// Edges that multiply the same rows V.
  struct Run {
    int sender_kind, segment;  ///< segment -1: below the tables, `columns` are the exact features
    int begin, end;            ///< rows of `columns`, padded to whole tiles
  };
  static constexpr int kTile = 4;

  void gather(const Graph& graph, const std::vector<int>& kind_of_species, int max_ell,
              const std::int32_t* nodes, int atoms);
  /// Evaluates U and U' of a layer for receivers of one kind.
  void evaluate_radial(const NetworkLayer<Real>& layer, int receiver_kind, int kinds);
  /// Adds the gradients with respect to the edge vectors to [graph edge][3].
  void add_gradients(int max_ell, std::vector<double>& edge_gradient);

  int atoms() const { return static_cast<int>(first_.size()) - 1; }
  int edges() const { return first_.empty() ? 0 : first_.back(); }
  int first(int atom) const { return first_[atom]; }
  int sender(int e) const { return sender_[e]; }
  int sender_kind(int e) const { return sender_kind_[e]; }
  double distance(int e) const { return r_[e]; }
  const Real* harmonics(int e) const { return &harmonics_[static_cast<std::size_t>(e) * stride_]; }
  int harmonics_stride() const { return stride_; }

  const std::vector<Run>& runs() const { return runs_; }
  const Real* column(int row) const { return &column_[static_cast<std::size_t>(row) * columns_]; }
  const Real* slope(int row) const { return &slope_[static_cast<std::size_t>(row) * columns_]; }
  int columns() const { return columns_; }
  /// Edge of a row; `edges()` for rows that only fill a tile.
  int target(int row) const { return target_[row]; }
  int row(int e) const { return row_[e]; }
  bool tabulated(int e) const { return r_[e] >= RadialTable::kShortest; }
  double density(int e) const { return density_[e]; }
  double density_slope(int e) const { return density_slope_[e]; }

  /// Collects dE/dY_m, m > 0, of an edge; in the place of the constant Y_00's, dE/dr.
  double* gradients(int e) { return &gradients_[static_cast<std::size_t>(e) * kMaxComponents]; }

 private:
  void sort_rows(const NetworkLayer<Real>& layer, int receiver_kind, int kinds);
  void exact_columns(const PairTable<Real>& table, int e, Real* u, Real* du);
  static int piece_of(const PairTable<Real>& table, double r) {
    const int last = table.segments * table.pieces_per_segment - 1;
    return std::min(static_cast<int>((r - RadialTable::kShortest) * table.inverse_length), last);
  }

  std::vector<int> first_, sender_, sender_kind_, row_, target_, key_, count_;
  std::vector<std::int64_t> graph_edge_;  ///< [atom] first edge in the graph
  Buffer<double> x_, y_, z_, r_;          ///< unit vectors and distances
  Buffer<double> gradients_;              ///< [edge][kMaxComponents]
  Buffer<Real> harmonics_, column_, slope_;
  std::vector<double> density_, density_slope_, value_, derivative_;
  std::vector<Run> runs_;
  int stride_ = 0, columns_ = 0;
};

template <class Real>
void BatchEdges<Real>::gather(const Graph& graph, const std::vector<int>& kind_of_species,
                              int max_ell, const std::int32_t* nodes, int atoms) {
  first_.assign(1, 0);
  graph_edge_.clear();
  for (int a = 0; a < atoms; ++a) {
    const auto begin = graph.first_edge[nodes[a]], end = graph.first_edge[nodes[a] + 1];
    graph_edge_.push_back(begin);
    first_.push_back(first_.back() + static_cast<int>(end - begin));
  }
  constexpr int W = kWidth<double>;
  const int count = edges(), room = (count / W + 1) * W;
  sender_.resize(count);
  sender_kind_.resize(count);
  for (auto* b : {&x_, &y_, &z_, &r_}) reserve(*b, room);
  reserve(gradients_, static_cast<std::size_t>(room) * kMaxComponents);
  for (int a = 0; a < atoms; ++a)
    for (int e = first_[a]; e < first_[a + 1]; ++e) {
      const auto g = static_cast<std::size_t>(graph_edge_[a] + e - first_[a]);
      sender_[e] = graph.sender[g];
      sender_kind_[e] = kind_of_species[graph.species[sender_[e]]];
      x_[e] = graph.edge_vector[3 * g];
      y_[e] = graph.edge_vector[3 * g + 1];
      z_[e] = graph.edge_vector[3 * g + 2];
    }
  for (int e = count; e < room; ++e) x_[e] = y_[e] = z_[e] = 1.0;
  stride_ = padded<Real>(components(max_ell));
  reserve(harmonics_, static_cast<std::size_t>(room) * stride_);
  std::fill_n(gradients_.begin(), static_cast<std::size_t>(room) * kMaxComponents, 0.0);
  for (int e = 0; e < count; e += W) {
    const Vec<double> dx = load(&x_[e]), dy = load(&y_[e]), dz = load(&z_[e]);
    const Vec<double> r = stdx::sqrt(dx * dx + dy * dy + dz * dz), inverse = 1.0 / r;
    Vec<double> y[kMaxComponents];
    spherical_harmonics(max_ell, dx * inverse, dy * inverse, dz * inverse, y);
    store(&x_[e], dx * inverse);
    store(&y_[e], dy * inverse);
    store(&z_[e], dz * inverse);
    store(&r_[e], r);
    for (int m = 0; m < components(max_ell); ++m)
      for (int i = 0; i < W; ++i)
        harmonics_[static_cast<std::size_t>(e + i) * stride_ + m] = static_cast<Real>(y[m][i]);
  }
}

/// Counting sort of the edges by sender kind and segment.
template <class Real>
void BatchEdges<Real>::sort_rows(const NetworkLayer<Real>& layer, int receiver_kind, int kinds) {
  const int count = edges();
  int segments = 1;
  for (const auto& table : layer.tables) segments = std::max(segments, table.segments);
  const int keys_per_kind = segments + 1;
  key_.resize(count);
  count_.assign(kinds * keys_per_kind, 0);
  for (int e = 0; e < count; ++e) {
    const auto& table = layer.tables[layer.table_of_pair[receiver_kind * kinds + sender_kind_[e]]];
    const int segment = tabulated(e) ? piece_of(table, r_[e]) / table.pieces_per_segment : segments;
    key_[e] = sender_kind_[e] * keys_per_kind + segment;
    ++count_[key_[e]];
  }
  runs_.clear();
  int rows = 0;
  for (int key = 0; key < static_cast<int>(count_.size()); ++key) {
    if (count_[key] == 0) continue;
    const int segment = key % keys_per_kind;
    const int end = rows + (count_[key] + kTile - 1) / kTile * kTile;
    runs_.push_back({key / keys_per_kind, segment == segments ? -1 : segment, rows, end});
    count_[key] = rows;
    rows = end;
  }
  target_.assign(rows, count);
  row_.resize(count);
  for (int e = 0; e < count; ++e) {
    row_[e] = count_[key_[e]]++;
    target_[row_[e]] = e;
  }
}

template <class Real>
void BatchEdges<Real>::exact_columns(const PairTable<Real>& table, int e, Real* u, Real* du) {
  const int n = table.exact->num_features();
  value_.resize(n);
  derivative_.resize(n);
  table.exact->features(r_[e], value_, derivative_);
  std::copy(value_.begin(), value_.end(), u);
  std::copy(derivative_.begin(), derivative_.end(), du);
  const Jet d = table.exact->density(r_[e]);
  density_[e] = d.value;
  density_slope_[e] = d.slope;
}

template <class Real>
void BatchEdges<Real>::evaluate_radial(const NetworkLayer<Real>& layer, int receiver_kind,
                                       int kinds) {
  constexpr int W = kWidth<Real>;
  sort_rows(layer, receiver_kind, kinds);
  columns_ = 0;
  for (const auto& table : layer.tables) columns_ = std::max(columns_, table.stride);
  for (const auto& run : runs_)
    if (run.segment < 0)
      columns_ = std::max(columns_, padded<Real>(layer.tables[0].exact->num_features()));
  reserve(column_, target_.size() * columns_);
  reserve(slope_, target_.size() * columns_);
  density_.resize(edges());
  density_slope_.resize(edges());
  for (std::size_t row = 0; row < target_.size(); ++row) {
    Real* u = &column_[row * columns_];
    Real* du = &slope_[row * columns_];
    const int e = target_[row];
    if (e == edges() || !tabulated(e)) {
      std::fill_n(u, columns_, Real(0));
      std::fill_n(du, columns_, Real(0));
      if (e == edges()) continue;
    }
    const auto& table = layer.tables[layer.table_of_pair[receiver_kind * kinds + sender_kind_[e]]];
    if (!tabulated(e)) {
      exact_columns(table, e, u, du);
      continue;
    }
    const int piece = piece_of(table, r_[e]);
    const double x = (r_[e] - RadialTable::kShortest) * table.inverse_length - piece;
    const Vec<Real> t(static_cast<Real>(2.0 * x - 1.0));
    const Vec<Real> chain(static_cast<Real>(2.0 * table.inverse_length));
    const Real* c = &table.coefficients[static_cast<std::size_t>(piece) *
                                        (RadialTable::kDegree + 1) * table.stride];
    for (int q = 0; q < table.stride; q += W) {
      Vec<Real> v = load(c + RadialTable::kDegree * table.stride + q), d(Real(0));
      for (int i = RadialTable::kDegree - 1; i >= 0; --i) {
        d = d * t + v;
        v = v * t + load(c + i * table.stride + q);
      }
      store(u + q, v);
      store(du + q, d * chain);
    }
    density_[e] = u[table.rank];
    density_slope_[e] = du[table.rank];
  }
}

template <class Real>
void BatchEdges<Real>::add_gradients(int max_ell, std::vector<double>& edge_gradient) {
  constexpr int W = kWidth<double>;
  for (int e = 0, a = 0; e < edges(); e += W) {
    Vec<double> w[kMaxComponents], g[3], radial;
    for (int m = 0; m < components(max_ell); ++m)
      w[m] = Vec<double>([&](int i) { return gradients_[(e + i) * kMaxComponents + m]; });
    const Vec<double> x = load(&x_[e]), y = load(&y_[e]), z = load(&z_[e]), r = load(&r_[e]);
    harmonics_gradient(max_ell, x, y, z, w, g, &radial);
    const Vec<double> along = w[0] - radial / r;
    const Vec<double> d[3] = {g[0] / r + along * x, g[1] / r + along * y, g[2] / r + along * z};
    for (int i = 0; i < W && e + i < edges(); ++i) {
      while (first_[a + 1] <= e + i) ++a;
      const auto at = static_cast<std::size_t>(graph_edge_[a] + e + i - first_[a]);
      for (int k = 0; k < 3; ++k) edge_gradient[3 * at + k] += d[k][i];
    }
  }
}

}  // namespace mdbench
