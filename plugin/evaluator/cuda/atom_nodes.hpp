// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "atoms_view.hpp"
#include "cell_layout.hpp"

namespace mdbench::cuda {

/// The nodes of atoms, and the atoms that may be in a pair. O(atoms) on the host, no search.
///
/// Local members come first, in their order; then one node for each other owner among the ghosts
/// near the local atoms, an edge to it or not.
class AtomNodes {
 public:
  /// @param radius of the pairs, Angstrom. @throws Error on coordinates that are not finite.
  void number(const AtomsView& atoms, double radius);

  std::size_t num_local() const { return num_local_; }
  std::size_t num_atoms() const { return node_.size(); }
  /// [nodes] row of the positions that stands for a node: what `owner` names.
  std::span<const std::int32_t> node_atom() const { return node_atom_; }
  std::span<const std::int32_t> species() const { return species_; }  ///< [nodes]
  /// [atoms] node of each atom; -1 where there is none.
  std::span<const std::int32_t> node() const { return node_; }
  /// Rows of the atoms that may be senders, ascending.
  std::span<const std::int32_t> members() const { return members_; }
  /// The box around the members.
  const Bounds& bounds() const { return bounds_; }

 private:
  void add_local(const AtomsView& atoms);
  void add_ghosts(const AtomsView& atoms, double margin);
  void add_node(std::int32_t atom, std::int32_t species);
  void add_member(const AtomsView& atoms, std::size_t atom);

  std::size_t num_local_ = 0;
  std::vector<std::int32_t> node_atom_, species_, node_, members_;
  Bounds bounds_;
};

}  // namespace mdbench::cuda
