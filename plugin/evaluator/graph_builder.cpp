// SPDX-License-Identifier: MIT
#include "graph_builder.hpp"

#include "cell_grid.hpp"
#include "error.hpp"

namespace mdbench {

void GraphBuilder::rebuild(const AtomsView& atoms, double skin) {
  std::vector<std::int32_t> members;
  for (std::size_t i = 0; i < atoms.species.size(); ++i)
    if (atoms.species[i] >= 0) members.push_back(static_cast<std::int32_t>(i));
  const CellGrid grid(atoms.positions, members, cutoff_ + skin);

  std::vector<std::int32_t> node_of(atoms.species.size(), -1), hop;
  node_atom_.clear();
  node_species_.clear();
  const auto add_node = [&](std::int32_t atom, std::int32_t owner, int hops) {
    node_of[owner] = static_cast<std::int32_t>(node_atom_.size());
    node_atom_.push_back(atom);
    node_species_.push_back(atoms.species[atom]);
    hop.push_back(hops);
  };
  for (const auto i : members)
    if (static_cast<std::size_t>(i) < atoms.num_local) add_node(i, i, 0);
  num_local_ = node_atom_.size();
  num_atoms_ = atoms.species.size();

  // Breadth first: the image through which a node is reached first stands for it, and that image's
  // own neighbours lie within `reach`.
  first_candidate_.assign(1, 0);
  candidate_node_.clear(), candidate_atom_.clear();
  for (std::size_t node = 0; node < node_atom_.size(); ++node) {
    if (hop[node] < layers_)
      grid.for_each_near(node_atom_[node], [&](std::int32_t j) {
        const std::int32_t owner = atoms.owner[j];
        if (node_of[owner] < 0) add_node(j, owner, hop[node] + 1);
        candidate_node_.push_back(node_of[owner]);
        candidate_atom_.push_back(j);
      });
    first_candidate_.push_back(static_cast<std::int64_t>(candidate_node_.size()));
  }
}

PairList GraphBuilder::pairs() const {
  if (layers_ != 1) throw Error("pairs are for evaluators whose features go through the halo");
  return {num_local_,
          num_atoms_,
          node_species_,
          node_atom_,
          std::span(first_candidate_).first(num_local_ + 1),
          candidate_node_,
          candidate_atom_};
}

void GraphBuilder::append_active(std::int32_t node, int depth) {
  active_index_[node] = static_cast<std::int32_t>(active_.size());
  active_.push_back(node);
  active_depth_.push_back(depth);
  active_atom_.push_back(node_atom_[node]);
  species_.push_back(node_species_[node]);
}

const Graph& GraphBuilder::update(std::span<const double> positions) {
  active_.clear(), active_depth_.clear(), active_atom_.clear(), species_.clear();
  sender_.clear(), receiver_atom_.clear(), sender_atom_.clear(), edge_vector_.clear();
  first_edge_.assign(1, 0);
  active_index_.assign(node_atom_.size(), -1);
  for (std::size_t node = 0; node < num_local_; ++node)
    append_active(static_cast<std::int32_t>(node), 0);

  // Candidates in the skin may bring in nodes that no edge needs now: walk the true edges again.
  const double cutoff2 = cutoff_ * cutoff_;
  for (std::size_t a = 0; a < active_.size(); ++a) {
    const std::int32_t node = active_[a], atom = node_atom_[node];
    if (active_depth_[a] < layers_) {
      const double* x = &positions[3 * std::size_t(atom)];
      for (auto c = first_candidate_[node]; c < first_candidate_[node + 1]; ++c) {
        const std::int32_t other = candidate_node_[c], image = candidate_atom_[c];
        const double* y = &positions[3 * std::size_t(image)];
        const double dx = y[0] - x[0], dy = y[1] - x[1], dz = y[2] - x[2];
        if (dx * dx + dy * dy + dz * dz >= cutoff2) continue;
        if (active_index_[other] < 0) append_active(other, active_depth_[a] + 1);
        sender_.push_back(active_index_[other]);
        receiver_atom_.push_back(atom);
        sender_atom_.push_back(image);
        edge_vector_.insert(edge_vector_.end(), {dx, dy, dz});
      }
    }
    first_edge_.push_back(static_cast<std::int64_t>(sender_.size()));
  }
  graph_ = {num_local_, species_, first_edge_, sender_, edge_vector_};
  return graph_;
}

}  // namespace mdbench
