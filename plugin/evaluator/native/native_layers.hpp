// SPDX-License-Identifier: MIT
#pragma once

/// The layers of NativeEvaluator: what is done for each batch of atoms, forward and reverse.

namespace mdbench {

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::isolated_energies(const Graph& graph) {
  const std::size_t n = model_.elements.size();
  for (std::size_t i = 0; i < graph.num_local; ++i)
    site_energy_[i] =
        model_.atomic_energies.values[head_ * n + graph.species[i]] + model_.shift.values[head_];
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::begin(const Graph& graph, Work& work, int t,
                                       const BatchRange& batch, int thread) {
  work.begin(graph, batch, nodes(batch), store_);
  work.evaluate_radial(t);
  if (t == 0) return;
  const auto size = static_cast<std::int64_t>(row(t));
  const int count = work.edges().edges();
  reserve(work.sender_rows(), count + 1);  // never empty: atoms without edges point into them
  reserve(work.gradient_rows(), count + 1);
  for (int e = 0; e < count; ++e) {
    const std::int64_t sender = work.edges().sender(e);
    work.sender_rows()[e] = size * sender;
    work.gradient_rows()[e] = size * (info_.threads == 1 ? sender : slot_[thread][sender]);
  }
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::forward_layer(const Graph& graph, int t, Halo& halo) {
  State& state = states_[t];
  for_batches([&](Work& work, const BatchRange& batch, int thread) {
    work.start();
    if (t == 0) work.edges().gather(graph, nodes(batch), kind_of_node_, store_, batch.first_edge);
    begin(graph, work, t, batch, thread);
    work.messages(t, state.sender.data());
    const std::size_t size = batch.atoms * inputs();
    std::copy_n(work.features().begin(), size, state.features.begin() + batch.begin * inputs());
    for (int a = 0; a < batch.atoms; ++a) state.density[batch.begin + a] = work.density(a);
    work.contract(t, &state.outputs[batch.begin * outputs(t)]);
    readout(work, t, batch, thread);
    update_senders(work, t + 1, batch);
  });
  exchange(graph, t + 1, halo);
}

/// The reverse pass of a batch whose edges, A and densities are in place.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::reverse_batch(Work& work, int t, const BatchRange& batch,
                                               int thread) {
  outputs_gradient(work, t, batch);
  work.contract_reverse(t);
  work.messages_reverse(t, states_[t].sender.data(), t > 0 ? gradient_buffer(t, thread) : nullptr);
  work.edges().put_gradients(edge_gradient_, t + 1 < num_layers());
  work.lap(Stage::edges);
}

/// The last layer's energy needs nothing from other atoms: forward and reverse in one go.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::last_layer(const Graph& graph) {
  const int t = num_layers() - 1;
  State& state = states_[t];
  reserve(state.outputs, batches_.empty() ? 0 : info_.threads * kBatch * outputs(t));
  clear_sender_bar(graph, t);
  for_batches([&](Work& work, const BatchRange& batch, int thread) {
    work.start();
    clear_private_bar(t, batch, thread);
    if (t == 0) work.edges().gather(graph, nodes(batch), kind_of_node_, store_, batch.first_edge);
    begin(graph, work, t, batch, thread);
    work.messages(t, state.sender.data());
    if (t == 0) repulsion(work, batch);
    work.contract(t, &state.outputs[thread * kBatch * outputs(t)]);
    readout(work, t, batch, thread);
    reverse_batch(work, t, batch, thread);
  });
}

template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::reverse_layer(const Graph& graph, int t) {
  State& state = states_[t];
  clear_sender_bar(graph, t);
  for_batches([&](Work& work, const BatchRange& batch, int thread) {
    work.start();
    clear_private_bar(t, batch, thread);
    begin(graph, work, t, batch, thread);
    std::copy_n(state.features.begin() + batch.begin * inputs(), batch.atoms * inputs(),
                work.features().begin());
    for (int a = 0; a < batch.atoms; ++a) work.set_density(a, state.density[batch.begin + a]);
    if (t == 0) repulsion(work, batch);
    work.lap(Stage::edges);
    reverse_batch(work, t, batch, thread);
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
      const Activated y = kind == R::linear ? linear_activation(value)
                          : kind == R::silu ? silu_activation(value)
                                            : tanh_activation(value);
      energy += w * y.value;
      x = static_cast<Real>(w * y.slope);
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

}  // namespace mdbench
