// SPDX-License-Identifier: MIT
#pragma once

#include "workspace.hpp"

/// The dense maps of Workspace.
namespace mdbench::cuda {

template <class Real>
Rows<Real> Workspace<Real>::rows_of_pass(Array<Real>& array, int width) const {
  return {array.data(), std::int64_t(sizes_.capacity) * width, width, false};
}

/// What a layer makes of its messages: A, or what comes before its gates.
template <class Real>
Rows<Real> Workspace<Real>::sums_of(const DeviceLayer<Real>& layer, int t) {
  LayerMemory<Real>& memory = memory_[single_pass() ? t : 0];
  return rows_of_pass(layer.gated ? memory.sums : memory.features);
}

template <class Real>
Rows<Real> Workspace<Real>::sums_bar_of(const DeviceLayer<Real>& layer) {
  return rows_of_pass(layer.gated ? sums_bar : features_bar);
}

template <class Real>
Rows<Real> Workspace<Real>::outputs(int t) {
  if (!kept(t)) return rows_of_pass(outputs_local);
  return {memory_[t].outputs.data(), std::int64_t(receivers_) * channels_, channels_, true};
}

/// Layer 0: its sums from the moments of each sender kind, and back.
template <class Real>
void Workspace<Real>::plan_first(const DeviceLayer<Real>& layer, cudaStream_t stream) {
  const int comps = components(layer.max_ell), row = layer.moment_row;
  const Rows<Real> in = rows_of_pass(moments, row), bar = sums_bar_of(layer);
  const Rows<Real> out = sums_of(layer, 0);
  folded.begin(row, channels_);
  folded_reverse.begin(channels_, row);
  for (std::size_t s = 0; s < layer.sums.size(); ++s) {
    const MessageSum& sum = layer.sums[s];
    for (int m = 0; m < sum.size(); ++m) {
      folded.add_output(out.at(sum.component + m), out.stride);
      for (int kind = 0; kind < layer.kinds; ++kind) {
        const auto& map = layer.folded[s][kind];
        folded.add_term(in, kind * comps + sum.l * sum.l + m, map.forward.data(), map.kind_stride);
      }
    }
  }
  for (int kind = 0; kind < layer.kinds; ++kind)
    for (int l = 0; l <= layer.max_ell; ++l)
      for (int m = 0; m <= 2 * l; ++m) {
        folded_reverse.add_output(in.at(kind * comps + l * l + m), row);
        for (std::size_t s = 0; s < layer.sums.size(); ++s) {
          const auto& map = layer.folded[s][kind];
          if (layer.sums[s].l == l)
            folded_reverse.add_term(bar, layer.sums[s].component + m, map.reverse.data(),
                                    map.kind_stride);
        }
      }
  folded.upload(stream);
  folded_reverse.upload(stream);
}

/// A later layer's sums from the messages, and back.
template <class Real>
void Workspace<Real>::plan_linear(const DeviceLayer<Real>& layer, int t, cudaStream_t stream) {
  const Rows<Real> in = rows_of_pass(messages, edge_channels_), bar = sums_bar_of(layer);
  const Rows<Real> out = sums_of(layer, t);
  linear[t].begin(edge_channels_, channels_);
  linear_reverse[t].begin(channels_, edge_channels_);
  for (std::size_t s = 0; s < layer.sums.size(); ++s)
    for (int m = 0; m < layer.sums[s].size(); ++m) {
      linear[t].add_output(out.at(layer.sums[s].component + m), out.stride);
      const auto& first_row = layer.first_row[layer.sums[s].l];
      for (std::size_t p = 0; p < first_row.size(); ++p) {
        const auto& map = layer.linear[s][p];
        linear[t].add_term(in, first_row[p] + m, map.forward.data(), map.kind_stride);
      }
    }
  for (int l = 0; l <= layer.max_ell; ++l)
    for (int m = 0; m <= 2 * l; ++m)
      for (std::size_t p = 0; p < layer.first_row[l].size(); ++p) {
        linear_reverse[t].add_output(in.at(layer.first_row[l][p] + m), in.stride);
        for (std::size_t s = 0; s < layer.sums.size(); ++s) {
          if (layer.sums[s].l != l) continue;
          const auto& map = layer.linear[s][p];
          linear_reverse[t].add_term(bar, layer.sums[s].component + m, map.reverse.data(),
                                     map.kind_stride);
        }
      }
  linear[t].upload(stream);
  linear_reverse[t].upload(stream);
}

/// What is between the sums and A.
template <class Real>
void Workspace<Real>::plan_gates(const DeviceLayer<Real>& layer, int t, cudaStream_t stream) {
  const Rows<Real> mine = rows_of_pass(sender_gradients, edge_channels_);
  const Rows<Real> added = rows_of_pass(residual), bar = rows_of_pass(sums_bar);
  const Rows<Real> open = rows_of_pass(opened), a_bar = rows_of_pass(features_bar);
  const Rows<Real> a = rows_of_pass(memory_[single_pass() ? t : 0].features);
  own[t].begin(edge_channels_, channels_);
  own_reverse[t].begin(channels_, edge_channels_);
  after[t].begin(channels_, channels_);
  after_reverse[t].begin(channels_, channels_);
  for (std::size_t s = 0; s < layer.sums.size(); ++s)
    for (int m = 0; m < layer.sums[s].size(); ++m) {
      own[t].add_output(added.at(layer.sums[s].component + m), added.stride,
                        t == 0 ? layer.constant[s].data() : nullptr);
      if (t == 0 || !layer.residual[s].present()) continue;
      const auto& map = layer.residual[s];
      own[t].add_term(mine, layer.sums[s].l * layer.sums[s].l + m, map.forward.data(),
                      map.kind_stride);
    }
  for (int l = 0; t > 0 && l * l < layer.sender_components; ++l)
    for (int m = 0; m <= 2 * l; ++m) {
      own_reverse[t].add_output(mine.at(l * l + m), mine.stride);
      for (std::size_t s = 0; s < layer.sums.size(); ++s) {
        const auto& map = layer.residual[s];
        if (layer.sums[s].l == l && map.present())
          own_reverse[t].add_term(bar, layer.sums[s].component + m, map.reverse.data(),
                                  map.kind_stride);
      }
    }
  for (int l = 0; l <= layer.max_ell; ++l)
    for (int m = l * l; m < (l + 1) * (l + 1); ++m) {
      const auto& map = layer.after[l];
      after[t].add_output(a.at(m), a.stride);
      after[t].add_term(open, m, map.forward.data(), map.kind_stride);
      after_reverse[t].add_output(open.at(m), open.stride);
      after_reverse[t].add_term(a_bar, m, map.reverse.data(), map.kind_stride);
    }
  for (auto* plan : {&own[t], &own_reverse[t], &after[t], &after_reverse[t]}) plan->upload(stream);
}

/// h_t from the outputs of the layers before, and back.
template <class Real>
void Workspace<Real>::plan_update(const DeviceLayer<Real>& layer, int t, cudaStream_t stream) {
  const int comps = layer.sender_components;
  const Rows<Real> back = rows_of_pass(sender_gradients, edge_channels_);
  const Rows<Real> c_bar = rows_of_pass(outputs_bar);
  update[t].begin(channels_, edge_channels_);
  for (int s = 0; s < t; ++s) update_reverse[s][t].begin(edge_channels_, channels_);
  for (int l = 0; l * l < comps; ++l)
    for (int m = l * l; m < (l + 1) * (l + 1); ++m) {
      update[t].add_output(memory_[t].sender.data() + std::int64_t(m) * edge_channels_,
                           std::int64_t(comps) * edge_channels_,
                           m == 0 ? layer.update_bias.data() : nullptr);
      for (int s = 0; s < t; ++s) {
        if (l >= static_cast<int>(layer.update[s].size()) || !layer.update[s][l].present())
          continue;
        const auto& map = layer.update[s][l];
        update[t].add_term(outputs(s), m, map.forward.data(), map.kind_stride);
        update_reverse[s][t].add_output(c_bar.at(m), c_bar.stride);
        update_reverse[s][t].add_term(back, m, map.reverse.data(), map.kind_stride);
      }
    }
  update[t].upload(stream);
  for (int s = 0; s < t; ++s) update_reverse[s][t].upload(stream);
}

}  // namespace mdbench::cuda
