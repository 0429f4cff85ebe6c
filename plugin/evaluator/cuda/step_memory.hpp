// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "layout.hpp"
#include "memory.hpp"
#include "topology.hpp"

namespace mdbench::cuda {

/// What goes out of a step besides energies.
struct Wanted {
  bool forces = false, node_virial = false, edge_gradient = false;
  bool operator==(const Wanted&) const = default;
};

/// What a step reads and writes besides the workspace, on the device; null where not wanted.
struct StepArrays {
  Coordinates at;
  unsigned* flags;             ///< [1]
  int* edges;                  ///< [receivers]
  double* energy;              ///< [receivers]
  Fixed *force, *node_virial;  ///< [nodes][3], [nodes][9]
  double* virial;              ///< [receivers][9]
  double* edge_gradient;       ///< [pairs][3]
  double *force_out, *total_virial, *node_virial_out;
};

/// Coordinates and results of a step. Those are in one piece: one call clears what is added to, and
/// one copies to the host what is wanted there. In a graph each such call takes microseconds.
class StepMemory {
 public:
  void fit(const Topology& topology, const Wanted& wanted);
  const StepArrays& arrays() const { return arrays_; }
  /// All that a captured graph depends on.
  void add_to(std::vector<std::int64_t>& shape) const;

  void copy_in(cudaStream_t stream);
  void clear(cudaStream_t stream);
  void copy_out(cudaStream_t stream);
  void copy_flags_out(cudaStream_t stream);

  // on the host; results after the stream was waited for
  std::span<double> input() { return input_.host.span(); }
  unsigned flags() const { return at_host<unsigned>(flags_)[0]; }
  std::span<const int> edges() const { return at_host<int>(edges_); }
  std::span<const double> energy() const { return at_host<double>(energy_); }
  std::span<const double> force() const { return at_host<double>(force_out_); }
  std::span<const double> virial() const { return at_host<double>(total_virial_); }
  std::span<const double> node_virial() const { return at_host<double>(node_virial_out_); }
  std::span<const double> edge_gradient() const { return at_host<double>(edge_gradient_); }

 private:
  template <class T>
  struct Mirrored {
    Array<T> device;
    PinnedArray<T> host;
  };
  struct Part {
    std::size_t begin = 0, bytes = 0;
  };

  template <class T>
  T* at_device(const Part& part) {
    return part.bytes == 0 ? nullptr : reinterpret_cast<T*>(results_.device.data() + part.begin);
  }
  template <class T>
  std::span<const T> at_host(const Part& part) const {
    const std::byte* begin = results_.host.data() + (part.begin - edge_gradient_.begin);
    return {reinterpret_cast<const T*>(begin), part.bytes / sizeof(T)};
  }

  Mirrored<double> input_;
  Mirrored<std::byte> results_;  ///< the host has those from the edges' gradients on
  // cleared: all up to the flags
  Part force_, node_virial_, virial_, edge_gradient_, flags_;
  Part total_virial_, energy_, edges_, force_out_, node_virial_out_;
  StepArrays arrays_{};
};

}  // namespace mdbench::cuda
