// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "atoms_view.hpp"
#include "error.hpp"
#include "evaluator.hpp"

namespace mdbench {

/// Pairs of atoms within cutoff + skin, which hold until the next rebuild. A view: it owns nothing.
///
/// Nodes 0 .. num_local-1 are the atoms whose energy counts here. Pair p of node i, first_pair[i]
/// <= p < first_pair[i+1], may bring a message from node sender[p]; it does while sender_atom[p] is
/// within the cutoff.
struct PairList {
  std::size_t num_local = 0;
  std::size_t num_atoms = 0;                ///< rows of the positions
  std::span<const std::int32_t> species;    ///< [nodes] index into ModelInfo::atomic_numbers
  std::span<const std::int32_t> node_atom;  ///< [nodes] row of the positions that stands for a node
  std::span<const std::int64_t> first_pair;   ///< [num_local + 1]
  std::span<const std::int32_t> sender;       ///< [pairs] node
  std::span<const std::int32_t> sender_atom;  ///< [pairs] row of the positions: the image

  std::size_t num_nodes() const { return species.size(); }
  std::size_t num_pairs() const { return sender.size(); }
};

/// The nodes of the atoms that an evaluator was given: the local ones first.
struct NodeList {
  std::size_t num_local = 0;
  std::span<const std::int32_t> node_atom;  ///< [nodes] row of the positions that stands for a node
};

/// Result of one evaluation by node; the arrays belong to the evaluator and live until its next
/// call. The virial of an edge is -d (x) g with d = x_sender - x_receiver and g = dE/dd.
struct AtomEvaluation {
  std::span<const std::int32_t> node_atom;  ///< [nodes] as in NodeList
  std::span<const double> site_energy;      ///< [num_local] eV, isolated-atom energies included
  std::span<const double> force;            ///< [nodes * 3] eV/Angstrom
  std::array<double, 9> virial{};           ///< eV, sum over the edges, index 3a + b
  std::span<const double> node_virial;      ///< [nodes * 9] half an edge's to each of its ends;
                                            ///< empty unless asked for
  std::span<const std::int32_t> neighbors;  ///< [num_local] edges of each
  EvaluationTimes seconds;
};

/// An evaluator that searches the pairs itself and keeps them between rebuilds: positions in,
/// forces out. A graph that it is given in between takes the place of the atoms.
class ResidentEvaluator : public Evaluator {
 public:
  ResidentEvaluator* resident() final { return this; }
  /// Searches the pairs within cutoff + skin, for the steps to come; nothing of `atoms` is kept.
  /// All images of an atom are one node. @param skin Angstrom
  /// @throws Error on species that the model does not know and on coordinates that are not finite.
  virtual void set_atoms(const AtomsView& atoms, double skin) = 0;
  /// Their nodes; valid until the next call of set_atoms.
  virtual NodeList nodes() const = 0;
  /// Evaluates the pairs that are within the cutoff. Where a number is beyond what the sums hold,
  /// some of the result is not finite.
  /// @param positions [atoms * 3] Angstrom, in the order of set_atoms
  /// @throws Error when the model fails
  virtual const AtomEvaluation& evaluate_at(std::span<const double> positions, bool per_node_virial,
                                            Halo& halo) = 0;
};

/// @throws Error unless there are positions of all atoms that were set.
inline void require_atoms(std::span<const double> positions, std::size_t atoms) {
  if (positions.size() != 3 * atoms)
    throw Error("positions of " + std::to_string(positions.size() / 3) +
                " atoms, and the pairs are of " + std::to_string(atoms));
}

/// @throws Error unless a model of `known` elements has all of these.
inline void require_species(std::span<const std::int32_t> species, std::size_t known) {
  for (const std::int32_t s : species)
    if (s < 0 || static_cast<std::size_t>(s) >= known)
      throw Error("species " + std::to_string(s) + " is not one of the model's " +
                  std::to_string(known));
}

}  // namespace mdbench
