// SPDX-License-Identifier: MIT
// Atoms in a periodic box, as an engine hands them to an evaluator.
#pragma once

#include "cluster.hpp"
#include "periodic.hpp"
#include "resident.hpp"

namespace tiny {

inline constexpr double kSkin = 0.4;

/// Atoms in a periodic cube of the tests' size, with their images within cutoff + skin.
struct Box : Periodic {
  Box(int atoms, unsigned seed) : Periodic(atoms, 4.2, kCutoff + kSkin, seed, 0.8) {}
  /// Moves atom 0 with its images to 0.3 Angstrom from atom 2: below the tables.
  void make_close() {
    double move[3] = {0.1, -0.2, 0.2};
    for (int k = 0; k < 3; ++k) move[k] += x[3 * 2 + k] - x[k];
    for (std::size_t i = 0; i < owner.size(); ++i)
      for (int k = 0; k < 3; ++k)
        if (owner[i] == 0) x[3 * i + k] += move[k];
  }
};

struct AtomResult {
  std::vector<double> energy, force, virial, node_virial;
  std::vector<std::int32_t> neighbors;
  bool operator==(const AtomResult&) const = default;
};

inline AtomResult evaluate_at(ResidentEvaluator& evaluator, const Box& box) {
  NoHalo halo;
  const AtomEvaluation& out = evaluator.evaluate_at(box.x, true, halo);
  return {{out.site_energy.begin(), out.site_energy.end()},
          {out.force.begin(), out.force.end()},
          {out.virial.begin(), out.virial.end()},
          {out.node_virial.begin(), out.node_virial.end()},
          {out.neighbors.begin(), out.neighbors.end()}};
}

}  // namespace tiny
