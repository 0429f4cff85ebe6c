// SPDX-License-Identifier: MIT
#include "workspace.hpp"

#include <algorithm>

#include "error.hpp"
#include "runtime.hpp"
#include "workspace_plans.hpp"

namespace mdbench::cuda {
namespace {

/// Part of the free memory that is taken when nothing else is asked for: the driver, graphs and
/// other programs need some too.
constexpr double kShareOfFree = 0.9;

/// Rows of results and coordinates that the evaluator itself keeps for each node.
constexpr std::size_t kBytesOfNode = 256;

}  // namespace

template <class Real>
bool Workspace<Real>::read_later(const Layers& layers, int s) const {
  for (std::size_t t = s + 1; t < layers.size(); ++t) {
    const auto& layer = *layers[t];
    if (s < static_cast<int>(layer.readout.size()) && layer.readout[s].weight.size() > 0)
      return true;
    if (t > static_cast<std::size_t>(s) + 1)
      for (const auto& map : layer.update[s])
        if (map.present()) return true;
  }
  return false;
}

/// Calls function(array, elements) for what outlives a pass.
template <class Real>
template <class Function>
void Workspace<Real>::for_arrays_of_all(const Layers& layers, const Extent& extent,
                                        Function&& function) {
  for (int t = 0; t < static_cast<int>(layers.size()); ++t) {
    const auto& layer = *layers[t];
    const std::size_t k = layer.channels;
    const std::size_t rows = extent.nodes * layer.sender_components * layer.edge_channels;
    LayerMemory<Real>& memory = memory_[t];
    function(memory.outputs, read_later(layers, t) ? extent.receivers * layer.outputs * k : 0);
    function(memory.sender, t > 0 ? rows : 0);
    function(memory.sender_bar, t > 0 && extent.deterministic ? rows : 0);
    function(memory.sender_bar_real, t > 0 && !extent.deterministic ? rows : 0);
    function(memory.neurons_bar, extent.receivers * layer.neurons);
  }
}

/// The same for what a pass fills; with several passes the layers share the first's.
template <class Real>
template <class Function>
void Workspace<Real>::for_arrays_of_pass(const Layers& layers, Function&& function) {
  const std::size_t c = sizes_.capacity, tiles = sizes_.tiles, k = layers[0]->channels;
  const std::size_t e = layers.back()->edge_channels;
  const std::size_t comps = components(layers[0]->max_ell);
  function(tile_count_, c);
  function(tile_run_, tiles);
  function(tile_sender_, kTile * tiles);
  function(tile_pair_, kTile * tiles);
  function(tile_distance_, kTile * tiles);
  function(tile_harmonics_, kTile * tiles * comps);
  std::size_t widest = 0, outputs = 0, rows = 0, sender = 0, sums = 0;
  for (std::size_t t = 0; t < layers.size(); ++t) {
    const auto& layer = *layers[t];
    widest = std::max<std::size_t>(widest, layer.tables().width);
    outputs = std::max<std::size_t>(outputs, layer.outputs);
    rows = std::max<std::size_t>(rows, layer.message_rows);
    if (layer.gated) sums = layer.sum_components;
    if (t > 0) sender = std::max<std::size_t>(sender, layer.sender_components);
  }
  for (std::size_t t = 0; t < layers.size(); ++t) {
    const std::size_t width = single_pass() ? layers[t]->tables().width : widest;
    const std::size_t own = single_pass() || t == 0 ? 1 : 0;
    function(memory_[t].columns, own * 2 * kTile * tiles * width);
    function(memory_[t].features, own * comps * c * k);
    function(memory_[t].sums, own * (single_pass() && !layers[t]->gated ? 0 : sums) * c * k);
    function(memory_[t].density, own * c);
  }
  function(moments, layers[0]->kinds * comps * c * layers[0]->moment_row);
  function(features_bar, comps * c * k);
  function(outputs_local, outputs * c * k);
  function(outputs_bar, outputs * c * k);
  function(messages, rows * c * e);
  function(sender_gradients, sender * c * e);
  function(residual, sums * c * k);
  function(sums_bar, sums * c * k);
  function(opened, sums > 0 ? comps * c * k : 0);
  function(edge_bar, layers.size() > 1 ? tiles * (e / kWarp) * comps * kTile : 0);
  function(density_bar, c * (k / kWarp));
}

template <class Real>
template <class Function>
void Workspace<Real>::for_arrays(const Layers& layers, const Extent& extent, Function&& function) {
  for_arrays_of_all(layers, extent, function);
  for_arrays_of_pass(layers, function);
}

template <class Real>
void Workspace<Real>::cut(const Topology& topology, int count) {
  const int n = topology.num_receivers();
  const auto first_tile = topology.first_tile();
  passes_.clear();
  sizes_ = {0, 0};
  for (int i = 0; i < count; ++i) {
    const int begin = static_cast<int>(std::int64_t(n) * i / count);
    const int end = static_cast<int>(std::int64_t(n) * (i + 1) / count);
    const std::int64_t tiles = first_tile[end] - first_tile[begin];
    passes_.push_back({{begin, end - begin, 0}, first_tile[begin], tiles, 0, 0});
    sizes_.capacity = std::max(sizes_.capacity, end - begin);
    sizes_.tiles = std::max(sizes_.tiles, tiles);
  }
}

/// Memory of the arrays and the topology: what they have, and with what the passes at hand take.
template <class Real>
typename Workspace<Real>::Bytes Workspace<Real>::bytes(const Layers& layers,
                                                       const Topology& topology,
                                                       const Extent& extent) {
  Bytes sum;
  sum.held = sum.wanted = topology.device_bytes() + extent.taken + extent.nodes * kBytesOfNode;
  for_arrays(layers, extent, [&sum](const auto& array, std::size_t size) {
    sum.held += array.capacity() * sizeof(*array.data());
    if (size > 0) sum.wanted += array.capacity_for(size) * sizeof(*array.data());
  });
  return sum;
}

/// The fewest passes, up to a quarter, whose memory fits.
template <class Real>
bool Workspace<Real>::choose_passes(const Layers& layers, const Topology& topology,
                                    const Extent& extent, std::size_t budget) {
  const int n = topology.num_receivers();
  for (int count = 1;; count = std::min(n, count + std::max(1, count / 4))) {
    cut(topology, count);
    if (bytes(layers, topology, extent).wanted <= budget) return true;
    if (count == n) return false;
  }
}

template <class Real>
std::size_t Workspace<Real>::budget(const Layers& layers, const Topology& topology,
                                    const Extent& extent) {
  cut(topology, 1);
  const Bytes sum = bytes(layers, topology, extent);
  // asking for the free memory takes as long as a step of a small system
  if (sum.wanted <= sum.held) return sum.held;
  return static_cast<std::size_t>(kShareOfFree * static_cast<double>(sum.held + free_bytes()));
}

/// Chooses the passes. Arrays only grow, until they are in each other's way.
template <class Real>
void Workspace<Real>::make_passes(const Layers& layers, const Topology& topology,
                                  const Extent& extent, std::size_t asked) {
  const std::size_t allowed = asked > 0 ? asked : budget(layers, topology, extent);
  if (choose_passes(layers, topology, extent, allowed)) return;
  for_arrays(layers, extent, [](auto& array, std::size_t) { array = {}; });
  if (choose_passes(layers, topology, extent, allowed)) return;
  sizes_ = {0, 0};
  throw Error("the GPU's memory does not hold " + std::to_string(extent.nodes) +
              " atoms: " + std::to_string(bytes(layers, topology, extent).wanted >> 20) +
              " MB are needed besides the workspace, and " + std::to_string(allowed >> 20) +
              " MB are free or allowed: take more GPUs, 'deterministic no', or a larger "
              "'workspace'");
}

template <class Real>
void Workspace<Real>::fit(const Layers& layers, const Topology& topology, const Wish& wish,
                          cudaStream_t stream) {
  memory_.resize(layers.size());
  receivers_ = topology.num_receivers();
  channels_ = layers[0]->channels;
  edge_channels_ = layers.back()->edge_channels;
  const Extent extent{static_cast<std::size_t>(receivers_),
                      static_cast<std::size_t>(topology.num_nodes()), wish.taken,
                      wish.deterministic};
  passes_.clear();
  sizes_ = {0, 0};
  if (receivers_ > 0) make_passes(layers, topology, extent, wish.budget);
  // first what is not wanted: there need not be room for both
  for_arrays(layers, extent, [](auto& array, std::size_t size) {
    if (size == 0) array = {};
  });
  for_arrays(layers, extent, [](auto& array, std::size_t size) { array.resize(size); });
  for (auto& range : passes_) range.pass.capacity = sizes_.capacity;
  make_kind_tiles(topology, stream);
  const auto shape = shape_of(layers, topology, extent);
  if (shape == shape_) return;
  shape_.clear();  // should a map find no room, the next call must plan all again
  plan_first(*layers[0], stream);
  for (auto* plans :
       {&linear, &linear_reverse, &update, &own, &own_reverse, &after, &after_reverse})
    plans->resize(layers.size());
  update_reverse.resize(layers.size());
  for (auto& of_s : update_reverse) of_s.resize(layers.size());
  for (int t = 0; t < static_cast<int>(layers.size()); ++t)
    if (layers[t]->gated) plan_gates(*layers[t], t, stream);
  for (int t = 1; t < static_cast<int>(layers.size()); ++t) {
    plan_linear(*layers[t], t, stream);
    plan_update(*layers[t], t, stream);
  }
  shape_ = shape;
  shape_[0] = ++planned_;
}

/// All that launches depend on.
template <class Real>
std::vector<std::int64_t> Workspace<Real>::shape_of(const Layers& layers, const Topology& topology,
                                                    const Extent& extent) {
  std::vector<std::int64_t> shape{planned_, receivers_, static_cast<std::int64_t>(extent.nodes)};
  const auto address = [&shape](const auto& array, std::size_t) {
    shape.push_back(reinterpret_cast<std::intptr_t>(array.data()));
  };
  for_arrays(layers, extent, address);
  const Pairs pairs = topology.pairs();
  for (const void* p : std::initializer_list<const void*>{
           pairs.node, pairs.receiver_kind, pairs.receiver_atom, pairs.first_pair, pairs.first_tile,
           pairs.sender, pairs.sender_kind, pairs.sender_atom, kind_tiles_.data()})
    shape.push_back(reinterpret_cast<std::intptr_t>(p));
  for (const auto& r : passes_)
    shape.insert(shape.end(), {r.pass.begin, r.pass.count, r.pass.capacity, r.first_tile,
                               r.first_kind_tile, r.num_kind_tiles});
  return shape;
}

template <class Real>
void Workspace<Real>::make_kind_tiles(const Topology& topology, cudaStream_t stream) {
  std::vector<KindTile> all;
  const auto first = topology.first_of_kind();
  for (auto& range : passes_) {
    range.first_kind_tile = static_cast<int>(all.size());
    const int pass_end = range.pass.begin + range.pass.count;
    for (std::size_t kind = 0; kind + 1 < first.size(); ++kind) {
      const int end = std::min(first[kind + 1], pass_end);
      for (int p = std::max(first[kind], range.pass.begin); p < end; p += kDenseRows)
        all.push_back(
            {static_cast<int>(kind), p - range.pass.begin, std::min(kDenseRows, end - p)});
    }
    range.num_kind_tiles = static_cast<int>(all.size()) - range.first_kind_tile;
  }
  if (all == host_kind_tiles_) return;
  host_kind_tiles_.clear();  // these are on the device only once they have found room there
  kind_tiles_.upload(std::span<const KindTile>(all), stream);
  host_kind_tiles_ = std::move(all);  // in the same place: the copy may still read them
}

template <class Real>
Tiles<Real> Workspace<Real>::tiles(const PassRange& range) {
  return {range.first_tile,  tile_count_.data(),    tile_run_.data(),      tile_sender_.data(),
          tile_pair_.data(), tile_distance_.data(), tile_harmonics_.data()};
}

template class Workspace<float>;
template class Workspace<double>;

}  // namespace mdbench::cuda
