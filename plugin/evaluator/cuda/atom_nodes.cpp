// SPDX-License-Identifier: MIT
#include "atom_nodes.hpp"

namespace mdbench::cuda {
namespace {

/// Differences of coordinates are rounded; what the search might still take must not be left out.
constexpr double kMargin = 1.0 + 1e-9;

}  // namespace

void AtomNodes::number(const AtomsView& atoms, double radius) {
  node_.assign(atoms.species.size(), -1);
  node_atom_.clear();
  species_.clear();
  members_.clear();
  bounds_ = {};
  add_local(atoms);
  add_ghosts(atoms, kMargin * radius);
}

void AtomNodes::add_node(std::int32_t atom, std::int32_t species) {
  node_[atom] = static_cast<std::int32_t>(node_atom_.size());
  node_atom_.push_back(atom);
  species_.push_back(species);
}

void AtomNodes::add_member(const AtomsView& atoms, std::size_t atom) {
  members_.push_back(static_cast<std::int32_t>(atom));
  bounds_.add(&atoms.positions[3 * atom]);
}

void AtomNodes::add_local(const AtomsView& atoms) {
  for (std::size_t i = 0; i < atoms.num_local; ++i) {
    if (atoms.species[i] < 0) continue;
    add_node(static_cast<std::int32_t>(i), atoms.species[i]);
    add_member(atoms, i);
  }
  num_local_ = node_atom_.size();
}

/// Engines may keep ghosts much farther away, for others: those only cost memory.
void AtomNodes::add_ghosts(const AtomsView& atoms, double margin) {
  const Bounds local = bounds_;
  for (std::size_t i = atoms.num_local; i < atoms.species.size(); ++i) {
    if (atoms.species[i] < 0) continue;
    const double* x = &atoms.positions[3 * i];
    require_finite(x);
    if (!local.holds(x, margin)) continue;
    add_member(atoms, i);
    const std::int32_t owner = atoms.owner[i];
    if (node_[owner] < 0) add_node(owner, atoms.species[i]);
    node_[i] = node_[owner];
  }
}

}  // namespace mdbench::cuda
