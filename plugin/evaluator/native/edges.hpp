// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "graph.hpp"
#include "network.hpp"
#include "simd.hpp"

namespace mdbench {

/// What the edges of an evaluation keep from layer to layer, batch after batch. Within an atom they
/// stand by `key`, so that those that share rows of layer 0 follow each other.
template <class Real>
struct EdgeStore {
  Buffer<double> x, y, z, r;  ///< unit vectors and distances
  Buffer<Real> harmonics;     ///< [edge][padded components]
  Buffer<std::int32_t> sender;
  Buffer<std::int32_t> key;  ///< 2 sender_kind, and 1 more where the distance is below the tables
  Buffer<std::int32_t> at;   ///< among the receiver's edges in the graph

  void make_room(std::size_t edges, int max_ell) {
    for (auto* b : {&x, &y, &z, &r}) reserve(*b, edges);
    for (auto* b : {&sender, &key, &at}) reserve(*b, edges);
    reserve(harmonics, edges * padded<Real>(components(max_ell)));
  }
};

/// The edges of a batch of atoms of one element: geometry, harmonics, and the columns U of the
/// radial tables, which stand in rows: in layer 0 as the edges do, later sorted so that edges which
/// share rows V stand together.
template <class Real>
class BatchEdges {
 public:
  /// Edges of a later layer that multiply the same rows V.
  struct Run {
    int sender_kind, segment;  ///< segment -1: below the tables, `columns` are the exact features
    int begin, end;            ///< rows of `columns`, padded to whole tiles
  };
  static constexpr int kTile = 4;
  /// Rows that a batch takes in the store: whole vectors, one of them beyond its edges.
  static constexpr std::size_t room(std::size_t edges) { return (edges / 16 + 1) * 16; }

  BatchEdges(int max_ell, int kinds)
      : max_ell_(max_ell), stride_(padded<Real>(components(max_ell))), keys_(2 * kinds) {}

  /// Takes the edges of these nodes, which lie at `first` in the store.
  void select(const Graph& graph, std::span<const std::int32_t> nodes, const EdgeStore<Real>& all,
              std::size_t first);
  /// Fills these nodes' part of the store; once an evaluation, before `select`.
  void gather(const Graph& graph, std::span<const std::int32_t> nodes,
              std::span<const std::int32_t> kind_of_node, EdgeStore<Real>& all, std::size_t first);
  /// Evaluates U and U' of layer 0 for receivers of one kind, or of a later one.
  void evaluate_first(const NetworkLayer<Real>& layer, int receiver_kind);
  void evaluate_later(const NetworkLayer<Real>& layer, int receiver_kind);
  /// Adds the gradients with respect to the edge vectors to [graph edge][3], or writes them.
  void put_gradients(std::vector<double>& edge_gradient, bool add);

  int atoms() const { return static_cast<int>(first_.size()) - 1; }
  int edges() const { return first_.empty() ? 0 : first_.back(); }
  int first(int atom) const { return first_[atom]; }
  int sender(int e) const { return sender_[e]; }
  int sender_kind(int e) const { return key_[e] / 2; }
  double distance(int e) const { return r_[e]; }
  const Real* harmonics(int e) const { return harmonics_ + static_cast<std::size_t>(e) * stride_; }
  int harmonics_stride() const { return stride_; }
  int num_keys() const { return keys_; }
  /// First edge of an atom with a key; the last one is before the first of the next key.
  int first_of(int atom, int key) const { return first_of_key_[atom * keys_ + key]; }

  const std::vector<Run>& runs() const { return runs_; }
  const Real* column(int row) const { return &column_[static_cast<std::size_t>(row) * columns_]; }
  const Real* slope(int row) const { return &slope_[static_cast<std::size_t>(row) * columns_]; }
  int columns() const { return columns_; }
  /// Edge of a row of a later layer; `edges()` for rows that only fill a tile.
  int target(int row) const { return target_[row]; }
  double density(int e) const { return density_[e]; }
  double density_slope(int e) const { return density_slope_[e]; }

  /// Collects dE/dY_m, m > 0, of an edge; in the place of the constant Y_00's, dE/dr.
  double* gradients(int e) { return &gradients_[static_cast<std::size_t>(e) * kMaxComponents]; }

 private:
  bool exact(int e) const { return key_[e] % 2 == 1; }
  const PairTable<Real>& table(const NetworkLayer<Real>& layer, int receiver_kind, int kind) const {
    return layer.tables[layer.table_of_pair[receiver_kind * (keys_ / 2) + kind]];
  }
  void sort_by_key(const Graph& graph, std::int32_t node,
                   std::span<const std::int32_t> kind_of_node, EdgeStore<Real>& all,
                   std::size_t begin);
  void find_pieces(const NetworkLayer<Real>& layer, int receiver_kind);
  void sort_rows(int segments);
  void make_room(const NetworkLayer<Real>& layer, int rows);
  void exact_columns(const PairTable<Real>& table, int e, Real* u, Real* du);
  void evaluate_row(const PairTable<Real>& table, int e, int row);

  /// Of a key's table.
  struct Pieces {
    double inverse_length, last, share;
  };

  int max_ell_, stride_, keys_, columns_ = 0;
  bool any_exact_ = false;
  // in the store
  const double *x_ = nullptr, *y_ = nullptr, *z_ = nullptr, *r_ = nullptr;
  const Real* harmonics_ = nullptr;
  const std::int32_t *sender_ = nullptr, *key_ = nullptr, *at_ = nullptr;

  std::vector<int> first_, first_of_key_, target_, sorted_by_, count_;
  std::vector<Pieces> pieces_;            ///< [key]
  std::vector<std::int64_t> graph_edge_;  ///< [atom] first edge in the graph
  Buffer<std::int32_t> piece_, segment_;  ///< of the tables, [edge]
  Buffer<Real> local_;                    ///< variable of a piece, [edge]
  Buffer<double> gradients_;              ///< [edge][kMaxComponents]
  Buffer<Real> column_, slope_;
  std::vector<double> density_, density_slope_, value_, derivative_;
  std::vector<Run> runs_;
};

/// Places and keys of a node's edges, from `begin` on in the store: a counting sort.
template <class Real>
void BatchEdges<Real>::sort_by_key(const Graph& graph, std::int32_t node,
                                   std::span<const std::int32_t> kind_of_node, EdgeStore<Real>& all,
                                   std::size_t begin) {
  constexpr double shortest2 = RadialTable::kShortest * RadialTable::kShortest;
  const std::int64_t from = graph.first_edge[node];
  const int count = static_cast<int>(graph.first_edge[node + 1] - from);
  std::int32_t* key = &all.key[begin];
  count_.assign(keys_ + 1, 0);
  for (int i = 0; i < count; ++i) {
    const double* d = &graph.edge_vector[3 * (from + i)];
    const bool tabulated = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] >= shortest2;  // not NaN either
    key[i] = 2 * kind_of_node[graph.sender[from + i]] + !tabulated;
    ++count_[key[i] + 1];
  }
  for (int k = 0; k < keys_; ++k) count_[k + 1] += count_[k];
  for (int i = 0; i < count; ++i) all.at[begin + count_[key[i]]++] = i;
  for (int i = 0, k = 0; i < count; ++i) {
    while (i >= count_[k]) ++k;  // count_[k] is where the edges of key k end now
    key[i] = k;
  }
}

template <class Real>
void BatchEdges<Real>::gather(const Graph& graph, std::span<const std::int32_t> nodes,
                              std::span<const std::int32_t> kind_of_node, EdgeStore<Real>& all,
                              std::size_t first) {
  std::size_t end = first;
  for (const auto node : nodes) {
    sort_by_key(graph, node, kind_of_node, all, end);
    const std::int64_t from = graph.first_edge[node];
    const std::size_t begin = end;
    end += graph.first_edge[node + 1] - from;
    for (std::size_t e = begin; e < end; ++e) {
      const std::int64_t g = from + all.at[e];
      const double* d = &graph.edge_vector[3 * g];
      all.sender[e] = graph.sender[g];
      all.x[e] = d[0], all.y[e] = d[1], all.z[e] = d[2];
    }
  }
  const std::size_t filled = first + room(end - first);
  for (; end < filled; ++end) all.x[end] = all.y[end] = all.z[end] = 1.0;
  constexpr int W = kWidth<double>;
  for (std::size_t e = first; e < filled; e += W) {
    const Vec<double> dx = load(&all.x[e]), dy = load(&all.y[e]), dz = load(&all.z[e]);
    const Vec<double> r = stdx::sqrt(dx * dx + dy * dy + dz * dz), inverse = 1.0 / r;
    Vec<double> y[kMaxComponents];
    spherical_harmonics(max_ell_, dx * inverse, dy * inverse, dz * inverse, y);
    store(&all.x[e], dx * inverse);
    store(&all.y[e], dy * inverse);
    store(&all.z[e], dz * inverse);
    store(&all.r[e], r);
    for (int m = 0; m < components(max_ell_); ++m)
      for (int i = 0; i < W; ++i) all.harmonics[(e + i) * stride_ + m] = static_cast<Real>(y[m][i]);
  }
}

template <class Real>
void BatchEdges<Real>::select(const Graph& graph, std::span<const std::int32_t> nodes,
                              const EdgeStore<Real>& all, std::size_t first) {
  first_.assign(1, 0);
  graph_edge_.clear();
  for (const auto node : nodes) {
    const auto begin = graph.first_edge[node], end = graph.first_edge[node + 1];
    graph_edge_.push_back(begin);
    first_.push_back(first_.back() + static_cast<int>(end - begin));
  }
  x_ = &all.x[first], y_ = &all.y[first], z_ = &all.z[first], r_ = &all.r[first];
  sender_ = &all.sender[first], key_ = &all.key[first], at_ = &all.at[first];
  harmonics_ = &all.harmonics[first * stride_];
  first_of_key_.resize(atoms() * keys_ + 1);
  first_of_key_.back() = edges();
  any_exact_ = false;
  for (int a = 0, e = 0; a < atoms(); ++a)
    for (int key = 0; key < keys_; ++key) {
      first_of_key_[a * keys_ + key] = e;
      while (e < first_[a + 1] && key_[e] == key) ++e;
      any_exact_ = any_exact_ || (key % 2 == 1 && e > first_of_key_[a * keys_ + key]);
    }
  const std::size_t size = room(edges()) * kMaxComponents;
  reserve(gradients_, size);
  std::fill_n(gradients_.begin(), size, 0.0);
}

/// Piece of the tables, its local variable and its segment, for each edge.
template <class Real>
void BatchEdges<Real>::find_pieces(const NetworkLayer<Real>& layer, int receiver_kind) {
  pieces_.resize(keys_);
  for (int key = 0; key < keys_; ++key) {
    const auto& t = table(layer, receiver_kind, key / 2);
    pieces_[key] = {t.inverse_length, t.segments * t.pieces_per_segment - 1.0,
                    1.0 / t.pieces_per_segment};
  }
  const std::size_t size = room(edges());
  reserve(piece_, size);
  reserve(segment_, size);
  reserve(local_, size);
  for (int e = 0; e < edges(); ++e) {
    const Pieces& p = pieces_[key_[e]];
    const double x = (r_[e] - RadialTable::kShortest) * p.inverse_length;
    const int piece = static_cast<int>(x < p.last ? x : p.last);  // exact edges: not used
    piece_[e] = piece;
    segment_[e] = static_cast<int>((piece + 0.5) * p.share);
    local_[e] = static_cast<Real>(2.0 * (x - piece) - 1.0);
  }
}

/// Counting sort of the edges by key and segment.
template <class Real>
void BatchEdges<Real>::sort_rows(int segments) {
  const int count = edges();
  sorted_by_.resize(count);
  count_.assign(keys_ * segments, 0);
  for (int e = 0; e < count; ++e) {
    sorted_by_[e] = key_[e] * segments + (exact(e) ? 0 : segment_[e]);
    ++count_[sorted_by_[e]];
  }
  runs_.clear();
  int rows = 0;
  for (int i = 0; i < static_cast<int>(count_.size()); ++i) {
    if (count_[i] == 0) continue;
    const int key = i / segments;
    const int end = rows + (count_[i] + kTile - 1) / kTile * kTile;
    runs_.push_back({key / 2, key % 2 == 1 ? -1 : i % segments, rows, end});
    count_[i] = rows;
    rows = end;
  }
  target_.assign(rows, count);
  for (int e = 0; e < count; ++e) target_[count_[sorted_by_[e]]++] = e;
}

template <class Real>
void BatchEdges<Real>::make_room(const NetworkLayer<Real>& layer, int rows) {
  columns_ = 0;
  for (const auto& t : layer.tables) columns_ = std::max(columns_, t.stride);
  if (any_exact_)
    columns_ = std::max(columns_, padded<Real>(layer.tables[0].exact->num_features()));
  reserve(column_, static_cast<std::size_t>(rows) * columns_);
  reserve(slope_, static_cast<std::size_t>(rows) * columns_);
  density_.resize(edges());
  density_slope_.resize(edges());
}

template <class Real>
void BatchEdges<Real>::exact_columns(const PairTable<Real>& table, int e, Real* u, Real* du) {
  std::fill_n(u, columns_, Real(0));
  std::fill_n(du, columns_, Real(0));
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
void BatchEdges<Real>::evaluate_row(const PairTable<Real>& table, int e, int row) {
  constexpr int W = kWidth<Real>, degree = RadialTable::kDegree;
  Real* u = &column_[static_cast<std::size_t>(row) * columns_];
  Real* du = &slope_[static_cast<std::size_t>(row) * columns_];
  if (exact(e)) return exact_columns(table, e, u, du);
  const Vec<Real> t(local_[e]), chain(static_cast<Real>(2.0 * table.inverse_length));
  const std::ptrdiff_t stride = table.stride;
  const Real* c = &table.coefficients[static_cast<std::size_t>(piece_[e]) * (degree + 1) * stride];
  for (int q = 0; q < stride; q += W) {
    Vec<Real> v = load(c + degree * stride + q), d(Real(0));
#pragma GCC unroll 8
    for (int i = degree - 1; i >= 0; --i) {
      d = d * t + v;
      v = v * t + load(c + i * stride + q);
    }
    store(u + q, v);
    store(du + q, d * chain);
  }
  density_[e] = u[table.rank];
  density_slope_[e] = du[table.rank];
}

template <class Real>
void BatchEdges<Real>::evaluate_first(const NetworkLayer<Real>& layer, int receiver_kind) {
  find_pieces(layer, receiver_kind);
  make_room(layer, edges());
  for (int a = 0; a < atoms(); ++a)
    for (int key = 0; key < keys_; ++key) {
      const auto& t = table(layer, receiver_kind, key / 2);
      for (int e = first_of(a, key); e < first_of(a, key + 1); ++e) evaluate_row(t, e, e);
    }
}

template <class Real>
void BatchEdges<Real>::evaluate_later(const NetworkLayer<Real>& layer, int receiver_kind) {
  int segments = 1;
  for (const auto& t : layer.tables) segments = std::max(segments, t.segments);
  find_pieces(layer, receiver_kind);
  sort_rows(segments);
  make_room(layer, static_cast<int>(target_.size()));
  for (const auto& run : runs_) {
    const auto& t = table(layer, receiver_kind, run.sender_kind);
    for (int row = run.begin; row < run.end; ++row) {
      if (target_[row] < edges()) {
        evaluate_row(t, target_[row], row);
      } else {
        std::fill_n(&column_[static_cast<std::size_t>(row) * columns_], columns_, Real(0));
        std::fill_n(&slope_[static_cast<std::size_t>(row) * columns_], columns_, Real(0));
      }
    }
  }
}

template <class Real>
void BatchEdges<Real>::put_gradients(std::vector<double>& edge_gradient, bool add) {
  constexpr int W = kWidth<double>;
  for (int e = 0, a = 0; e < edges(); e += W) {
    Vec<double> w[kMaxComponents], g[3], radial;
    for (int m = 0; m < components(max_ell_); ++m)
      w[m] = Vec<double>([&](int i) { return gradients_[(e + i) * kMaxComponents + m]; });
    const Vec<double> x = load(x_ + e), y = load(y_ + e), z = load(z_ + e), r = load(r_ + e);
    harmonics_gradient(max_ell_, x, y, z, w, g, &radial);
    const Vec<double> along = w[0] - radial / r;
    const Vec<double> d[3] = {g[0] / r + along * x, g[1] / r + along * y, g[2] / r + along * z};
    for (int i = 0; i < W && e + i < edges(); ++i) {
      while (first_[a + 1] <= e + i) ++a;
      double* out = &edge_gradient[3 * static_cast<std::size_t>(graph_edge_[a] + at_[e + i])];
      for (int k = 0; k < 3; ++k) out[k] = add ? out[k] + d[k][i] : d[k][i];
    }
  }
}

}  // namespace mdbench
