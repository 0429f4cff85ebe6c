// SPDX-License-Identifier: MIT
// The native evaluator: MACE's forward and reverse pass over plugin/kernels, without torch.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "error.hpp"
#include "evaluator.hpp"
#include "worker.hpp"

namespace mdbench {
namespace {

#ifndef MDBENCH_ISA
#define MDBENCH_ISA "host"
#endif

/// Atoms that go through a layer together: enough to share rows of the radial tables and
/// coefficients of the contraction, few enough for the cache.
constexpr int kBatch = 8;

template <class Real, class Sum>
class NativeEvaluator final : public Evaluator {
 public:
  NativeEvaluator(NativeModel model, int head, ModelInfo info)
      : model_(std::move(model)), head_(head), info_(std::move(info)) {
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
    Buffer<Real> outputs;         ///< c by batch
    Buffer<Real> sender;          ///< h: [node][component][K]
    Buffer<Sum> sender_bar;       ///< dE/dh
    Buffer<Real> neurons_bar;     ///< [position][padded neurons]
    std::vector<double> density;  ///< [position]
  };

  int num_layers() const { return static_cast<int>(states_.size()); }
  void arrange(const Graph& graph);
  void touch_senders(const Graph& graph, int thread);
  void reserve_state(const Graph& graph);
  void clear_private_bar(int t, const BatchRange& batch, int thread);
  template <class Function>
  void for_batches(Function&& function);
  void begin(const Graph& graph, Work& work, const BatchRange& batch, int thread);
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
  std::size_t row(int t) const {
    return static_cast<std::size_t>(network_->layers()[t].sender_components) * network_->channels();
  }
  std::size_t outputs(int t) const {
    return static_cast<std::size_t>(network_->layers()[t].outputs) * network_->channels();
  }
  std::size_t inputs() const {
    return static_cast<std::size_t>(components(model_.max_ell)) * network_->channels();
  }

  NativeModel model_;
  int head_;
  ModelInfo info_;
  std::unique_ptr<Network<Real>> network_;
  std::vector<std::unique_ptr<Work>> workers_;
  std::vector<int> kind_of_species_;  ///< -1: not in use
  std::vector<std::int32_t> order_;   ///< local nodes by element
  std::vector<std::size_t> first_of_kind_;
  std::vector<BatchRange> batches_;
  std::vector<std::size_t> share_;  ///< [threads + 1] first batch of each thread
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
  const std::size_t known = model_.elements.size();
  bool changed = !network_;
  kind_of_species_.resize(known, -1);
  for (const std::int32_t s : species)
    if (s < 0 || static_cast<std::size_t>(s) >= known)
      throw Error("species " + std::to_string(s) + " is not one of the model's " +
                  std::to_string(known));
  for (const std::int32_t s : species)
    if (kind_of_species_[s] < 0) kind_of_species_[s] = 0, changed = true;
  if (!changed) return;
  std::vector<int> used;
  for (std::size_t s = 0; s < known; ++s)
    if (kind_of_species_[s] >= 0) {
      kind_of_species_[s] = static_cast<int>(used.size());
      used.push_back(static_cast<int>(s));
    }
  if (used.empty()) used.push_back(0);  // a rank without atoms still calls the halo
  network_.reset();                     // should the next line fail, the next call must try again
  network_ = std::make_unique<Network<Real>>(model_, used, head_);
  workers_.clear();
  for (int i = 0; i < info_.threads; ++i)
    workers_.push_back(std::make_unique<Work>(model_, *network_));
}

/// Orders atoms by element, cuts batches, and shares them out by the number of edges.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::arrange(const Graph& graph) {
  const std::size_t n = graph.num_local, threads = info_.threads;
  auto& first = first_of_kind_;
  first.assign(network_->kinds() + 1, 0);
  for (std::size_t i = 0; i < n; ++i) ++first[kind_of_species_[graph.species[i]] + 1];
  std::partial_sum(first.begin(), first.end(), first.begin());
  order_.resize(n);
  batches_.clear();
  // a few batches for each thread even in small systems
  const std::size_t size = std::clamp<std::size_t>(n / (4 * threads), 1, kBatch);
  for (int kind = 0; kind < network_->kinds(); ++kind)
    for (std::size_t p = first[kind]; p < first[kind + 1]; p += size)
      batches_.push_back({kind, p, static_cast<int>(std::min(size, first[kind + 1] - p))});
  for (std::size_t i = 0; i < n; ++i)
    order_[first[kind_of_species_[graph.species[i]]]++] = static_cast<std::int32_t>(i);
  const auto cost = [&](const BatchRange& b) {
    std::int64_t edges = b.atoms;
    for (int a = 0; a < b.atoms; ++a) {
      const auto node = order_[b.begin + a];
      edges += graph.first_edge[node + 1] - graph.first_edge[node];
    }
    return static_cast<double>(edges);
  };
  double total = 0.0, sum = 0.0;
  for (const auto& b : batches_) total += cost(b);
  share_.assign(threads + 1, batches_.size());
  share_[0] = 0;
  std::size_t thread = 1;
  for (std::size_t b = 0; b < batches_.size(); ++b) {
    sum += cost(batches_[b]);
    while (thread < threads && sum >= total * thread / threads) share_[thread++] = b + 1;
  }
}

template <class Real, class Sum>
template <class Function>
void NativeEvaluator<Real, Sum>::for_batches(Function&& function) {
  const auto run = [&](int thread) {
    Work& work = *workers_[thread];
    for (std::size_t b = share_[thread]; b < share_[thread + 1]; ++b)
      function(work, batches_[b], thread);
  };
  if (info_.threads == 1) return run(0);
  // OpenMP may give fewer threads than asked for (OMP_THREAD_LIMIT, OMP_DYNAMIC, nested regions)
#pragma omp parallel num_threads(info_.threads)
  for (int i = omp_get_thread_num(); i < info_.threads; i += omp_get_num_threads()) run(i);
}

/// Rows of a thread's own gradient buffer for the senders of its edges.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::touch_senders(const Graph& graph, int thread) {
  auto& slot = slot_[thread];
  auto& touched = touched_[thread];
  slot.assign(graph.num_nodes(), -1);
  touched.clear();
  for (std::size_t b = share_[thread]; b < share_[thread + 1]; ++b)
    for (int a = 0; a < batches_[b].atoms; ++a) {
      const auto node = order_[batches_[b].begin + a];
      for (auto e = graph.first_edge[node]; e < graph.first_edge[node + 1]; ++e) {
        const auto sender = graph.sender[static_cast<std::size_t>(e)];
        if (slot[sender] >= 0) continue;
        slot[sender] = static_cast<std::int32_t>(touched.size());
        touched.push_back(sender);
      }
    }
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
  edge_gradient_.assign(3 * graph.num_edges(), 0.0);
}

template <class Real, class Sum>
const Evaluation& NativeEvaluator<Real, Sum>::evaluate(const Graph& graph, Halo& halo) {
  const double start = omp_get_wtime();
  result_.seconds = {};
  prepare(graph.species);
  arrange(graph);
  reserve_state(graph);
  if (info_.threads > 1 && num_layers() > 1) {
    slot_.resize(info_.threads);
    touched_.resize(info_.threads);
    private_bar_.resize(info_.threads);
#pragma omp parallel for num_threads(info_.threads) schedule(static, 1)
    for (int i = 0; i < info_.threads; ++i) touch_senders(graph, i);
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
  for (std::size_t t = 1; t < model_.layers.size(); ++t)
    widest =
        std::max(widest, components(model_.layers[t].sender_l) * padded<Real>(model_.channels));
  return widest;
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::isolated_energies(const Graph& graph) {
  const std::size_t n = model_.elements.size();
  for (std::size_t i = 0; i < graph.num_local; ++i)
    site_energy_[i] =
        model_.atomic_energies.values[head_ * n + graph.species[i]] + model_.shift.values[head_];
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::begin(const Graph& graph, Work& work, const BatchRange& batch,
                                       int thread) {
  work.start();
  work.begin(graph, kind_of_species_, batch, &order_[batch.begin]);
  if (num_layers() == 1) return;
  const int count = work.edges().edges();
  reserve(work.sender_rows(), count + 1);  // never empty: atoms without edges point into them
  reserve(work.gradient_rows(), count + 1);
  for (int e = 0; e < count; ++e) {
    const std::int64_t sender = work.edges().sender(e);
    work.sender_rows()[e] = sender;
    work.gradient_rows()[e] = info_.threads == 1 ? sender : slot_[thread][sender];
  }
}

template <class Real>
void scale_rows(Buffer<std::int64_t>& rows, int count, Real size) {
  for (int e = 0; e < count; ++e) rows[e] *= static_cast<std::int64_t>(size);
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::forward_layer(const Graph& graph, int t, Halo& halo) {
  State& state = states_[t];
  for_batches([&](Work& work, const BatchRange& batch, int thread) {
    begin(graph, work, batch, thread);
    if (t > 0) scale_rows(work.sender_rows(), work.edges().edges(), row(t));
    work.messages(t, t > 0 ? state.sender.data() : nullptr);
    const std::size_t size = batch.atoms * inputs();
    std::copy_n(work.features().begin(), size, state.features.begin() + batch.begin * inputs());
    for (int a = 0; a < batch.atoms; ++a) state.density[batch.begin + a] = work.density(a);
    work.contract(t, &state.outputs[batch.begin * outputs(t)]);
    readout(work, t, batch, thread);
    update_senders(work, t + 1, batch);
  });
  exchange(graph, t + 1, halo);
}

/// The last layer's energy needs nothing from other atoms: forward and reverse in one go.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::last_layer(const Graph& graph) {
  const int t = num_layers() - 1;
  State& state = states_[t];
  reserve(state.outputs, batches_.empty() ? 0 : info_.threads * kBatch * outputs(t));
  if (t > 0 && info_.threads == 1)
    std::fill_n(state.sender_bar.begin(), graph.num_nodes() * row(t), Sum(0));
  for_batches([&](Work& work, const BatchRange& batch, int thread) {
    clear_private_bar(t, batch, thread);
    begin(graph, work, batch, thread);
    if (t > 0) {
      scale_rows(work.sender_rows(), work.edges().edges(), row(t));
      scale_rows(work.gradient_rows(), work.edges().edges(), row(t));
    }
    work.messages(t, state.sender.data());
    if (t == 0) repulsion(work, batch);
    work.contract(t, &state.outputs[thread * kBatch * outputs(t)]);
    readout(work, t, batch, thread);
    outputs_gradient(work, t, batch);
    work.contract_reverse(t);
    work.messages_reverse(t, state.sender.data(), t > 0 ? gradient_buffer(t, thread) : nullptr);
    work.edges().add_gradients(model_.max_ell, edge_gradient_);
    work.lap(Stage::edges);
  });
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::reverse_layer(const Graph& graph, int t) {
  State& state = states_[t];
  if (t > 0 && info_.threads == 1)
    std::fill_n(state.sender_bar.begin(), graph.num_nodes() * row(t), Sum(0));
  for_batches([&](Work& work, const BatchRange& batch, int thread) {
    clear_private_bar(t, batch, thread);
    begin(graph, work, batch, thread);
    if (t > 0) {
      scale_rows(work.sender_rows(), work.edges().edges(), row(t));
      scale_rows(work.gradient_rows(), work.edges().edges(), row(t));
    }
    work.edges().evaluate_radial(network_->layers()[t], batch.kind, network_->kinds());
    std::copy_n(state.features.begin() + batch.begin * inputs(), batch.atoms * inputs(),
                work.features().begin());
    for (int a = 0; a < batch.atoms; ++a) work.set_density(a, state.density[batch.begin + a]);
    if (t == 0) repulsion(work, batch);
    work.lap(Stage::edges);
    outputs_gradient(work, t, batch);
    work.contract_reverse(t);
    work.messages_reverse(t, state.sender.data(), t > 0 ? gradient_buffer(t, thread) : nullptr);
    work.edges().add_gradients(model_.max_ell, edge_gradient_);
    work.lap(Stage::edges);
  });
}

/// h_t of the batch's atoms from the outputs of all layers before.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::update_senders(Work& work, int t, const BatchRange& batch) {
  const auto& layer = network_->layers()[t];
  const int k = network_->channels();
  Buffer<Real>& h = work.features_bar();
  std::fill_n(h.begin(), batch.atoms * row(t), Real(0));
  for (int s = 0; s < t; ++s)
    for (std::size_t l = 0; l < layer.update[s].size(); ++l) {
      if (!layer.update[s][l].present()) continue;
      const std::size_t at = l * l * batch.atoms * k;
      work.multiply(layer.update[s][l].of(batch.kind), false,
                    static_cast<int>(2 * l + 1) * batch.atoms,
                    &states_[s].outputs[batch.begin * outputs(s) + at], &h[at], true);
    }
  const Real* bias = layer.update_bias[batch.kind].data();
  for (int a = 0; a < batch.atoms; ++a) {
    Real* out = &states_[t].sender[order_[batch.begin + a] * row(t)];
    for (int m = 0; m < layer.sender_components; ++m)
      for (int i = 0; i < k; ++i)
        out[m * k + i] = h[(static_cast<std::size_t>(m) * batch.atoms + a) * k + i] +
                         (m == 0 ? bias[i] : Real(0));
  }
  work.lap(Stage::linear);
}

/// Energies of a layer's readout, and its neurons' gradients.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::readout(Work& work, int t, const BatchRange& batch, int thread) {
  const auto& layer = network_->layers()[t];
  if (layer.neurons == 0) return;
  using R = NativeLayer::Readout;
  const R kind = model_.layers[t].readout;
  const int n = padded<Real>(layer.neurons);
  Real* pre = &states_[t].neurons_bar[batch.begin * n];
  const bool last = t + 1 == num_layers();
  std::fill_n(pre, batch.atoms * n, Real(0));
  for (int s = 0; s <= t; ++s) {
    if (!layer.readout[s].present()) continue;
    const Real* c = s == t && last ? &states_[s].outputs[thread * kBatch * outputs(s)]
                                   : &states_[s].outputs[batch.begin * outputs(s)];
    work.multiply(layer.readout[s].of(batch.kind), false, batch.atoms, c, pre, true);
  }
  for (int a = 0; a < batch.atoms; ++a)
    for (int i = 0; i < layer.neurons; ++i) {
      Real& x = pre[a * n + i];
      const double value = x + layer.readout_bias[batch.kind][i], w = layer.readout_out[i];
      double& energy = site_energy_[order_[batch.begin + a]];
      if (kind == R::linear) {
        energy += w * value;
        x = static_cast<Real>(w);
      } else if (kind == R::silu) {
        const double s = 1.0 / (1.0 + std::exp(-value));
        energy += w * value * s;
        x = static_cast<Real>(w * s * (1.0 + value * (1.0 - s)));
      } else {
        const double y = std::tanh(value);
        energy += w * y;
        x = static_cast<Real>(w * (1.0 - y * y));
      }
    }
  work.lap(Stage::readout);
}

/// dE/dc of layer t from the readouts and the senders' features of later layers.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::outputs_gradient(Work& work, int t, const BatchRange& batch) {
  const int k = network_->channels();
  Buffer<Real>& c_bar = work.outputs_bar();
  std::fill_n(c_bar.begin(), batch.atoms * outputs(t), Real(0));
  Buffer<Real>& h_bar = work.features_bar();
  for (int later = t; later < num_layers(); ++later) {
    const auto& layer = network_->layers()[later];
    if (layer.neurons > 0 && layer.readout[t].present()) {
      const int n = padded<Real>(layer.neurons);
      work.multiply(layer.readout[t].of(batch.kind), true, batch.atoms,
                    &states_[later].neurons_bar[batch.begin * n], c_bar.data(), true);
    }
    if (later == t) continue;
    for (int m = 0; m < layer.sender_components; ++m)
      for (int a = 0; a < batch.atoms; ++a) {
        const Sum* in = &states_[later].sender_bar[order_[batch.begin + a] * row(later) + m * k];
        std::copy_n(in, k, &h_bar[(static_cast<std::size_t>(m) * batch.atoms + a) * k]);
      }
    for (std::size_t l = 0; l < layer.update[t].size(); ++l) {
      if (!layer.update[t][l].present()) continue;
      const std::size_t at = l * l * batch.atoms * k;
      work.multiply(layer.update[t][l].of(batch.kind), true,
                    static_cast<int>(2 * l + 1) * batch.atoms, &h_bar[at], &c_bar[at], true);
    }
  }
  work.lap(Stage::readout);
}

/// Adds up the threads' gradients, in the order of threads; then the other ranks'.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::gather_sender_gradients(const Graph& graph, int t, Halo& halo) {
  auto& bar = states_[t].sender_bar;
  const std::size_t size = row(t);
  if (info_.threads > 1) {
#pragma omp parallel for num_threads(info_.threads) schedule(static)
    for (std::size_t node = 0; node < graph.num_nodes(); ++node) {
      Sum* out = &bar[node * size];
      std::fill_n(out, size, Sum(0));
      for (int thread = 0; thread < info_.threads; ++thread) {
        const auto slot = slot_[thread][node];
        if (slot < 0) continue;
        const Sum* in = &private_bar_[thread][slot * size];
        for (std::size_t i = 0; i < size; ++i) out[i] += in[i];
      }
    }
  }
  if (!halo.active()) return;
  const double start = omp_get_wtime();
  exchange_.assign(bar.begin(), bar.begin() + graph.num_nodes() * size);
  halo.reverse(exchange_, static_cast<int>(size));
  std::copy(exchange_.begin(), exchange_.end(), bar.begin());
  result_.seconds.halo += omp_get_wtime() - start;
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::exchange(const Graph& graph, int t, Halo& halo) {
  if (!halo.active()) return;
  const double start = omp_get_wtime();
  auto& h = states_[t].sender;
  const std::size_t size = graph.num_nodes() * row(t);
  exchange_.assign(h.begin(), h.begin() + size);
  halo.forward(exchange_, static_cast<int>(row(t)));
  std::copy(exchange_.begin(), exchange_.end(), h.begin());
  result_.seconds.halo += omp_get_wtime() - start;
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::repulsion(Work& work, const BatchRange& batch) {
  if (model_.zbl.power == 0) return;
  auto& edges = work.edges();
  const int receiver = network_->species()[batch.kind];
  const double scale = model_.scale.values[head_];
  for (int a = 0; a < batch.atoms; ++a)
    for (int e = edges.first(a); e < edges.first(a + 1); ++e) {
      const int sender = network_->species()[edges.sender_kind(e)];
      const Jet energy = model_.zbl.energy(sender, receiver, model_.elements[sender],
                                           model_.elements[receiver], edges.distance(e));
      site_energy_[order_[batch.begin + a]] += scale * energy.value;
      edges.gradients(e)[0] += scale * energy.slope;
    }
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

int choose_head(const NativeModel& model, const EvaluatorOptions& options) {
  std::string name = options.head.empty() ? model.default_head : options.head;
  if (name.empty() && model.heads.size() == 1) name = model.heads[0];
  std::string known;
  for (std::size_t i = 0; i < model.heads.size(); ++i) {
    if (model.heads[i] == name) return static_cast<int>(i);
    known += (i ? ", " : "") + model.heads[i];
  }
  if (name.empty()) throw Error("'" + options.path + "' has several heads: choose one of " + known);
  throw Error("'" + options.path + "' has no head '" + name + "': it has " + known);
}

std::unique_ptr<Evaluator> make(const EvaluatorOptions& options) {
  if (options.device.rfind("cuda", 0) == 0)
    throw Error("the native evaluator of this build runs on the CPU: say 'device cpu'");
  NativeModel model(options.path);
  const int head = choose_head(model, options);
  ModelInfo info;
  info.atomic_numbers = model.elements;
  info.cutoff = model.radial.cutoff;
  info.num_layers = static_cast<int>(model.layers.size());
  info.heads = model.heads;
  info.head = model.heads[head];
  info.stored_precision = model.source_dtype == "float64" ? "double" : "single";
  info.precision = options.precision == "model" ? info.stored_precision : options.precision;
  info.device = "cpu";
  info.kernel = "native " MDBENCH_ISA;
  info.threads = options.threads > 0 ? options.threads : omp_get_max_threads();
  if (info.precision == "double")
    return std::make_unique<NativeEvaluator<double, double>>(std::move(model), head, info);
  if (info.precision == "mixed")
    return std::make_unique<NativeEvaluator<float, double>>(std::move(model), head, info);
  return std::make_unique<NativeEvaluator<float, float>>(std::move(model), head, info);
}

}  // namespace
}  // namespace mdbench

extern "C" __attribute__((visibility("default"))) mdbench::Evaluator* mdbench_backend_v1(
    const mdbench::EvaluatorOptions& options, const mdbench::ModelFile&) {
  return mdbench::make(options).release();
}
