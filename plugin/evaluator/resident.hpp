// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>

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

/// Result of one evaluation by node; the arrays belong to the evaluator and live until its next
/// call. The virial of an edge is -d (x) g with d = x_sender - x_receiver and g = dE/dd.
struct AtomEvaluation {
  std::span<const double> site_energy;      ///< [num_local] eV, isolated-atom energies included
  std::span<const double> force;            ///< [nodes * 3] eV/Angstrom
  std::array<double, 9> virial{};           ///< eV, sum over the edges, index 3a + b
  std::span<const double> node_virial;      ///< [nodes * 9] half an edge's to each of its ends;
                                            ///< empty unless asked for
  std::span<const std::int32_t> neighbors;  ///< [num_local] edges of each
  EvaluationTimes seconds;
};

/// An evaluator that keeps the pairs between rebuilds: positions in, forces out.
class ResidentEvaluator : public Evaluator {
 public:
  ResidentEvaluator* resident() final { return this; }
  /// Takes the pairs of the steps to come. The arrays must stay until the next call.
  /// @throws Error on species that the model does not know.
  virtual void set_pairs(const PairList& pairs) = 0;
  /// Evaluates the pairs that are within the cutoff. Where a number is beyond what the sums hold,
  /// some of the result is not finite.
  /// @param positions [num_atoms * 3] Angstrom @throws Error when the model fails
  virtual const AtomEvaluation& evaluate_at(std::span<const double> positions, bool per_node_virial,
                                            Halo& halo) = 0;
};

}  // namespace mdbench
