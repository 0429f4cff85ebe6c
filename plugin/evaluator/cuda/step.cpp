// SPDX-License-Identifier: MIT
#include "step.hpp"

#include <algorithm>

#include "gates.hpp"

namespace mdbench::cuda {
namespace {

/// Warps that a GPU keeps busy; receivers are split among several where there are fewer tasks.
constexpr int kBusyWarps = 8192, kMostSplits = 8;

}  // namespace

template <class Real>
void Step<Real>::stage(int s, cudaStream_t stream) {
  if (s == 0) memory_.clear(stream);
  if (s >= last()) clear_gradients(2 * last() - s, stream);
  for (const auto& range : work_.passes()) {
    if (s <= last()) {
      features(s, range, s == 0 || !work_.single_pass(), stream);
      outputs(s, range, stream);
      read(s, range, stream);
      if (s < last())
        make_senders(s + 1, range, stream);
      else
        reverse(s, range, stream);
    } else {
      const int t = 2 * last() - s;
      if (!work_.single_pass()) features(t, range, true, stream);
      reverse(t, range, stream);
    }
  }
  if (s + 1 == num_stages()) finish_step(stream);
}

/// dE/dh_t, to which the edges of all passes add.
template <class Real>
void Step<Real>::clear_gradients(int t, cudaStream_t stream) {
  if (t == 0) return;
  auto& memory = work_.layer(t);
  memory.sender_bar.clear(stream);
  memory.sender_bar_real.clear(stream);
}

/// A of layer t.
template <class Real>
void Step<Real>::features(int t, const PassRange& range, bool new_tiles, cudaStream_t stream) {
  if (new_tiles) make_tiles_of(range, stream);
  RadialColumns<Real> columns{};
  columns.pass = range.pass;
  columns.pairs = topology_.pairs();
  columns.tiles = work_.tiles(range);
  columns.tables = layer(t).tables();
  columns.tile_segments = tile_segments();
  columns.columns = work_.columns(t);
  columns.density = layer(t).has_density ? work_.density(t) : nullptr;
  timer_.run("radial columns", stream, [&] { radial_columns(columns, stream); });
  if (t == 0)
    first_features(range, stream);
  else
    later_features(t, range, stream);
}

template <class Real>
void Step<Real>::make_tiles_of(const PassRange& range, cudaStream_t stream) {
  MakeTiles<Real> make{};
  make.pass = range.pass;
  make.pairs = topology_.pairs();
  make.at = arrays().at;
  make.tiles = work_.tiles(range);
  make.shape = {layer(0).max_ell, layer(0).kinds, tile_segments(), model_.cutoff};
  make.edges = arrays().edges;
  make.flags = arrays().flags;
  timer_.run("tiles", stream, [&] { make_tiles(make, stream); });
}

template <class Real>
void Step<Real>::first_features(const PassRange& range, cudaStream_t stream) {
  const auto tables = layer(0).tables();
  Moments<Real> m{};
  m.pass = range.pass;
  m.pairs = topology_.pairs();
  m.tiles = work_.tiles(range);
  m.kinds = layer(0).kinds;
  m.segments = tile_segments();
  m.components = components(layer(0).max_ell);
  m.rank = tables.rank;
  m.width = tables.width;
  m.row = layer(0).moment_row;
  m.columns = work_.columns(0);
  m.moments = work_.moments.data();
  timer_.run("moments", stream, [&] { moments(m, stream); });
  Dense<Real> changes{};
  changes.divisor = layer(0).has_density ? work_.density(0) : nullptr;
  run_dense("dense, layer 0", work_.folded, range, changes, stream);
  if (layer(0).gated) open_gates(0, range, stream);
}

template <class Real>
void Step<Real>::later_features(int t, const PassRange& range, cudaStream_t stream) {
  EdgeForward<Real> edges{};
  edges.pass = range.pass;
  edges.pairs = topology_.pairs();
  edges.tiles = work_.tiles(range);
  edges.product = layer(t).product();
  edges.columns = work_.columns(t);
  edges.sender = work_.layer(t).sender.data();
  edges.messages = work_.messages.data();
  edges.wide_sums = model_.wide_sums;
  timer_.run("edge product", stream, [&] { edge_forward(edges, stream); });
  Dense<Real> changes{};
  changes.divisor = layer(t).has_density ? work_.density(t) : nullptr;
  run_dense("dense, messages", work_.linear[t], range, changes, stream);
  if (layer(t).gated) open_gates(t, range, stream);
}

/// What the receivers' own features add to the sums.
template <class Real>
void Step<Real>::add_own(int t, const PassRange& range, cudaStream_t stream) {
  if (t > 0) {
    TakeGradients<Real> take{};
    take.pass = range.pass;
    take.node = topology_.pairs().node;
    take.components = layer(t).sender_components;
    take.channels = layer(t).edge_channels;
    take.real = work_.layer(t).sender.data();
    take.out = work_.sender_gradients.data();
    timer_.run("own features", stream, [&] { take_gradients(take, stream); });
  }
  run_dense("dense, own features", work_.own[t], range, {}, stream);
}

/// A from the sums of the messages.
template <class Real>
void Step<Real>::open_gates(int t, const PassRange& range, cudaStream_t stream) {
  add_own(t, range, stream);
  Gates<Real> g{};
  g.pass = range.pass;
  g.channels = layer(t).channels;
  g.max_ell = layer(t).max_ell;
  g.messages = work_.sums(t);
  g.residual = work_.residual.data();
  g.opened = work_.opened.data();
  timer_.run("gates", stream, [&] { gates(g, stream); });
  run_dense("dense, gates", work_.after[t], range, {}, stream);
}

/// dE/dS and dE/d(density) from dE/dA; the own features' part goes to dE/dh.
template <class Real>
void Step<Real>::gates_gradient(int t, const PassRange& range, cudaStream_t stream) {
  run_dense("dense, gates, reverse", work_.after_reverse[t], range, {}, stream);
  if (t < last()) add_own(t, range, stream);  // the last layer's are still there
  GatesReverse<Real> g{};
  g.pass = range.pass;
  g.channels = layer(t).channels;
  g.max_ell = layer(t).max_ell;
  g.messages = work_.sums(t);
  g.residual = work_.residual.data();
  g.opened_bar = work_.opened.data();
  g.sums_bar = work_.sums_bar.data();
  g.density = layer(t).has_density ? work_.density(t) : nullptr;
  g.density_bar = layer(t).has_density ? work_.density_bar.data() : nullptr;
  timer_.run("gates, reverse", stream, [&] { gates_reverse(g, stream); });
  if (t == 0) return;
  run_dense("dense, own features, reverse", work_.own_reverse[t], range, {}, stream);
  auto& memory = work_.layer(t);
  GiveGradients<Real> give{};
  give.pass = range.pass;
  give.node = topology_.pairs().node;
  give.components = layer(t).sender_components;
  give.channels = layer(t).edge_channels;
  give.in = work_.sender_gradients.data();
  give.fixed = memory.sender_bar.size() > 0 ? memory.sender_bar.data() : nullptr;
  give.real = memory.sender_bar_real.size() > 0 ? memory.sender_bar_real.data() : nullptr;
  give.limit = sender_limit();
  give.flags = arrays().flags;
  timer_.run("own gradients", stream, [&] { give_gradients(give, stream); });
}

/// @param changes divisor, row and accumulate of the launch
template <class Real>
void Step<Real>::run_dense(const char* name, const DensePlan<Real>& plan, const PassRange& range,
                           Dense<Real> changes, cudaStream_t stream) {
  Dense<Real> d = plan.arguments(range.pass);
  d.tiles = work_.kind_tiles().data() + range.first_kind_tile;
  d.num_tiles = range.num_kind_tiles;
  d.row = changes.row;
  d.divisor = changes.divisor;
  d.accumulate = changes.accumulate;
  timer_.run(name, stream, [&] { dense(d, stream); });
}

/// c of layer t.
template <class Real>
void Step<Real>::outputs(int t, const PassRange& range, cudaStream_t stream) {
  const Rows<Real> c = work_.outputs(t);
  Contract<Real> product{};
  product.pass = range.pass;
  product.receiver_kind = topology_.pairs().receiver_kind;
  product.program = layer(t).program();
  product.channels = layer(t).channels;
  product.coefficients = layer(t).coefficients.data();
  product.a = work_.features(t);
  product.c = c.data;
  product.c_stride = c.component / layer(t).channels;
  product.c_of_all = c.of_all;
  timer_.run("contraction", stream, [&] { contract(product, stream); });
}

template <class Real>
void Step<Real>::read(int t, const PassRange& range, cudaStream_t stream) {
  if (t > 0 && layer(t).neurons == 0) return;
  Readout<Real> r{};
  r.pass = range.pass;
  r.receiver_kind = topology_.pairs().receiver_kind;
  r.channels = layer(t).channels;
  r.neurons = layer(t).neurons;
  r.activation = layer(t).activation;
  for (std::size_t s = 0; s < layer(t).readout.size(); ++s) {
    const auto& w = layer(t).readout[s];
    if (w.weight.size() == 0) continue;
    const Rows<Real> c = work_.outputs(static_cast<int>(s));
    r.source[r.num_sources++] = {c.data, c.of_all, w.weight.data(), w.kind_stride};
  }
  r.bias = layer(t).readout_bias.data();
  r.mid = layer(t).readout_mid.size() > 0 ? layer(t).readout_mid.data() : nullptr;
  r.mid_bias = layer(t).readout_mid_bias.data();
  r.out = layer(t).readout_out.data();
  r.isolated = t == 0 ? model_.isolated.data() : nullptr;
  r.energy = arrays().energy;
  r.neurons_bar = work_.layer(t).neurons_bar.data();
  timer_.run("readout", stream, [&] { readout(r, stream); });
}

/// h_t of the pass's receivers.
template <class Real>
void Step<Real>::make_senders(int t, const PassRange& range, cudaStream_t stream) {
  Dense<Real> changes{};
  changes.row = topology_.pairs().node;
  run_dense("dense, update", work_.update[t], range, changes, stream);
}

/// dE/dc of layer t from the readouts and the senders' features of later layers.
template <class Real>
void Step<Real>::outputs_gradient(int t, const PassRange& range, cudaStream_t stream) {
  ReadoutReverse<Real> r{};
  r.pass = range.pass;
  r.receiver_kind = topology_.pairs().receiver_kind;
  r.channels = layer(t).channels;
  r.outputs = layer(t).outputs;
  for (int later = t; later <= last(); ++later) {
    const auto& reader = layer(later);
    if (reader.neurons == 0 || reader.readout[t].weight.size() == 0) continue;
    r.reader[r.num_readers++] = {reader.neurons, work_.layer(later).neurons_bar.data(),
                                 reader.readout[t].weight.data(), reader.readout[t].kind_stride};
  }
  r.c_bar = work_.outputs_bar.data();
  timer_.run("readout, reverse", stream, [&] { readout_reverse(r, stream); });
  for (int later = t + 1; later <= last(); ++later) {
    const auto& plan = work_.update_reverse[t][later];
    if (plan.empty()) continue;
    TakeGradients<Real> take{};
    take.pass = range.pass;
    take.node = topology_.pairs().node;
    take.components = layer(later).sender_components;
    take.channels = layer(later).edge_channels;
    const auto& memory = work_.layer(later);
    take.fixed = memory.sender_bar.size() > 0 ? memory.sender_bar.data() : nullptr;
    take.real = memory.sender_bar_real.size() > 0 ? memory.sender_bar_real.data() : nullptr;
    take.out = work_.sender_gradients.data();
    timer_.run("sender gradients", stream, [&] { take_gradients(take, stream); });
    Dense<Real> changes{};
    changes.accumulate = true;
    run_dense("dense, update, reverse", plan, range, changes, stream);
  }
}

/// The reverse pass of a layer whose A and densities are in place.
template <class Real>
void Step<Real>::reverse(int t, const PassRange& range, cudaStream_t stream) {
  outputs_gradient(t, range, stream);
  ContractReverse<Real> c{};
  c.pass = range.pass;
  c.receiver_kind = topology_.pairs().receiver_kind;
  c.program = layer(t).program();
  c.channels = layer(t).channels;
  c.coefficients = layer(t).coefficients.data();
  c.a = work_.features(t);
  c.c_bar = work_.outputs_bar.data();
  c.a_bar = work_.features_bar.data();
  const bool density = layer(t).has_density, gated = layer(t).gated;
  c.density = density && !gated ? work_.density(t) : nullptr;
  c.density_bar = density && !gated ? work_.density_bar.data() : nullptr;
  timer_.run("contraction, reverse", stream, [&] { contract_reverse(c, stream); });
  if (gated) gates_gradient(t, range, stream);
  Dense<Real> changes{};
  changes.divisor = density && gated ? work_.density(t) : nullptr;
  if (t == 0) {
    run_dense("dense, layer 0, reverse", work_.folded_reverse, range, changes, stream);
  } else {
    run_dense("dense, messages, reverse", work_.linear_reverse[t], range, changes, stream);
    edges_reverse(t, range, stream);
  }
  gradients(t, range, stream);
}

template <class Real>
void Step<Real>::edges_reverse(int t, const PassRange& range, cudaStream_t stream) {
  auto& memory = work_.layer(t);
  EdgeReverse<Real> edges{};
  edges.pass = range.pass;
  edges.pairs = topology_.pairs();
  edges.tiles = work_.tiles(range);
  edges.product = layer(t).product();
  edges.columns = work_.columns(t);
  edges.sender = memory.sender.data();
  edges.messages_bar = work_.messages.data();
  edges.sender_bar = memory.sender_bar.size() > 0 ? memory.sender_bar.data() : nullptr;
  edges.sender_bar_real =
      memory.sender_bar_real.size() > 0 ? memory.sender_bar_real.data() : nullptr;
  edges.edge_bar = work_.edge_bar.data();
  const int warps = range.pass.count * (layer(t).edge_channels / kWarp);
  edges.splits = std::clamp(kBusyWarps / std::max(1, warps), 1, kMostSplits);
  edges.limit = static_cast<Real>(sender_limit());
  edges.flags = arrays().flags;
  timer_.run("edge product, reverse", stream, [&] { edge_reverse(edges, stream); });
}

template <class Real>
void Step<Real>::gradients(int t, const PassRange& range, cudaStream_t stream) {
  const auto tables = layer(t).tables();
  EdgeGradients<Real> g{};
  g.pass = range.pass;
  g.pairs = topology_.pairs();
  g.at = arrays().at;
  g.tiles = work_.tiles(range);
  g.max_ell = layer(t).max_ell;
  g.kinds = layer(t).kinds;
  g.segments = tile_segments();
  g.edge_bar = t > 0 ? work_.edge_bar.data() : nullptr;
  g.warps = layer(t).edge_channels / kWarp;
  g.density_warps = layer(t).channels / kWarp;
  g.moments_bar = t == 0 ? work_.moments.data() : nullptr;
  g.rank = tables.rank;
  g.row = layer(0).moment_row;
  g.columns = work_.columns(t);
  g.width = tables.width;
  g.density_bar = layer(t).has_density ? work_.density_bar.data() : nullptr;
  if (t == 0) g.zbl = model_.zbl;
  g.energy = arrays().energy;
  g.force = arrays().force;
  g.virial = arrays().virial;
  g.node_virial = arrays().node_virial;
  g.edge_gradient = arrays().edge_gradient;
  g.limit = force_limit();
  g.flags = arrays().flags;
  timer_.run("edge gradients", stream, [&] { edge_gradients(g, stream); });
}

/// Each layer adds an edge's part to its sender, and the sum of them to the receiver.
template <class Real>
double Step<Real>::force_limit() const {
  return fixed_limit((last() + 1) * (std::int64_t{topology_.most_of_sender()} + 1));
}

template <class Real>
void Step<Real>::finish_step(cudaStream_t stream) {
  if (arrays().total_virial == nullptr) return;
  Finish f{};
  f.nodes = topology_.num_nodes();
  f.receivers = topology_.num_receivers();
  f.force = arrays().force;
  f.force_out = arrays().force_out;
  f.virial = arrays().virial;
  f.total_virial = arrays().total_virial;
  f.node_virial = arrays().node_virial;
  f.node_virial_out = arrays().node_virial_out;
  timer_.run("sums", stream, [&] { finish(f, stream); });
}

template class Step<float>;
template class Step<double>;

}  // namespace mdbench::cuda
