// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "atoms_view.hpp"
#include "graph.hpp"
#include "resident.hpp"

namespace mdbench {

/// Turns atoms into the graph of a message-passing model.
///
/// All images of an atom become one node, so a periodic cell on one rank has no extra nodes. A node
/// is added only when it lies within `layers` hops of an owned atom, whatever ghosts the engine
/// keeps for others. Candidates within cutoff + skin are searched at a rebuild; between rebuilds
/// only distances are looked at.
class GraphBuilder {
 public:
  /// @param cutoff Angstrom
  /// @param layers hops from an owned atom over which edges are needed
  GraphBuilder(double cutoff, int layers) : cutoff_(cutoff), layers_(layers) {}

  /// Distance from an owned atom up to which `rebuild` must be given ghosts, Angstrom.
  double reach(double skin) const { return layers_ * (cutoff_ + skin); }

  /// Searches the candidates. @throws Error on coordinates that are not finite.
  void rebuild(const AtomsView& atoms, double skin);

  /// The graph at these positions ([atoms * 3], same atoms as at the last rebuild).
  /// The view is valid until the next call.
  const Graph& update(std::span<const double> positions);

  /// Atom index of each edge's receiver and sender (the image that the edge goes to).
  std::span<const std::int32_t> receiver_atom() const { return receiver_atom_; }
  std::span<const std::int32_t> sender_atom() const { return sender_atom_; }
  /// Atom index (the image that stands for it) of each node, [graph.num_nodes()].
  std::span<const std::int32_t> node_atom() const { return active_atom_; }

  /// The candidates of the last rebuild, where edges reach over one hop (`layers` is 1): only owned
  /// atoms have any then. The view is valid until the next rebuild.
  PairList pairs() const;

 private:
  void append_active(std::int32_t node, int depth);

  double cutoff_;
  int layers_;
  // Candidates: fixed between rebuilds.
  std::size_t num_local_ = 0, num_atoms_ = 0;
  std::vector<std::int32_t> node_atom_, node_species_;
  std::vector<std::int64_t> first_candidate_{0};
  std::vector<std::int32_t> candidate_node_, candidate_atom_;
  // The graph of this step.
  std::vector<std::int32_t> active_, active_depth_, active_index_, active_atom_;
  std::vector<std::int32_t> species_, sender_, receiver_atom_, sender_atom_;
  std::vector<std::int64_t> first_edge_;
  std::vector<double> edge_vector_;
  Graph graph_;
};

}  // namespace mdbench
