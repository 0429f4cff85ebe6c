// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "dense_plan.hpp"
#include "device_network.hpp"
#include "topology.hpp"

namespace mdbench::cuda {

/// A pass, and where its parts begin.
struct PassRange {
  Pass pass;
  std::int64_t first_tile, num_tiles;
  int first_kind_tile, num_kind_tiles;  ///< in the workspace's kind tiles
};

/// What a layer leaves for later layers and for the reverse pass.
template <class Real>
struct LayerMemory {
  // of a pass; with several passes all layers share the first's
  Array<Real> columns, features;
  Array<Real> sums;  ///< gated: what comes from the messages
  Array<double> density;
  // of all receivers or nodes
  Array<Real> outputs;  ///< c: [output][receivers][K], where a layer after the next reads it
  Array<Real> sender;   ///< h: [node][component][E]
  Array<Fixed> sender_bar;
  Array<Real> sender_bar_real;
  Array<Real> neurons_bar;  ///< [receivers][neurons]
};

/// Memory of the evaluation on the device, and the dense maps over it. What passes share is cut to
/// a given size: many atoms go through in several passes.
template <class Real>
class Workspace {
 public:
  using Layers = std::vector<std::unique_ptr<DeviceLayer<Real>>>;

  struct Wish {
    std::size_t budget = 0;  ///< bytes for everything; 0: most of the free memory
    std::size_t taken = 0;   ///< of these by what is neither here nor in the topology
    bool deterministic = true;
  };
  /// Grows to the topology. What starts on `stream` later finds the maps.
  /// @throws Error when not even one receiver at a time fits.
  void fit(const Layers& layers, const Topology& topology, const Wish& wish, cudaStream_t stream);

  /// The layers have changed: maps over them are planned anew.
  void forget() { shape_.clear(); }

  const std::vector<PassRange>& passes() const { return passes_; }
  bool single_pass() const { return passes_.size() <= 1; }
  const Array<KindTile>& kind_tiles() const { return kind_tiles_; }
  /// Changes whenever an array has moved, a pass has another shape, or the maps are new.
  const std::vector<std::int64_t>& shape() const { return shape_; }

  LayerMemory<Real>& layer(int t) { return memory_[t]; }
  Real* columns(int t) { return memory_[single_pass() ? t : 0].columns.data(); }
  Real* features(int t) { return memory_[single_pass() ? t : 0].features.data(); }
  Real* sums(int t) { return memory_[single_pass() ? t : 0].sums.data(); }
  double* density(int t) { return memory_[single_pass() ? t : 0].density.data(); }
  bool kept(int t) const { return memory_[t].outputs.size() > 0; }
  /// c of layer t, and its rows' place.
  Rows<Real> outputs(int t);

  Tiles<Real> tiles(const PassRange& range);
  Array<Real> moments, features_bar, outputs_local, outputs_bar, messages, sender_gradients,
      edge_bar;
  Array<Real> residual, opened, sums_bar;  ///< of gated layers; `opened` and dE/d(it)
  Array<double> density_bar;

  DensePlan<Real> folded, folded_reverse;
  std::vector<DensePlan<Real>> linear, linear_reverse;  ///< [t]
  std::vector<DensePlan<Real>> update;                  ///< [t]: makes h_t
  /// Of gated layers, [t]: own features in `sender_gradients` to `residual`, and back from
  /// `sums_bar`; `opened` to A, and back.
  std::vector<DensePlan<Real>> own, own_reverse, after, after_reverse;
  /// [s][t]: adds to dE/dc_s what comes from dE/dh_t.
  std::vector<std::vector<DensePlan<Real>>> update_reverse;

 private:
  struct Sizes {
    int capacity;
    std::int64_t tiles;
  };
  struct Extent {
    std::size_t receivers, nodes, taken;
    bool deterministic;
  };
  struct Bytes {
    std::size_t held = 0, wanted = 0;
  };
  template <class Function>
  void for_arrays_of_all(const Layers& layers, const Extent& extent, Function&& function);
  template <class Function>
  void for_arrays_of_pass(const Layers& layers, Function&& function);
  template <class Function>
  void for_arrays(const Layers& layers, const Extent& extent, Function&& function);
  void cut(const Topology& topology, int count);
  Bytes bytes(const Layers& layers, const Topology& topology, const Extent& extent);
  std::size_t budget(const Layers& layers, const Topology& topology, const Extent& extent);
  bool choose_passes(const Layers& layers, const Topology& topology, const Extent& extent,
                     std::size_t budget);
  void make_passes(const Layers& layers, const Topology& topology, const Extent& extent,
                   std::size_t asked);
  void make_kind_tiles(const Topology& topology, cudaStream_t stream);
  std::vector<std::int64_t> shape_of(const Layers& layers, const Topology& topology,
                                     const Extent& extent);
  void plan_first(const DeviceLayer<Real>& layer, cudaStream_t stream);
  void plan_linear(const DeviceLayer<Real>& layer, int t, cudaStream_t stream);
  void plan_update(const DeviceLayer<Real>& layer, int t, cudaStream_t stream);
  void plan_gates(const DeviceLayer<Real>& layer, int t, cudaStream_t stream);
  Rows<Real> rows_of_pass(Array<Real>& array) const { return rows_of_pass(array, channels_); }
  Rows<Real> rows_of_pass(Array<Real>& array, int width) const;
  Rows<Real> sums_of(const DeviceLayer<Real>& layer, int t);
  Rows<Real> sums_bar_of(const DeviceLayer<Real>& layer);
  bool read_later(const Layers& layers, int s) const;

  Sizes sizes_{};
  int channels_ = 0, edge_channels_ = 0, receivers_ = 0;
  std::vector<PassRange> passes_;
  std::vector<KindTile> host_kind_tiles_;
  Array<KindTile> kind_tiles_;
  std::vector<LayerMemory<Real>> memory_;
  Array<int> tile_count_, tile_run_, tile_sender_, tile_pair_;
  Array<double> tile_distance_;
  Array<Real> tile_harmonics_;
  std::vector<std::int64_t> shape_;  ///< after how often the maps were planned
  std::int64_t planned_ = 0;
};

extern template class Workspace<float>;
extern template class Workspace<double>;

}  // namespace mdbench::cuda
