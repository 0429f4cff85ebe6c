// SPDX-License-Identifier: MIT
#pragma once

#include "kernel_timer.hpp"
#include "step_memory.hpp"
#include "workspace.hpp"

namespace mdbench::cuda {

/// The kernels of an evaluation, in order. It keeps no numbers: everything it starts depends on
/// `Workspace::shape`, so that what it starts can be captured once and replayed.
template <class Real>
class Step {
 public:
  struct Model {
    std::vector<std::unique_ptr<DeviceLayer<Real>>> layers;
    Array<double> isolated;  ///< [kind] eV
    Zbl zbl;
    Array<double> zbl_radius;   ///< [kind]
    Array<int> atomic_numbers;  ///< [kind]
    double cutoff;
    bool wide_sums;
  };

  Step(const Model& model, const Topology& topology, Workspace<Real>& workspace, StepMemory& memory,
       KernelTimer& timer)
      : model_(model), topology_(topology), work_(workspace), memory_(memory), timer_(timer) {}

  /// Between two stages the features of a layer, or their gradients, go through the halo.
  int num_stages() const { return 2 * last() + 1; }
  struct Travels {
    int layer;
    bool gradients;
  };
  Travels travels_before(int s) const {
    return s <= last() ? Travels{s, false} : Travels{2 * last() + 1 - s, true};
  }
  void stage(int s, cudaStream_t stream);
  /// Bounds of what a sender's edges add to dE/dh, and all layers' edges to forces: `fixed_limit`.
  /// A gated layer adds the receiver's own part.
  double sender_limit() const {
    return fixed_limit(topology_.most_of_sender() + (layer(last()).gated ? 1 : 0));
  }
  double force_limit() const;

 private:
  const StepArrays& arrays() const { return memory_.arrays(); }
  int last() const { return static_cast<int>(model_.layers.size()) - 1; }
  const DeviceLayer<Real>& layer(int t) const { return *model_.layers[t]; }
  int tile_segments() const { return model_.layers.back()->segments; }
  void clear_gradients(int t, cudaStream_t stream);
  void features(int t, const PassRange& range, bool new_tiles, cudaStream_t stream);
  void make_tiles_of(const PassRange& range, cudaStream_t stream);
  void first_features(const PassRange& range, cudaStream_t stream);
  void later_features(int t, const PassRange& range, cudaStream_t stream);
  void add_own(int t, const PassRange& range, cudaStream_t stream);
  void open_gates(int t, const PassRange& range, cudaStream_t stream);
  void gates_gradient(int t, const PassRange& range, cudaStream_t stream);
  void run_dense(const char* name, const DensePlan<Real>& plan, const PassRange& range,
                 Dense<Real> changes, cudaStream_t stream);
  void outputs(int t, const PassRange& range, cudaStream_t stream);
  void read(int t, const PassRange& range, cudaStream_t stream);
  void make_senders(int t, const PassRange& range, cudaStream_t stream);
  void outputs_gradient(int t, const PassRange& range, cudaStream_t stream);
  void reverse(int t, const PassRange& range, cudaStream_t stream);
  void edges_reverse(int t, const PassRange& range, cudaStream_t stream);
  void gradients(int t, const PassRange& range, cudaStream_t stream);
  void finish_step(cudaStream_t stream);

  const Model& model_;
  const Topology& topology_;
  Workspace<Real>& work_;
  StepMemory& memory_;
  KernelTimer& timer_;
};

extern template class Step<float>;
extern template class Step<double>;

}  // namespace mdbench::cuda
