// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <string_view>

#include "contraction.hpp"
#include "edge_product.hpp"
#include "edges.hpp"
#include "gemm.hpp"
#include "radial_rows.hpp"

namespace mdbench {

/// Parts of an evaluation that are timed on their own.
enum class Stage { edges, radial, product, linear, contraction, readout, reverse_product, count };
inline constexpr std::array<std::string_view, static_cast<int>(Stage::count)> kStageNames = {
    "edge geometry and tables",
    "radial rows",
    "edge product",
    "linear maps",
    "contraction",
    "readout",
    "edge product, reverse (with rows)"};

/// Atoms that go through a layer together: enough to share rows of the radial tables and
/// coefficients of the contraction, few enough for the cache.
inline constexpr int kBatch = 16;

/// Atoms of one element that go through a layer together.
struct BatchRange {
  int kind;
  std::size_t begin;  ///< position in the evaluator's order of atoms
  int atoms;
  std::size_t first_edge = 0;  ///< in the evaluator's store
};

/// One thread's share of the work on a batch: kernels over its own buffers.
template <class Real, class Sum>
class Worker {
 public:
  Worker(const NativeModel& model, const Network<Real>& network)
      : model_(model),
        network_(network),
        channels_(network.channels()),
        edge_channels_(network.edge_channels()),
        edges_(model.max_ell, network.kinds()) {}

  BatchEdges<Real>& edges() { return edges_; }
  Buffer<Real>& features() { return features_; }          ///< A: [component][atom][channels]
  Buffer<Real>& features_bar() { return features_bar_; }  ///< dE/dA
  Buffer<Real>& outputs_bar() { return outputs_bar_; }    ///< dE/dc
  /// A gated layer's sums: [component][atom][channels].
  const Buffer<Real>& gated() const { return gated_; }
  void restore_sums(const Real* sums, int t) {
    const std::size_t size = rows_size(network_.layers()[t].sum_components);
    reserve(gated_, size);
    std::copy_n(sums, size, gated_.begin());
  }
  Buffer<std::int64_t>& sender_rows() { return sender_rows_; }
  Buffer<std::int64_t>& gradient_rows() { return gradient_rows_; }
  std::vector<double>& scratch() { return scratch_; }
  /// Of the batch's own atoms, for gated layers.
  std::array<std::int64_t, kBatch>& own_rows() { return own_rows_; }
  std::array<std::int64_t, kBatch>& own_gradient_rows() { return own_gradient_rows_; }
  const std::array<double, static_cast<int>(Stage::count)>& seconds() const { return seconds_; }

  /// Takes a batch whose edges are in the store.
  void begin(const Graph& graph, const BatchRange& batch, std::span<const std::int32_t> nodes,
             const EdgeStore<Real>& store);
  /// U and U' of a layer, for `messages` and `messages_reverse`.
  void evaluate_radial(int t);
  /// A of layer t from the senders' features (unused in layer 0), divided by the densities.
  void messages(int t, const Real* sender_features);
  /// dE/d(edge) and dE/d(sender features) from dE/dA and, in a gated layer, its sums; both are
  /// overwritten.
  void messages_reverse(int t, const Real* sender_features, Sum* sender_gradients);
  void contract(int t, Real* c);
  /// dE/dA from `outputs_bar` and A in `features`.
  void contract_reverse(int t);
  /// out[row][columns] (+)= in[row] W.
  void multiply(const PackedMatrix<Real>& w, int rows, const Real* in, Real* out, bool accumulate);
  double density(int atom) const { return density_[atom]; }
  void set_density(int atom, double n) { density_[atom] = n; }

  void start() { lap_ = Clock::now(); }
  void lap(Stage stage) {
    const auto now = Clock::now();
    seconds_[static_cast<int>(stage)] += std::chrono::duration<double>(now - lap_).count();
    lap_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int W = kWidth<Real>, kTile = BatchEdges<Real>::kTile;
  using Tile = RadialRows<kTile, Real>;

  AtomBatch<Real> shape() const { return {batch_.atoms, channels_}; }
  AtomBatch<Real> message_shape() const { return {batch_.atoms, edge_channels_}; }
  std::size_t rows_size(int rows) const {
    return static_cast<std::size_t>(rows) * batch_.atoms * channels_;
  }
  struct FirstRows {
    const FoldedRows<Real>& folded;
    int rank, padded_rank;
  };
  FirstRows first_rows(int key) const;
  template <class Function>
  void for_keys(Function&& function);
  void first_messages();
  void first_reverse();
  void first_edges_reverse(const FirstRows& first, const Real* moments_bar, int begin, int end);
  void later_messages(int t, const Real* sender_features);
  void later_reverse(int t, const Real* sender_features, Sum* sender_gradients);
  Tile radial_tile(const NetworkLayer<Real>& layer, const typename BatchEdges<Real>::Run& run,
                   int row, int block) const;
  template <int Vectors>
  void group_rows(const NetworkLayer<Real>& layer, const SlotGroup& group, int block);
  template <int M, int Vectors>
  void group_forward(const SlotGroup& group, int block, const Real* sender_features);
  template <int Vectors>
  void slots_reverse(const NetworkLayer<Real>& layer, int block);
  template <int Vectors>
  void edges_reverse(const NetworkLayer<Real>& layer, int block, const Real* sender_features,
                     Sum* sender_gradients);
  template <class Function>
  void for_shape(int l2, Function&& function);
  void divide_by_density(int components);
  void reverse_density(int components);
  void add_residual(int t, const Real* node_features, Real sign);
  void residual_reverse(int t, Sum* node_gradients);
  void gate(const NetworkLayer<Real>& layer);
  void gate_reverse(const NetworkLayer<Real>& layer);
  const SegmentRows<Real>& rows_of(const NetworkLayer<Real>& layer,
                                   const typename BatchEdges<Real>::Run& run) const;

  const NativeModel& model_;
  const Network<Real>& network_;
  int channels_, edge_channels_;
  BatchRange batch_{};
  BatchEdges<Real> edges_;
  Buffer<Real> features_, features_bar_, outputs_bar_, messages_, radial_;
  Buffer<Real> edge_bar_, moments_, moment_rows_, slots_bar_;
  Buffer<Real> gated_, gated_bar_, after_, own_;
  /// What a layer makes of its messages, and dE/d(it): A, or in a gated layer what comes before.
  Buffer<Real>*sums_ = &features_, *sums_bar_ = &features_bar_;
  Buffer<Sum> slots_;
  Buffer<std::int64_t> sender_rows_, gradient_rows_;
  std::array<std::int64_t, kBatch> own_rows_{}, own_gradient_rows_{};
  std::vector<double> density_, scratch_;
  std::array<double, static_cast<int>(Stage::count)> seconds_{};
  Clock::time_point lap_;
};

template <class Real, class Sum>
void Worker<Real, Sum>::begin(const Graph& graph, const BatchRange& batch,
                              std::span<const std::int32_t> nodes, const EdgeStore<Real>& store) {
  batch_ = batch;
  edges_.select(graph, nodes, store, batch.first_edge);
  reserve(features_, rows_size(components(model_.max_ell)));
  // also holds the senders' features, which may reach a larger l
  const std::size_t width = std::max(channels_, edge_channels_);
  const int rows = std::max(components(model_.max_ell), detail::kMaxOutputs);
  reserve(features_bar_, rows * batch.atoms * width);
  reserve(outputs_bar_, rows_size(detail::kMaxOutputs));
  density_.assign(batch.atoms, 1.0);
}

template <class Real, class Sum>
void Worker<Real, Sum>::multiply(const PackedMatrix<Real>& w, int rows, const Real* in, Real* out,
                                 bool accumulate) {
  gemm<Real>(rows, {in, w.shape.rows}, w.shape, w.data, {out, w.shape.columns}, accumulate);
}

template <class Real, class Sum>
void Worker<Real, Sum>::evaluate_radial(int t) {
  const auto& layer = network_.layers()[t];
  if (t == 0)
    edges_.evaluate_first(layer, batch_.kind);
  else
    edges_.evaluate_later(layer, batch_.kind);
  lap(Stage::edges);
}

template <class Real, class Sum>
void Worker<Real, Sum>::messages(int t, const Real* sender_features) {
  const auto& layer = network_.layers()[t];
  sums_ = layer.gated ? &gated_ : &features_;
  reserve(*sums_, rows_size(layer.sum_components));
  if (t == 0)
    first_messages();
  else
    later_messages(t, sender_features);
  if (model_.layers[t].radial.has_density()) divide_by_density(layer.sum_components);
  if (layer.gated) {
    add_residual(t, sender_features, Real(1));
    gate(layer);
  }
  lap(Stage::linear);
}

template <class Real, class Sum>
void Worker<Real, Sum>::messages_reverse(int t, const Real* sender_features,
                                         Sum* sender_gradients) {
  const auto& layer = network_.layers()[t];
  sums_ = layer.gated ? &gated_ : &features_;
  sums_bar_ = layer.gated ? &gated_bar_ : &features_bar_;
  if (layer.gated) {
    gate_reverse(layer);
    residual_reverse(t, sender_gradients);
    add_residual(t, sender_features, Real(-1));
    lap(Stage::linear);
  }
  if (model_.layers[t].radial.has_density()) reverse_density(layer.sum_components);
  if (t == 0)
    first_reverse();
  else
    later_reverse(t, sender_features, sender_gradients);
}

/// The sums S = (messages W) / n, n = 1 + sum of the density function over the edges.
template <class Real, class Sum>
void Worker<Real, Sum>::divide_by_density(int components) {
  for (int a = 0; a < batch_.atoms; ++a) {
    for (int e = edges_.first(a); e < edges_.first(a + 1); ++e) density_[a] += edges_.density(e);
    const Real inverse = static_cast<Real>(1.0 / density_[a]);
    for (int m = 0; m < components; ++m) {
      Real* row = &(*sums_)[shape().at(m, a)];
      for (int k = 0; k < channels_; k += W) store(row + k, load(row + k) * inverse);
    }
  }
}

/// From dE/dS to dE/d(n S), and dE/dn onto the edges.
template <class Real, class Sum>
void Worker<Real, Sum>::reverse_density(int components) {
  for (int a = 0; a < batch_.atoms; ++a) {
    const Real inverse = static_cast<Real>(1.0 / density_[a]);
    Vec<Real> sum(Real(0));
    for (int m = 0; m < components; ++m) {
      const Real* row = &(*sums_)[shape().at(m, a)];
      Real* bar = &(*sums_bar_)[shape().at(m, a)];
      for (int k = 0; k < channels_; k += W) {
        const Vec<Real> g = load(bar + k) * inverse;
        sum += g * load(row + k);
        store(bar + k, g);
      }
    }
    const double density_bar = -static_cast<double>(stdx::reduce(sum));
    for (int e = edges_.first(a); e < edges_.first(a + 1); ++e)
      edges_.gradients(e)[0] += density_bar * edges_.density_slope(e);
  }
}

template <class Real, class Sum>
void Worker<Real, Sum>::contract(int t, Real* c) {
  const auto& layer = network_.layers()[t];
  mdbench::contract(model_.layers[t].contraction, layer.coefficients[batch_.kind].data(), shape(),
                    features_.data(), c);
  lap(Stage::contraction);
}

template <class Real, class Sum>
void Worker<Real, Sum>::contract_reverse(int t) {
  const auto& layer = network_.layers()[t];
  mdbench::contract_reverse(model_.layers[t].contraction, layer.coefficients[batch_.kind].data(),
                            shape(), features_.data(), outputs_bar_.data(), features_bar_.data());
  lap(Stage::contraction);
}

}  // namespace mdbench

#include "worker_first.hpp"
#include "worker_gates.hpp"
#include "worker_later.hpp"
