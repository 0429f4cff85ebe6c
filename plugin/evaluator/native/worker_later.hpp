// SPDX-License-Identifier: MIT
#pragma once

/// Layers after the first of Worker: messages with features of the senders.

namespace mdbench {

template <class Real, class Sum>
const SegmentRows<Real>& Worker<Real, Sum>::rows_of(
    const NetworkLayer<Real>& layer, const typename BatchEdges<Real>::Run& run) const {
  if (run.segment < 0) return layer.exact_rows;
  const int pair = batch_.kind * network_.kinds() + run.sender_kind;
  return layer.rows[layer.table_of_pair[pair]][run.segment];
}

/// R = U V for the paths of a group and one block of channels: radial_[path][edge][lanes].
template <class Real, class Sum>
template <int Vectors, bool WithSlope>
void Worker<Real, Sum>::radial_rows(const NetworkLayer<Real>& layer, const SlotGroup& group,
                                    int block) {
  constexpr int lanes = Vectors * W, T = BatchEdges<Real>::kTile;
  const int paths = static_cast<int>(layer.exact_rows.values.size() /
                                     (static_cast<std::size_t>(layer.exact_rows.rank) * channels_));
  const std::size_t path_stride = static_cast<std::size_t>(edges_.edges() + 1) * lanes;
  const int columns = edges_.columns();
  for (const auto& run : edges_.runs()) {
    const auto& rows = rows_of(layer, run);
    for (std::size_t p = 0; p < group.paths.size(); ++p) {
      const Real* v_rows = &rows.values[(static_cast<std::size_t>(block) * paths + group.paths[p]) *
                                        rows.rank * lanes];
      Real* r_out = &radial_[p * path_stride];
      Real* d_out = WithSlope ? &radial_slope_[p * path_stride] : nullptr;
      for (int row = run.begin; row < run.end; row += T) {
        const Real* u = edges_.column(row);
        const Real* du = edges_.slope(row);
        Vec<Real> r[T][Vectors], d[T][Vectors];
        for (int i = 0; i < T; ++i)
          for (int v = 0; v < Vectors; ++v) r[i][v] = d[i][v] = Real(0);
        for (int q = 0; q < rows.rank; ++q) {
          Vec<Real> x[Vectors];
          for (int v = 0; v < Vectors; ++v) x[v] = load(v_rows + q * lanes + v * W);
          for (int i = 0; i < T; ++i)
            for (int v = 0; v < Vectors; ++v) {
              r[i][v] += x[v] * u[i * columns + q];
              if constexpr (WithSlope) d[i][v] += x[v] * du[i * columns + q];
            }
        }
        for (int i = 0; i < T; ++i)
          for (int v = 0; v < Vectors; ++v) {
            const std::size_t at = static_cast<std::size_t>(edges_.target(row + i)) * lanes + v * W;
            store(r_out + at, r[i][v]);
            if constexpr (WithSlope) store(d_out + at, d[i][v]);
          }
      }
    }
  }
}

/// Slots of every atom for a group of paths and a block of channels, then Clebsch-Gordan.
template <class Real, class Sum>
template <int M, int Vectors>
void Worker<Real, Sum>::group_forward(const SlotGroup& group, int block,
                                      const Real* sender_features) {
  constexpr int lanes = Vectors * W;
  const std::ptrdiff_t path_stride = static_cast<std::ptrdiff_t>(edges_.edges() + 1) * lanes;
  const std::size_t slots = group.rows.size() * M;
  for (int a = 0; a < batch_.atoms; ++a)
    for (int v = 0; v < Vectors; ++v) {
      const int first = edges_.first(a), channel = block * lanes + v * W;
      const EdgeSpan<Real> span{edges_.first(a + 1) - first,
                                &sender_rows_[first],
                                sender_features + channel,
                                channels_,
                                edges_.harmonics(first) + group.l2 * group.l2,
                                edges_.harmonics_stride()};
      std::fill_n(slots_.begin(), slots * W, Sum(0));
      accumulate_slots<M>(span, group.rows,
                          &radial_[static_cast<std::size_t>(first) * lanes + v * W], path_stride,
                          lanes, slots_.data());
      for (const auto& c : group.couplings) {
        Real* out = &messages_[shape().at(c.output, a) + channel];
        const Sum* slot = &slots_[static_cast<std::size_t>(c.slot) * W];
        const Real value = static_cast<Real>(c.value);
        if constexpr (sizeof(Sum) == sizeof(Real))
          store(out, load(out) + load(slot) * value);
        else
          for (int i = 0; i < W; ++i) out[i] += value * static_cast<Real>(slot[i]);
      }
    }
}

template <class Real, class Sum>
template <int M, int Vectors>
void Worker<Real, Sum>::group_reverse(const SlotGroup& group, int block,
                                      const Real* sender_features, Sum* sender_gradients) {
  constexpr int lanes = Vectors * W;
  const std::ptrdiff_t path_stride = static_cast<std::ptrdiff_t>(edges_.edges() + 1) * lanes;
  const std::size_t slots = group.rows.size() * M;
  for (int a = 0; a < batch_.atoms; ++a) {
    const int first = edges_.first(a), channel = block * lanes;
    std::fill_n(slots_bar_.begin(), Vectors * slots * W, Real(0));
    for (const auto& c : group.couplings)
      for (int v = 0; v < Vectors; ++v) {
        Real* slot = &slots_bar_[(v * slots + c.slot) * W];
        const Vec<Real> bar = load(&messages_[shape().at(c.output, a) + channel + v * W]);
        store(slot, load(slot) + bar * static_cast<Real>(c.value));
      }
    const EdgeSpan<Real> span{edges_.first(a + 1) - first,
                              &sender_rows_[first],
                              sender_features + channel,
                              channels_,
                              edges_.harmonics(first) + group.l2 * group.l2,
                              edges_.harmonics_stride()};
    const EdgeGradients<Sum> out{
        &gradient_rows_[first], sender_gradients + channel,
        &edges_
             .harmonics_bar[static_cast<std::size_t>(first) * kMaxComponents + group.l2 * group.l2],
        &edges_.distance_bar[first]};
    const std::size_t at = static_cast<std::size_t>(first) * lanes;
    reverse_slots<M, Vectors>(span, group.rows, &radial_[at], &radial_slope_[at], path_stride,
                              slots_bar_.data(), out);
  }
}

/// Calls function<M, Vectors>() for a group's l2 and the network's vectors.
template <class Real, class Sum>
template <class Function>
void Worker<Real, Sum>::for_shape(int l2, Function&& function) {
  const auto with = [&]<int M>() {
    if (network_.vectors() == 2)
      function.template operator()<M, 2>();
    else
      function.template operator()<M, 1>();
  };
  static_assert(kMaxEll == 3);
  if (l2 == 0) with.template operator()<1>();
  if (l2 == 1) with.template operator()<3>();
  if (l2 == 2) with.template operator()<5>();
  if (l2 == 3) with.template operator()<7>();
}

template <class Real, class Sum>
void Worker<Real, Sum>::later_messages(int t, const Real* sender_features) {
  const auto& layer = network_.layers()[t];
  const int lanes = network_.vectors() * W;
  reserve(messages_, rows_size(layer.message_rows));
  std::fill_n(messages_.begin(), rows_size(layer.message_rows), Real(0));
  for (const auto& group : layer.groups) {
    reserve(radial_, group.paths.size() * (edges_.edges() + 1) * lanes);
    reserve(slots_, group.rows.size() * (2 * group.l2 + 1) * W);
    for (int block = 0; block < channels_ / lanes; ++block)
      for_shape(group.l2, [&]<int M, int Vectors>() {
        radial_rows<Vectors, false>(layer, group, block);
        lap(Stage::radial);
        group_forward<M, Vectors>(group, block, sender_features);
        lap(Stage::product);
      });
  }
  for (int l = 0; l <= model_.max_ell; ++l) {
    const auto& w = layer.linear[l].of(batch_.kind);
    const int rows = (2 * l + 1) * batch_.atoms;
    Real* out = &features_[shape().at(l * l, 0)];
    std::fill_n(out, static_cast<std::size_t>(rows) * channels_, Real(0));
    for (std::size_t p = 0; p < layer.first_row[l].size(); ++p)
      gemm<Real>(rows, channels_, channels_,
                 {&messages_[shape().at(layer.first_row[l][p], 0)], channels_},
                 {&w.forward[p * channels_ * channels_], channels_}, {out, channels_}, true);
  }
}

template <class Real, class Sum>
void Worker<Real, Sum>::later_reverse(int t, const Real* sender_features, Sum* sender_gradients) {
  const auto& layer = network_.layers()[t];
  const int lanes = network_.vectors() * W;
  for (int l = 0; l <= model_.max_ell; ++l) {
    const auto& w = layer.linear[l].of(batch_.kind);
    for (std::size_t p = 0; p < layer.first_row[l].size(); ++p)
      gemm<Real>((2 * l + 1) * batch_.atoms, channels_, channels_,
                 {&features_bar_[shape().at(l * l, 0)], channels_},
                 {&w.reverse[p * channels_], w.rows},
                 {&messages_[shape().at(layer.first_row[l][p], 0)], channels_}, false);
  }
  lap(Stage::linear);
  for (const auto& group : layer.groups) {
    const std::size_t size = group.paths.size() * (edges_.edges() + 1) * lanes;
    reserve(radial_, size);
    reserve(radial_slope_, size);
    reserve(slots_bar_, group.rows.size() * (2 * group.l2 + 1) * lanes);
    for (int block = 0; block < channels_ / lanes; ++block)
      for_shape(group.l2, [&]<int M, int Vectors>() {
        radial_rows<Vectors, true>(layer, group, block);
        lap(Stage::radial);
        group_reverse<M, Vectors>(group, block, sender_features, sender_gradients);
        lap(Stage::reverse_product);
      });
  }
}

}  // namespace mdbench
