// SPDX-License-Identifier: MIT
#include "step_memory.hpp"

namespace mdbench::cuda {
namespace {

/// Coordinates are copied in so many at a time: with each rebuild there are a few ghosts more or
/// less, for which no graph need be captured anew.
constexpr std::size_t kInputStep = 3072;

/// Where each array of the results begins, bytes.
constexpr std::size_t kAlignment = 256;

}  // namespace

void StepMemory::fit(const Topology& topology, const Wanted& wanted) {
  const std::size_t n = topology.num_receivers(), nodes = topology.num_nodes();
  const std::size_t in = 3 * (wanted.forces ? topology.num_atoms() : topology.num_pairs());
  input_.device.resize((in + kInputStep - 1) / kInputStep * kInputStep);
  input_.host.resize(input_.device.size());
  std::size_t end = 0;
  const auto place = [&end](Part& part, std::size_t bytes) {
    part = {end, bytes};
    end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  };
  place(force_, wanted.forces ? 3 * nodes * sizeof(Fixed) : 0);
  place(node_virial_, wanted.node_virial ? 9 * nodes * sizeof(Fixed) : 0);
  place(virial_, 9 * n * sizeof(double));
  place(edge_gradient_, wanted.edge_gradient ? 3 * topology.num_pairs() * sizeof(double) : 0);
  place(flags_, sizeof(unsigned));
  place(total_virial_, wanted.forces ? 9 * sizeof(double) : 0);
  place(energy_, n * sizeof(double));
  place(edges_, n * sizeof(int));
  place(force_out_, wanted.forces ? 3 * nodes * sizeof(double) : 0);
  place(node_virial_out_, wanted.node_virial ? 9 * nodes * sizeof(double) : 0);
  results_.device.resize(end);
  results_.host.resize(end - edge_gradient_.begin);
  double* const at = input_.device.data();
  arrays_ = {{wanted.forces ? at : nullptr, wanted.forces ? nullptr : at},
             at_device<unsigned>(flags_),
             at_device<int>(edges_),
             at_device<double>(energy_),
             at_device<Fixed>(force_),
             at_device<Fixed>(node_virial_),
             at_device<double>(virial_),
             at_device<double>(edge_gradient_),
             at_device<double>(force_out_),
             at_device<double>(total_virial_),
             at_device<double>(node_virial_out_)};
}

void StepMemory::add_to(std::vector<std::int64_t>& shape) const {
  const auto add = [&shape](const auto&... arrays) {
    ((shape.push_back(reinterpret_cast<std::intptr_t>(arrays.data())),
      shape.push_back(static_cast<std::int64_t>(arrays.size()))),
     ...);
  };
  add(input_.device, input_.host, results_.device, results_.host);
  for (const Part* part : {&force_, &node_virial_, &virial_, &edge_gradient_, &flags_,
                           &total_virial_, &energy_, &edges_, &force_out_, &node_virial_out_})
    shape.push_back(static_cast<std::int64_t>(part->begin));
}

void StepMemory::copy_in(cudaStream_t stream) {
  if (input_.device.size() > 0) input_.device.upload(input_.host, stream);
}

void StepMemory::clear(cudaStream_t stream) {
  check(cudaMemsetAsync(results_.device.data(), 0, flags_.begin + flags_.bytes, stream),
        "clearing results");
}

void StepMemory::copy_out(cudaStream_t stream) {
  copy_later(results_.host.data(), results_.device.data() + edge_gradient_.begin,
             results_.host.size(), cudaMemcpyDeviceToHost, stream);
}

void StepMemory::copy_flags_out(cudaStream_t stream) {
  copy_later(results_.host.data() + (flags_.begin - edge_gradient_.begin),
             results_.device.data() + flags_.begin, flags_.bytes, cudaMemcpyDeviceToHost, stream);
}

}  // namespace mdbench::cuda
