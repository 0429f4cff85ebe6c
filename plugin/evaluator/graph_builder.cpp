// SPDX-License-Identifier: MIT
#include "graph_builder.hpp"

#include <numeric>

#include "cell_grid.hpp"
#include "error.hpp"
#include "in_parallel.hpp"

namespace mdbench {

void GraphBuilder::rebuild(const AtomsView& atoms, double skin) {
  std::vector<std::int32_t> members;
  for (std::size_t i = 0; i < atoms.species.size(); ++i)
    if (atoms.species[i] >= 0) members.push_back(static_cast<std::int32_t>(i));
  const CellGrid grid(atoms.positions, members, cutoff_ + skin);

  std::vector<std::int32_t> node_of(atoms.species.size(), -1);
  node_atom_.clear();
  node_species_.clear();
  const auto add_node = [&](std::int32_t atom, std::int32_t owner) {
    node_of[owner] = static_cast<std::int32_t>(node_atom_.size());
    node_atom_.push_back(atom);
    node_species_.push_back(atoms.species[atom]);
  };
  for (const auto i : members)
    if (static_cast<std::size_t>(i) < atoms.num_local) add_node(i, i);
  num_local_ = node_atom_.size();
  num_atoms_ = atoms.species.size();

  // Hop by hop: the image through which a node is reached first stands for it, and that image's own
  // neighbours lie within `reach`.
  first_candidate_.assign(1, 0);
  candidate_node_.clear(), candidate_atom_.clear();
  for (int hop = 0; hop < layers_; ++hop) {
    search(grid, first_candidate_.size() - 1);
    for (std::size_t c = candidate_node_.size(); c < candidate_atom_.size(); ++c) {
      const std::int32_t atom = candidate_atom_[c], owner = atoms.owner[atom];
      if (node_of[owner] < 0) add_node(atom, owner);
      candidate_node_.push_back(node_of[owner]);
    }
  }
  activate_all();
}

/// Candidates of the nodes from `first_node` on.
void GraphBuilder::search(const CellGrid& grid, std::size_t first_node) {
  const std::size_t count = node_atom_.size() - first_node;
  found_.resize(threads_);
  first_candidate_.resize(first_node + count + 1);
  in_parallel(threads_, [&](int thread) {
    const Share share(count, thread, threads_);
    auto atoms = std::move(found_[thread]);  // threads' own: their sizes would share cache lines
    atoms.clear();
    for (std::size_t i = share.first; i < share.last; ++i) {
      const std::size_t before = atoms.size();
      grid.for_each_near(node_atom_[first_node + i], [&](std::int32_t j) { atoms.push_back(j); });
      first_candidate_[first_node + i + 1] = static_cast<std::int64_t>(atoms.size() - before);
    }
    found_[thread] = std::move(atoms);
  });
  const auto first = first_candidate_.begin() + static_cast<std::ptrdiff_t>(first_node);
  std::partial_sum(first, first_candidate_.end(), first);
  for (const auto& atoms : found_)
    candidate_atom_.insert(candidate_atom_.end(), atoms.begin(), atoms.end());
}

void GraphBuilder::take(const PairList& pairs) {
  if (layers_ != 1) throw Error("pairs are for evaluators whose features go through the halo");
  num_local_ = pairs.num_local;
  num_atoms_ = pairs.num_atoms;
  node_atom_.assign(pairs.node_atom.begin(), pairs.node_atom.end());
  node_species_.assign(pairs.species.begin(), pairs.species.end());
  first_candidate_.assign(pairs.first_pair.begin(), pairs.first_pair.end());
  candidate_node_.assign(pairs.sender.begin(), pairs.sender.end());
  candidate_atom_.assign(pairs.sender_atom.begin(), pairs.sender_atom.end());
  activate_all();
}

PairList GraphBuilder::pairs() const {
  if (layers_ != 1) throw Error("pairs are for evaluators whose features go through the halo");
  return {num_local_,       num_atoms_,      node_species_,  node_atom_,
          first_candidate_, candidate_node_, candidate_atom_};
}

void GraphBuilder::append_active(std::int32_t node) {
  active_index_[node] = static_cast<std::int32_t>(active_.size());
  active_.push_back(node);
  active_atom_.push_back(node_atom_[node]);
  species_.push_back(node_species_[node]);
}

/// Every node, in its order: over one hop this holds until the next rebuild.
void GraphBuilder::activate_all() {
  active_.clear(), active_atom_.clear(), species_.clear();
  active_index_.assign(node_atom_.size(), -1);
  for (std::size_t node = 0; node < node_atom_.size(); ++node)
    append_active(static_cast<std::int32_t>(node));
  kept_.resize(candidate_atom_.size());
}

/// Candidates in the skin may bring in nodes that no edge needs now: walks the true edges again.
void GraphBuilder::walk(std::span<const double> positions) {
  active_.clear(), active_atom_.clear(), species_.clear();
  active_index_.assign(node_atom_.size(), -1);
  for (std::size_t node = 0; node < num_local_; ++node)
    append_active(static_cast<std::int32_t>(node));
  first_edge_.assign(node_atom_.size() + 1, 0);
  std::size_t begin = 0;
  for (int hop = 0; hop < layers_; ++hop) {
    const std::size_t end = active_.size();
    for (; begin < end; ++begin) {
      keep_near(begin, positions);
      const std::int64_t first = first_candidate_[active_[begin]];
      for (std::int64_t k = first; k < first + first_edge_[begin + 1]; ++k)
        if (const auto other = candidate_node_[first + kept_[k]]; active_index_[other] < 0)
          append_active(other);
    }
  }
  first_edge_.resize(active_.size() + 1);
}

/// Candidates within the cutoff, and their number where the number of edges will be. Without a
/// branch: which ones are near cannot be predicted.
void GraphBuilder::keep_near(std::size_t active, std::span<const double> positions) {
  const std::int32_t node = active_[active];
  const double* x = &positions[3 * std::size_t(node_atom_[node])];
  const double cutoff2 = cutoff_ * cutoff_;
  const std::int64_t first = first_candidate_[node], last = first_candidate_[node + 1];
  std::int64_t kept = first;
  for (std::int64_t c = first; c < last; ++c) {
    const double* y = &positions[3 * std::size_t(candidate_atom_[c])];
    const double dx = y[0] - x[0], dy = y[1] - x[1], dz = y[2] - x[2];
    kept_[kept] = static_cast<std::int32_t>(c - first);
    kept += !(dx * dx + dy * dy + dz * dz >= cutoff2);  // NaN stays, and is noticed in the forces
  }
  first_edge_[active + 1] = kept - first;
}

void GraphBuilder::write_edges(std::size_t active, std::span<const double> positions) {
  const std::int64_t begin = first_edge_[active], end = first_edge_[active + 1];
  if (begin == end) return;
  const std::int32_t node = active_[active];
  const double* x = &positions[3 * std::size_t(node_atom_[node])];
  const std::int64_t first = first_candidate_[node];
  for (std::int64_t e = begin; e < end; ++e) {
    const std::int64_t c = first + kept_[first + e - begin];
    const double* y = &positions[3 * std::size_t(candidate_atom_[c])];
    sender_[e] = active_index_[candidate_node_[c]];
    for (int k = 0; k < 3; ++k) edge_vector_[3 * e + k] = y[k] - x[k];
  }
}

const Graph& GraphBuilder::update(std::span<const double> positions) {
  const auto for_nodes = [&](std::size_t nodes, auto&& function) {
    in_parallel(threads_, [&](int thread) {
      const Share share(nodes, thread, threads_);
      for (std::size_t a = share.first; a < share.last; ++a) function(a);
    });
  };
  if (layers_ > 1) {
    walk(positions);
  } else {
    first_edge_.assign(active_.size() + 1, 0);
    for_nodes(num_local_, [&](std::size_t a) { keep_near(a, positions); });
  }
  std::partial_sum(first_edge_.begin(), first_edge_.end(), first_edge_.begin());
  const auto edges = static_cast<std::size_t>(first_edge_.back());
  sender_.resize(edges);
  edge_vector_.resize(3 * edges);
  for_nodes(layers_ > 1 ? active_.size() : num_local_,
            [&](std::size_t a) { write_edges(a, positions); });
  graph_ = {num_local_, species_, first_edge_, sender_, edge_vector_};
  return graph_;
}

}  // namespace mdbench
