// SPDX-License-Identifier: MIT
#include "pairs_on_cpu.hpp"

#include "cell_grid.hpp"

namespace mdbench::cuda {

void PairsOnCpu::make(const Topology& topology, double radius) {
  const AtomNodes& nodes = topology.atom_nodes();
  const std::vector<double> positions = topology.searched_positions();
  const CellGrid grid(positions, nodes.members(), radius);
  first_pair_.assign(1, 0);
  sender_.clear();
  sender_atom_.clear();
  for (std::size_t node = 0; node < nodes.num_local(); ++node) {
    grid.for_each_near(nodes.node_atom()[node], [&](std::int32_t atom) {
      sender_.push_back(nodes.node()[atom]);
      sender_atom_.push_back(atom);
    });
    first_pair_.push_back(static_cast<std::int64_t>(sender_.size()));
  }
  made_ = true;
}

PairList PairsOnCpu::list(const Topology& topology, double radius) {
  if (!made_) make(topology, radius);
  const AtomNodes& nodes = topology.atom_nodes();
  return {nodes.num_local(), nodes.num_atoms(), nodes.species(), nodes.node_atom(),
          first_pair_,       sender_,           sender_atom_};
}

}  // namespace mdbench::cuda
