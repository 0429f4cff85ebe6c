// SPDX-License-Identifier: MIT
#pragma once

/// Gated layers of Worker. The sums S of the messages, and of the atom's own features, go through
/// A_0 = silu(S_0) W_0, A_lm = (sigmoid(g_l) S_lm) W_l, where g_l are sums of their own.

namespace mdbench {

template <class Real>
inline Vec<Real> sigmoid(const Vec<Real>& x) {
  return Real(1) / (Real(1) + stdx::exp(-x));
}

/// S +- the atoms' own features, mapped.
template <class Real, class Sum>
void Worker<Real, Sum>::add_residual(int t, const Real* node_features, Real sign) {
  const auto& layer = network_.layers()[t];
  const int atoms = batch_.atoms;
  if (t == 0) {
    for (std::size_t s = 0; s < layer.sums.size(); ++s) {
      const Real* constant = &layer.constant[batch_.kind][s * channels_];
      if (layer.sums[s].l > 0) continue;
      for (int a = 0; a < atoms; ++a) {
        Real* row = &gated_[shape().at(layer.sums[s].component, a)];
        for (int k = 0; k < channels_; k += W)
          store(row + k, load(row + k) + sign * load(constant + k));
      }
    }
    return;
  }
  reserve(own_, message_shape().at(layer.sender_components, 0));
  for (int m = 0; m < layer.sender_components; ++m)
    for (int a = 0; a < atoms; ++a) {
      const Real* in = node_features + own_rows_[a] + m * edge_channels_;
      Real* out = &own_[message_shape().at(m, a)];
      for (int k = 0; k < edge_channels_; k += W) store(out + k, sign * load(in + k));
    }
  for (std::size_t s = 0; s < layer.sums.size(); ++s) {
    if (!layer.residual[s].present()) continue;
    const MessageSum& sum = layer.sums[s];
    multiply(layer.residual[s].of(batch_.kind).block(), sum.size() * atoms,
             &own_[message_shape().at(sum.l * sum.l, 0)], &gated_[shape().at(sum.component, 0)],
             true);
  }
}

/// Adds dE/d(own features) to the atoms' rows of the gradients.
template <class Real, class Sum>
void Worker<Real, Sum>::residual_reverse(int t, Sum* node_gradients) {
  if (t == 0) return;
  const auto& layer = network_.layers()[t];
  const int atoms = batch_.atoms;
  const std::size_t size = message_shape().at(layer.sender_components, 0);
  reserve(own_, size);
  std::fill_n(own_.begin(), size, Real(0));
  for (std::size_t s = 0; s < layer.sums.size(); ++s) {
    if (!layer.residual[s].present()) continue;
    const MessageSum& sum = layer.sums[s];
    multiply(layer.residual[s].of(batch_.kind).block_reverse(), sum.size() * atoms,
             &gated_bar_[shape().at(sum.component, 0)], &own_[message_shape().at(sum.l * sum.l, 0)],
             true);
  }
  for (int m = 0; m < layer.sender_components; ++m)
    for (int a = 0; a < atoms; ++a) {
      const Real* in = &own_[message_shape().at(m, a)];
      Sum* out = node_gradients + own_gradient_rows_[a] + m * edge_channels_;
      for (int k = 0; k < edge_channels_; k += W) add_to(out + k, load(in + k));
    }
}

/// A from S.
template <class Real, class Sum>
void Worker<Real, Sum>::gate(const NetworkLayer<Real>& layer) {
  const int atoms = batch_.atoms, comps = components(model_.max_ell);
  const std::size_t row = static_cast<std::size_t>(atoms) * channels_;
  reserve(after_, comps * row);
  for (std::size_t i = 0; i < row; i += W) {
    const Vec<Real> x = load(&gated_[i]);
    store(&after_[i], x * sigmoid(x));
  }
  for (int l = 1; l <= model_.max_ell; ++l)
    for (std::size_t i = 0; i < row; i += W) {
      const Vec<Real> open = sigmoid(load(&gated_[(comps + l - 1) * row + i]));
      for (int m = l * l; m < (l + 1) * (l + 1); ++m)
        store(&after_[m * row + i], open * load(&gated_[m * row + i]));
    }
  for (int l = 0; l <= model_.max_ell; ++l)
    multiply(layer.after[l].of(batch_.kind).block(), (2 * l + 1) * atoms, &after_[l * l * row],
             &features_[l * l * row], false);
}

/// dE/dS from dE/dA.
template <class Real, class Sum>
void Worker<Real, Sum>::gate_reverse(const NetworkLayer<Real>& layer) {
  const int atoms = batch_.atoms, comps = components(model_.max_ell);
  const std::size_t row = static_cast<std::size_t>(atoms) * channels_;
  reserve(gated_bar_, layer.sum_components * row);
  for (int l = 0; l <= model_.max_ell; ++l)
    multiply(layer.after[l].of(batch_.kind).block_reverse(), (2 * l + 1) * atoms,
             &features_bar_[l * l * row], &gated_bar_[l * l * row], false);
  for (std::size_t i = 0; i < row; i += W) {
    const Vec<Real> x = load(&gated_[i]), s = sigmoid(x);
    store(&gated_bar_[i], load(&gated_bar_[i]) * s * (Real(1) + x * (Real(1) - s)));
  }
  for (int l = 1; l <= model_.max_ell; ++l)
    for (std::size_t i = 0; i < row; i += W) {
      const std::size_t gate = (comps + l - 1) * row + i;
      const Vec<Real> open = sigmoid(load(&gated_[gate]));
      Vec<Real> bar(Real(0));
      for (int m = l * l; m < (l + 1) * (l + 1); ++m) {
        const Vec<Real> a_bar = load(&gated_bar_[m * row + i]);
        bar += a_bar * load(&gated_[m * row + i]);
        store(&gated_bar_[m * row + i], open * a_bar);
      }
      store(&gated_bar_[gate], bar * open * (Real(1) - open));
    }
}

}  // namespace mdbench
