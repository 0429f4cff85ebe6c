// SPDX-License-Identifier: MIT
#pragma once

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "activation.hpp"
#include "error.hpp"
#include "evaluator.hpp"
#include "in_parallel.hpp"
#include "open_model.hpp"
#include "worker.hpp"

namespace mdbench {

template <class Real, class Sum>
class NativeEvaluator final : public Evaluator {
 public:
  NativeEvaluator(NativeModel model, int head, ModelInfo info)
      : model_(std::move(model)),
        head_(head),
        info_(std::move(info)),
        kinds_(model_.elements.size()) {
    states_.resize(model_.layers.size());
  }

  const ModelInfo& info() const override { return info_; }
  int halo_layers() const override { return 1; }
  int halo_width() const override;
  void prepare(std::span<const std::int32_t> species) override;
  std::vector<std::pair<std::string, double>> stage_seconds() const override;
  const Evaluation& evaluate(const Graph& graph, Halo& halo) override;

 private:
  using Work = Worker<Real, Sum>;

  /// What a layer leaves for later layers and for the reverse pass.
  struct State {
    Buffer<Real> features;        ///< A by batch: [component][atom][K]
    Buffer<Real> gated;           ///< of a gated layer, the sums by batch: [component][atom][K]
    Buffer<Real> outputs;         ///< c by batch
    Buffer<Real> sender;          ///< h: [node][component][E]
    Buffer<Sum> sender_bar;       ///< dE/dh
    Buffer<Real> neurons_bar;     ///< [position][padded neurons]
    std::vector<double> density;  ///< [position]
  };

  int num_layers() const { return static_cast<int>(states_.size()); }
  void arrange(const Graph& graph);
  void share_out(std::size_t rows);
  void touch_senders(const Graph& graph, int thread);
  void reserve_state(const Graph& graph);
  void clear_sender_bar(const Graph& graph, int t);
  void clear_private_bar(int t, const BatchRange& batch, int thread);
  template <class Function>
  void for_batches(Function&& function);
  void begin(const Graph& graph, Work& work, int t, const BatchRange& batch, int thread);
  void reverse_batch(Work& work, int t, const BatchRange& batch, int thread);
  void forward_layer(const Graph& graph, int t, Halo& halo);
  void last_layer(const Graph& graph);
  void reverse_layer(const Graph& graph, int t);
  void update_senders(Work& work, int t, const BatchRange& batch);
  void readout(Work& work, int t, const BatchRange& batch, int thread);
  void outputs_gradient(Work& work, int t, const BatchRange& batch);
  void gather_sender_gradients(const Graph& graph, int t, Halo& halo);
  void exchange(const Graph& graph, int t, Halo& halo);
  void isolated_energies(const Graph& graph);
  void repulsion(Work& work, const BatchRange& batch);
  Sum* gradient_buffer(int t, int thread) {
    return info_.threads == 1 ? states_[t].sender_bar.data() : private_bar_[thread].data();
  }
  std::span<const std::int32_t> nodes(const BatchRange& batch) const {
    return {&order_[batch.begin], static_cast<std::size_t>(batch.atoms)};
  }
  std::size_t row(int t) const {
    return static_cast<std::size_t>(network_->layers()[t].sender_components) *
           network_->edge_channels();
  }
  std::size_t outputs(int t) const {
    return static_cast<std::size_t>(network_->layers()[t].outputs) * network_->channels();
  }
  std::size_t sums(int t) const {
    return static_cast<std::size_t>(network_->layers()[t].sum_components) * network_->channels();
  }
  std::size_t inputs() const {
    return static_cast<std::size_t>(components(model_.max_ell)) * network_->channels();
  }

  NativeModel model_;
  int head_;
  ModelInfo info_;
  std::unique_ptr<Network<Real>> network_;
  std::vector<std::unique_ptr<Work>> workers_;
  Kinds kinds_;
  std::vector<std::int32_t> kind_of_node_;
  std::vector<std::int32_t> order_;  ///< local nodes by element
  std::vector<std::size_t> first_of_kind_;
  std::vector<BatchRange> batches_;
  std::vector<std::size_t> share_;  ///< [threads + 1] first batch of each thread
  EdgeStore<Real> store_;
  std::vector<State> states_;
  // several threads: gradients of the senders that a thread's edges touch
  std::vector<std::vector<std::int32_t>> slot_, touched_;
  std::vector<Buffer<Sum>> private_bar_;
  std::vector<double> site_energy_, edge_gradient_, exchange_;
  Evaluation result_;
};

/// Makes the network anew when an element comes up for the first time.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::prepare(std::span<const std::int32_t> species) {
  if (!kinds_.add(species) && network_) return;
  network_.reset();  // should the next line fail, the next call must try again
  network_ = std::make_unique<Network<Real>>(model_, kinds_.used(), head_, info_.threads);
  workers_.clear();
  for (int i = 0; i < info_.threads; ++i)
    workers_.push_back(std::make_unique<Work>(model_, *network_));
}

/// Orders atoms by element, cuts batches, and shares them out by the number of edges.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::arrange(const Graph& graph) {
  const std::size_t n = graph.num_local, threads = info_.threads;
  kind_of_node_.resize(graph.num_nodes());
  for (std::size_t i = 0; i < graph.num_nodes(); ++i)
    kind_of_node_[i] = kinds_.of_species()[graph.species[i]];
  auto& first = first_of_kind_;
  first.assign(network_->kinds() + 1, 0);
  for (std::size_t i = 0; i < n; ++i) ++first[kind_of_node_[i] + 1];
  std::partial_sum(first.begin(), first.end(), first.begin());
  order_.resize(n);
  batches_.clear();
  // a few batches for each thread even in small systems
  const std::size_t size = std::clamp<std::size_t>(n / (4 * threads), 1, kBatch);
  for (int kind = 0; kind < network_->kinds(); ++kind)
    for (std::size_t p = first[kind]; p < first[kind + 1]; p += size)
      batches_.push_back({kind, p, static_cast<int>(std::min(size, first[kind + 1] - p))});
  for (std::size_t i = 0; i < n; ++i)
    order_[first[kind_of_node_[i]]++] = static_cast<std::int32_t>(i);
  std::size_t room = 0;
  for (auto& batch : batches_) {
    batch.first_edge = room;
    std::size_t edges = 0;
    for (const auto node : nodes(batch))
      edges += graph.first_edge[node + 1] - graph.first_edge[node];
    room += BatchEdges<Real>::room(edges);
  }
  store_.make_room(room, model_.max_ell);
  share_out(room);
}

/// Batches to threads, by the rows that they take in the store.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::share_out(std::size_t rows) {
  const std::size_t threads = info_.threads;
  share_.assign(threads + 1, batches_.size());
  share_[0] = 0;
  std::size_t thread = 1;
  for (std::size_t b = 0; b < batches_.size(); ++b) {
    const std::size_t end = b + 1 < batches_.size() ? batches_[b + 1].first_edge : rows;
    while (thread < threads && end * threads >= rows * thread) share_[thread++] = b + 1;
  }
}

template <class Real, class Sum>
template <class Function>
void NativeEvaluator<Real, Sum>::for_batches(Function&& function) {
  in_parallel(info_.threads, [&](int thread) {
    for (std::size_t b = share_[thread]; b < share_[thread + 1]; ++b)
      function(*workers_[thread], batches_[b], thread);
  });
}

/// Rows of a thread's own gradient buffer for the senders of its edges, and for its own atoms,
/// whose features gated layers take.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::touch_senders(const Graph& graph, int thread) {
  auto& slot = slot_[thread];
  auto& touched = touched_[thread];
  const bool gated = model_.gated();
  slot.assign(graph.num_nodes(), -1);
  touched.clear();
  const auto touch = [&](std::int32_t node) {
    if (slot[node] >= 0) return;
    slot[node] = static_cast<std::int32_t>(touched.size());
    touched.push_back(node);
  };
  for (std::size_t b = share_[thread]; b < share_[thread + 1]; ++b)
    for (int a = 0; a < batches_[b].atoms; ++a) {
      const auto node = order_[batches_[b].begin + a];
      if (gated) touch(node);
      for (auto e = graph.first_edge[node]; e < graph.first_edge[node + 1]; ++e)
        touch(graph.sender[static_cast<std::size_t>(e)]);
    }
}

/// With one thread the gradients go straight to their place.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::clear_sender_bar(const Graph& graph, int t) {
  if (t == 0 || info_.threads > 1) return;
  std::fill_n(states_[t].sender_bar.begin(), graph.num_nodes() * row(t), Sum(0));
}

/// Before a thread's first batch of layer t; layers differ in size.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::clear_private_bar(int t, const BatchRange& batch, int thread) {
  if (t == 0 || info_.threads == 1 || &batch != &batches_[share_[thread]]) return;
  const std::size_t size = touched_[thread].size() * row(t);
  reserve(private_bar_[thread], size);
  std::fill_n(private_bar_[thread].begin(), size, Sum(0));
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::reserve_state(const Graph& graph) {
  const std::size_t n = graph.num_local;
  for (int t = 0; t < num_layers(); ++t) {
    State& state = states_[t];
    if (t + 1 < num_layers()) {
      reserve(state.features, n * inputs());
      if (network_->layers()[t].gated) reserve(state.gated, n * sums(t));
      reserve(state.outputs, n * outputs(t));
      state.density.resize(n);
    }
    if (t > 0) {
      reserve(state.sender, graph.num_nodes() * row(t));
      reserve(state.sender_bar, graph.num_nodes() * row(t));
    }
    reserve(state.neurons_bar, n * padded<Real>(network_->layers()[t].neurons));
  }
  site_energy_.assign(n, 0.0);
  edge_gradient_.resize(3 * graph.num_edges());
}

template <class Real, class Sum>
const Evaluation& NativeEvaluator<Real, Sum>::evaluate(const Graph& graph, Halo& halo) {
  const double start = omp_get_wtime();
  result_.seconds = {};
  if (num_layers() > 1 && graph.num_nodes() > graph.num_local && !halo.active())
    throw Error("the graph has nodes of other ranks, and no halo brings their features");
  prepare(graph.species);
  arrange(graph);
  reserve_state(graph);
  if (info_.threads > 1 && num_layers() > 1) {
    slot_.resize(info_.threads);
    touched_.resize(info_.threads);
    private_bar_.resize(info_.threads);
    in_parallel(info_.threads, [&](int thread) { touch_senders(graph, thread); });
  }
  isolated_energies(graph);
  const double prepared = omp_get_wtime();
  for (int t = 0; t + 1 < num_layers(); ++t) forward_layer(graph, t, halo);
  const double forward = omp_get_wtime(), halo_forward = result_.seconds.halo;
  last_layer(graph);
  for (int t = num_layers() - 1; t > 0; --t) {
    gather_sender_gradients(graph, t, halo);
    reverse_layer(graph, t - 1);
  }
  const double end = omp_get_wtime();
  result_.site_energy = {site_energy_.data(), graph.num_local};
  result_.edge_gradient = {edge_gradient_.data(), 3 * graph.num_edges()};
  result_.seconds.input = prepared - start;
  result_.seconds.forward = forward - prepared - halo_forward;
  result_.seconds.backward = end - forward - (result_.seconds.halo - halo_forward);
  return result_;
}

template <class Real, class Sum>
int NativeEvaluator<Real, Sum>::halo_width() const {
  int widest = 0;
  for (std::size_t t = 1; t < model_.layers.size(); ++t) {
    const NativeLayer& layer = model_.layers[t];
    widest = std::max(widest, components(layer.sender_l) * padded<Real>(layer.edge_channels));
  }
  return widest;
}

/// Adds up the threads' gradients, in the order of threads; then the other ranks'.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::gather_sender_gradients(const Graph& graph, int t, Halo& halo) {
  auto& bar = states_[t].sender_bar;
  const std::size_t size = row(t);
  if (info_.threads > 1) {
    in_parallel(info_.threads, [&](int share) {
      const Share nodes(graph.num_nodes(), share, info_.threads);
      for (std::size_t node = nodes.first; node < nodes.last; ++node) {
        Sum* out = &bar[node * size];
        std::fill_n(out, size, Sum(0));
        for (int thread = 0; thread < info_.threads; ++thread) {
          const auto slot = slot_[thread][node];
          if (slot < 0) continue;
          const Sum* in = &private_bar_[thread][slot * size];
          for (std::size_t i = 0; i < size; ++i) out[i] += in[i];
        }
      }
    });
  }
  if (!halo.active()) return;
  const double start = omp_get_wtime();
  const auto shared = halo.shared();
  const auto copies = bar.begin() + graph.num_local * size;
  exchange_.resize((shared.size() + graph.num_nodes() - graph.num_local) * size);
  std::copy_n(copies, exchange_.size() - shared.size() * size,
              exchange_.begin() + shared.size() * size);
  halo.reverse(exchange_, static_cast<int>(size));
  for (std::size_t s = 0; s < shared.size(); ++s)
    for (std::size_t i = 0; i < size; ++i)
      bar[shared[s] * size + i] += static_cast<Sum>(exchange_[s * size + i]);
  result_.seconds.halo += omp_get_wtime() - start;
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::exchange(const Graph& graph, int t, Halo& halo) {
  if (!halo.active()) return;
  const double start = omp_get_wtime();
  auto& h = states_[t].sender;
  const std::size_t size = row(t);
  const auto shared = halo.shared();
  exchange_.resize((shared.size() + graph.num_nodes() - graph.num_local) * size);
  for (std::size_t s = 0; s < shared.size(); ++s)
    std::copy_n(h.begin() + shared[s] * size, size, exchange_.begin() + s * size);
  halo.forward(exchange_, static_cast<int>(size));
  std::copy(exchange_.begin() + shared.size() * size, exchange_.end(),
            h.begin() + graph.num_local * size);
  result_.seconds.halo += omp_get_wtime() - start;
}

template <class Real, class Sum>
std::vector<std::pair<std::string, double>> NativeEvaluator<Real, Sum>::stage_seconds() const {
  std::vector<std::pair<std::string, double>> out;
  for (std::size_t i = 0; i < kStageNames.size(); ++i) {
    out.emplace_back(kStageNames[i], 0.0);
    for (const auto& work : workers_) out.back().second += work->seconds()[i];
  }
  return out;
}

}  // namespace mdbench

#include "native_layers.hpp"
