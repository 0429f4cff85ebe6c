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

/// The tile of edges from a row of a run, for one block of channels.
template <class Real, class Sum>
typename Worker<Real, Sum>::Tile Worker<Real, Sum>::radial_tile(
    const NetworkLayer<Real>& layer, const typename BatchEdges<Real>::Run& run, int row,
    int block) const {
  const auto& rows = rows_of(layer, run);
  Tile tile;
  tile.rank = rows.rank;
  tile.paths = static_cast<int>(layer.path_order.size());
  tile.v = &rows.values[static_cast<std::size_t>(block) * tile.paths * rows.rank *
                        network_.vectors() * W];
  tile.value = edges_.column(row);
  tile.slope = edges_.slope(row);
  tile.columns = edges_.columns();
  return tile;
}

/// R for the paths of a group and one block of channels: radial_[path][edge][lanes].
template <class Real, class Sum>
template <int Vectors>
void Worker<Real, Sum>::group_rows(const NetworkLayer<Real>& layer, const SlotGroup& group,
                                   int block) {
  constexpr int lanes = Vectors * W;
  for (const auto& run : edges_.runs())
    for (int row = run.begin; row < run.end; row += kTile) {
      Tile tile = radial_tile(layer, run, row, block);
      tile.v += static_cast<std::size_t>(group.first_path) * tile.rank * lanes;
      tile.paths = group.paths;
      tile.path_stride = static_cast<std::ptrdiff_t>(edges_.edges() + 1) * lanes;
      for (int i = 0; i < kTile; ++i)
        tile.value_out[i] = &radial_[static_cast<std::size_t>(edges_.target(row + i)) * lanes];
      radial_rows<Vectors, false>(tile);
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
                                edge_channels_,
                                edges_.harmonics(first) + group.l2 * group.l2,
                                edges_.harmonics_stride()};
      std::fill_n(slots_.begin(), slots * W, Sum(0));
      accumulate_slots<M>(span, group.rows,
                          &radial_[static_cast<std::size_t>(first) * lanes + v * W], path_stride,
                          lanes, slots_.data());
      for (const auto& c : group.couplings) {
        Real* out = &messages_[message_shape().at(c.output, a) + channel];
        const Sum* slot = &slots_[static_cast<std::size_t>(c.slot) * W];
        const Real value = static_cast<Real>(c.value);
        if constexpr (sizeof(Sum) == sizeof(Real))
          store(out, load(out) + load(slot) * value);
        else
          for (int i = 0; i < W; ++i) out[i] += value * static_cast<Real>(slot[i]);
      }
    }
}

/// dE/d(slot) of every atom for a block of channels: slots_bar_[atom][vector][slot][lanes].
template <class Real, class Sum>
template <int Vectors>
void Worker<Real, Sum>::slots_reverse(const NetworkLayer<Real>& layer, int block) {
  const std::size_t size = static_cast<std::size_t>(layer.slots) * Vectors * W;
  reserve(slots_bar_, size * batch_.atoms);
  std::fill_n(slots_bar_.begin(), size * batch_.atoms, Real(0));
  for (int a = 0; a < batch_.atoms; ++a)
    for (const auto& group : layer.groups)
      for (const auto& c : group.couplings)
        for (int v = 0; v < Vectors; ++v) {
          Real* slot = &slots_bar_[a * size + (v * layer.slots + group.first_slot + c.slot) * W];
          const Real* bar = &messages_[message_shape().at(c.output, a) + (block * Vectors + v) * W];
          store(slot, load(slot) + load(bar) * static_cast<Real>(c.value));
        }
}

/// Edge gradients of a block of channels. Tile by tile of the radial rows, which so stay in the
/// first cache between their making and their use.
template <class Real, class Sum>
template <int Vectors>
void Worker<Real, Sum>::edges_reverse(const NetworkLayer<Real>& layer, int block,
                                      const Real* sender_features, Sum* sender_gradients) {
  constexpr int lanes = Vectors * W, tile_size = kTile * lanes;
  const int paths = static_cast<int>(layer.path_order.size());
  reserve(radial_, static_cast<std::size_t>(2) * paths * tile_size);
  Real *const value = radial_.data(), *const slope = value + paths * tile_size;
  for (const auto& run : edges_.runs()) {
    int atom = 0;  // rows of a run keep the order of edges
    for (int row = run.begin; row < run.end; row += kTile) {
      Tile tile = radial_tile(layer, run, row, block);
      tile.path_stride = tile_size;
      for (int i = 0; i < kTile; ++i) {
        tile.value_out[i] = value + i * lanes;
        tile.slope_out[i] = slope + i * lanes;
      }
      radial_rows<Vectors, true>(tile);
      for (int i = 0; i < kTile && edges_.target(row + i) < edges_.edges(); ++i) {
        const int e = edges_.target(row + i);
        while (e >= edges_.first(atom + 1)) ++atom;
        const std::ptrdiff_t vector_stride = static_cast<std::ptrdiff_t>(layer.slots) * W;
        const ReverseEdge<Real> edge{model_.max_ell,
                                     edges_.harmonics(e),
                                     sender_features + sender_rows_[e] + block * lanes,
                                     edge_channels_,
                                     value + i * lanes,
                                     slope + i * lanes,
                                     tile_size,
                                     &slots_bar_[atom * Vectors * vector_stride],
                                     vector_stride};
        reverse_slots<Vectors>(layer.blocks, layer.sender_components, edge,
                               sender_gradients + gradient_rows_[e] + block * lanes,
                               edges_.gradients(e));
      }
    }
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
  const std::size_t size = message_shape().at(layer.message_rows, 0);
  reserve(messages_, size);
  std::fill_n(messages_.begin(), size, Real(0));
  for (const auto& group : layer.groups) {
    reserve(radial_, static_cast<std::size_t>(group.paths) * (edges_.edges() + 1) * lanes);
    reserve(slots_, group.rows.size() * (2 * group.l2 + 1) * W);
    for (int block = 0; block < edge_channels_ / lanes; ++block)
      for_shape(group.l2, [&]<int M, int Vectors>() {
        group_rows<Vectors>(layer, group, block);
        lap(Stage::radial);
        group_forward<M, Vectors>(group, block, sender_features);
        lap(Stage::product);
      });
  }
  for (std::size_t s = 0; s < layer.sums.size(); ++s) {
    const auto& w = layer.linear[s].of(batch_.kind);
    const int rows = layer.sums[s].size() * batch_.atoms;
    Real* out = &(*sums_)[shape().at(layer.sums[s].component, 0)];
    std::fill_n(out, static_cast<std::size_t>(rows) * channels_, Real(0));
    const auto& first_row = layer.first_row[layer.sums[s].l];
    for (std::size_t p = 0; p < first_row.size(); ++p)
      multiply(w.block(p), rows, &messages_[message_shape().at(first_row[p], 0)], out, true);
  }
}

template <class Real, class Sum>
void Worker<Real, Sum>::later_reverse(int t, const Real* sender_features, Sum* sender_gradients) {
  const auto& layer = network_.layers()[t];
  for (int s = 0; s < static_cast<int>(layer.sums.size()); ++s) {
    const auto& w = layer.linear[s].of(batch_.kind);
    const auto& first_row = layer.first_row[layer.sums[s].l];
    for (std::size_t p = 0; p < first_row.size(); ++p)
      multiply(w.block_reverse(p), layer.sums[s].size() * batch_.atoms,
               &(*sums_bar_)[shape().at(layer.sums[s].component, 0)],
               &messages_[message_shape().at(first_row[p], 0)],
               s > model_.max_ell);  // gates come after, and add to the scalars
  }
  lap(Stage::linear);
  const auto run = [&]<int Vectors>() {
    for (int block = 0; block < edge_channels_ / (Vectors * W); ++block) {
      slots_reverse<Vectors>(layer, block);
      edges_reverse<Vectors>(layer, block, sender_features, sender_gradients);
    }
  };
  if (network_.vectors() == 2)
    run.template operator()<2>();
  else
    run.template operator()<1>();
  lap(Stage::reverse_product);
}

}  // namespace mdbench
