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
  const auto gradient_row = [&](std::int64_t node) {
    return size * (info_.threads == 1 ? node : slot_[thread][node]);
  };
  for (int a = 0; a < batch.atoms && network_->layers()[t].gated; ++a) {
    const std::int64_t node = order_[batch.begin + a];
    work.own_rows()[a] = size * node;
    work.own_gradient_rows()[a] = gradient_row(node);
  }
  const int count = work.edges().edges();
  reserve(work.sender_rows(), count + 1);  // never empty: atoms without edges point into them
  reserve(work.gradient_rows(), count + 1);
  for (int e = 0; e < count; ++e) {
    const std::int64_t sender = work.edges().sender(e);
    work.sender_rows()[e] = size * sender;
    work.gradient_rows()[e] = gradient_row(sender);
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
    if (network_->layers()[t].gated)
      std::copy_n(work.gated().begin(), batch.atoms * sums(t),
                  state.gated.begin() + batch.begin * sums(t));
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
    if (network_->layers()[t].gated) work.restore_sums(&state.gated[batch.begin * sums(t)], t);
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
  const int k = network_->channels(), edge = network_->edge_channels();
  Buffer<Real>& h = work.features_bar();
  std::fill_n(h.begin(), batch.atoms * row(t), Real(0));
  for (int s = 0; s < t; ++s)
    for (std::size_t l = 0; l < layer.update[s].size(); ++l) {
      if (!layer.update[s][l].present()) continue;
      const std::size_t at = l * l * batch.atoms;
      work.multiply(layer.update[s][l].of(batch.kind).block(),
                    static_cast<int>(2 * l + 1) * batch.atoms,
                    &states_[s].outputs[batch.begin * outputs(s) + at * k], &h[at * edge], true);
    }
  const Real* bias = layer.update_bias[batch.kind].data();
  for (int a = 0; a < batch.atoms; ++a) {
    Real* out = &states_[t].sender[order_[batch.begin + a] * row(t)];
    for (int m = 0; m < layer.sender_components; ++m)
      for (int i = 0; i < edge; ++i)
        out[m * edge + i] = h[(static_cast<std::size_t>(m) * batch.atoms + a) * edge + i] +
                            (m == 0 ? bias[i] : Real(0));
  }
  work.lap(Stage::linear);
}

inline Activated activate(NativeLayer::Readout kind, double x) {
  using R = NativeLayer::Readout;
  return kind == R::linear ? linear_activation(x)
         : kind == R::silu ? silu_activation(x)
                           : tanh_activation(x);
}

/// The energy that an atom's neurons give; what came into them gives way to dE/d(it).
template <class Real>
double read_neurons(const NetworkLayer<Real>& layer, NativeLayer::Readout kind,
                    const std::vector<double>& bias, Real* neurons, std::vector<double>& scratch) {
  const int n = layer.neurons;
  double energy = 0.0;
  if (layer.readout_mid.empty()) {
    for (int i = 0; i < n; ++i) {
      const Activated y = activate(kind, neurons[i] + bias[i]);
      energy += layer.readout_out[i] * y.value;
      neurons[i] = static_cast<Real>(layer.readout_out[i] * y.slope);
    }
    return energy;
  }
  scratch = layer.readout_mid_bias;
  scratch.resize(2 * n);
  const std::span<double> mid(scratch.data(), n), slope(scratch.data() + n, n);
  for (int i = 0; i < n; ++i) {
    const Activated y = activate(kind, neurons[i] + bias[i]);
    slope[i] = y.slope;
    for (int j = 0; j < n; ++j) mid[j] += y.value * layer.readout_mid[i * n + j];
  }
  for (int j = 0; j < n; ++j) {
    const Activated y = activate(kind, mid[j]);
    energy += layer.readout_out[j] * y.value;
    mid[j] = layer.readout_out[j] * y.slope;
  }
  for (int i = 0; i < n; ++i)
    neurons[i] = static_cast<Real>(
        slope[i] * std::inner_product(mid.begin(), mid.end(), &layer.readout_mid[i * n], 0.0));
  return energy;
}

/// Energies of a layer's readout, and its neurons' gradients.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::readout(Work& work, int t, const BatchRange& batch, int thread) {
  const auto& layer = network_->layers()[t];
  if (layer.neurons == 0) return;
  const auto kind = model_.layers[t].readout;
  const int n = padded<Real>(layer.neurons);
  Real* pre = &states_[t].neurons_bar[batch.begin * n];
  const bool last = t + 1 == num_layers();
  std::fill_n(pre, batch.atoms * n, Real(0));
  for (int s = 0; s <= t; ++s) {
    if (!layer.readout[s].present()) continue;
    const Real* c = s == t && last ? &states_[s].outputs[thread * kBatch * outputs(s)]
                                   : &states_[s].outputs[batch.begin * outputs(s)];
    work.multiply(layer.readout[s].of(batch.kind).block(), batch.atoms, c, pre, true);
  }
  for (int a = 0; a < batch.atoms; ++a)
    site_energy_[order_[batch.begin + a]] +=
        read_neurons(layer, kind, layer.readout_bias[batch.kind], pre + a * n, work.scratch());
  work.lap(Stage::readout);
}

/// dE/dc of layer t from the readouts and the senders' features of later layers.
template <class Real, class Sum>
void NativeEvaluator<Real, Sum>::outputs_gradient(Work& work, int t, const BatchRange& batch) {
  const int k = network_->channels(), edge = network_->edge_channels();
  Buffer<Real>& c_bar = work.outputs_bar();
  std::fill_n(c_bar.begin(), batch.atoms * outputs(t), Real(0));
  Buffer<Real>& h_bar = work.features_bar();
  for (int later = t; later < num_layers(); ++later) {
    const auto& layer = network_->layers()[later];
    if (layer.neurons > 0 && layer.readout[t].present()) {
      const int n = padded<Real>(layer.neurons);
      work.multiply(layer.readout[t].of(batch.kind).block_reverse(), batch.atoms,
                    &states_[later].neurons_bar[batch.begin * n], c_bar.data(), true);
    }
    if (later == t) continue;
    for (int m = 0; m < layer.sender_components; ++m)
      for (int a = 0; a < batch.atoms; ++a) {
        const Sum* in = &states_[later].sender_bar[order_[batch.begin + a] * row(later) + m * edge];
        std::copy_n(in, edge, &h_bar[(static_cast<std::size_t>(m) * batch.atoms + a) * edge]);
      }
    for (std::size_t l = 0; l < layer.update[t].size(); ++l) {
      if (!layer.update[t][l].present()) continue;
      const std::size_t at = l * l * batch.atoms;
      work.multiply(layer.update[t][l].of(batch.kind).block_reverse(),
                    static_cast<int>(2 * l + 1) * batch.atoms, &h_bar[at * edge], &c_bar[at * k],
                    true);
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
