// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "atoms_view.hpp"
#include "graph.hpp"
#include "resident.hpp"

namespace mdbench {

class CellGrid;

/// Turns atoms into the graph of a message-passing model.
///
/// All images of an atom become one node, so a periodic cell on one rank has no extra nodes. A node
/// is added only when it lies within `layers` hops of an owned atom, whatever ghosts the engine
/// keeps for others. Candidates within cutoff + skin are searched at a rebuild; between rebuilds
/// only distances are looked at. Over one hop the nodes stay those of the rebuild: ghosts without
/// an edge do no harm there.
class GraphBuilder {
 public:
  /// @param cutoff Angstrom
  /// @param layers hops from an owned atom over which edges are needed
  /// @param threads that share the work; the graph does not depend on it
  GraphBuilder(double cutoff, int layers, int threads = 1)
      : cutoff_(cutoff), layers_(layers), threads_(threads) {}

  /// Distance from an owned atom up to which `rebuild` must be given ghosts, Angstrom.
  double reach(double skin) const { return layers_ * (cutoff_ + skin); }

  /// Searches the candidates. @throws Error on coordinates that are not finite.
  void rebuild(const AtomsView& atoms, double skin);
  /// Takes candidates that were searched elsewhere, over one hop.
  void take(const PairList& pairs);

  /// The graph at these positions ([atoms * 3], same atoms as at the last rebuild).
  /// The view is valid until the next call.
  const Graph& update(std::span<const double> positions);

  /// The nodes of the graph; before the first one, those of the candidates.
  NodeList nodes() const { return {num_local_, active_atom_}; }
  std::span<const std::int32_t> node_species() const { return node_species_; }  ///< of candidates
  std::size_t num_atoms() const { return num_atoms_; }

  /// The candidates of the last rebuild, where edges reach over one hop (`layers` is 1): only owned
  /// atoms have any then. The view is valid until the next rebuild.
  PairList pairs() const;

 private:
  void search(const CellGrid& grid, std::size_t first_node);
  void activate_all();
  void append_active(std::int32_t node);
  void walk(std::span<const double> positions);
  void keep_near(std::size_t active, std::span<const double> positions);
  void write_edges(std::size_t active, std::span<const double> positions);

  double cutoff_;
  int layers_, threads_;
  // Candidates: fixed between rebuilds.
  std::size_t num_local_ = 0, num_atoms_ = 0;
  std::vector<std::int32_t> node_atom_, node_species_;
  std::vector<std::int64_t> first_candidate_{0};  ///< of the nodes that have any, and the end
  std::vector<std::int32_t> candidate_node_, candidate_atom_;
  std::vector<std::vector<std::int32_t>>
      found_;  ///< by each thread; kept, as memory is slow to get
  // The graph of this step.
  std::vector<std::int32_t> kept_;  ///< [candidates] each node's near ones, counted from its first
  std::vector<std::int32_t> active_, active_index_, active_atom_, species_, sender_;
  std::vector<std::int64_t> first_edge_;
  std::vector<double> edge_vector_;
  Graph graph_;
};

}  // namespace mdbench
