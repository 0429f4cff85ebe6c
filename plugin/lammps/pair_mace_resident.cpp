// SPDX-License-Identifier: GPL-2.0-only
// The steps of `pair_style mace` where the evaluator has the pairs: positions in, forces out.
#include <array>
#include <cmath>
#include <numeric>

#include "atom.h"
#include "cell_grid.hpp"
#include "comm.h"
#include "error.h"
#include "pair_mace.h"

using namespace LAMMPS_NS;
using mdbench::AtomEvaluation;
using mdbench::RunTimings;

namespace {

/// Places of xx yy zz xy xz yz yx zx zy, as LAMMPS's centroid stress has them, in 3a + b.
constexpr int kPlace[9] = {0, 4, 8, 1, 2, 5, 3, 6, 7};

/// xx yy zz xy xz yz of v[3a + b], as LAMMPS's virials are.
std::array<double, 6> symmetric(const double* v) {
  return {v[0], v[4], v[8], 0.5 * (v[1] + v[3]), 0.5 * (v[2] + v[6]), 0.5 * (v[5] + v[7])};
}

}  // namespace

void PairMACE::compute_resident(std::span<const double> positions) {
  const mdbench::NodeList nodes = evaluator_->resident()->nodes();
  pvector[0] = 0.0;
  pvector[1] = static_cast<double>(nodes.node_atom.size());
  // A rank without atoms has nothing to evaluate, but may have features to pass on.
  if (nodes.num_local == 0 && (comm->nprocs == 1 || evaluator_->halo_width() == 0)) return;
  const AtomEvaluation& result = *evaluate_at(positions);
  timings_.add(result.seconds);
  const std::size_t edges =
      std::accumulate(result.neighbors.begin(), result.neighbors.end(), std::size_t{0});
  timings_.count(edges, nodes.node_atom.size(), nodes.num_local);
  pvector[0] = static_cast<double>(edges);
  require_finite(positions, result);
  add_nodes(result);
  if (vflag_either) add_virials(result);
  timings_.lap(RunTimings::forces);
}

const AtomEvaluation* PairMACE::evaluate_at(std::span<const double> positions) {
  mdbench::NoHalo none;
  auto& evaluator = *evaluator_->resident();
  const mdbench::NodeList nodes = evaluator.nodes();
  halo_.set_nodes(nodes.node_atom, nodes.num_local, owner_.size());
  const bool per_atom = vflag_atom || cvflag_atom;
  try {
    if (comm->nprocs == 1) return &evaluator.evaluate_at(positions, per_atom, none);
    return &evaluator.evaluate_at(positions, per_atom, halo_);
  } catch (const std::exception& problem) {
    error->one(FLERR, std::string("pair_style mace: ") + problem.what());
  }
}

void PairMACE::require_finite(std::span<const double> positions,
                              const AtomEvaluation& result) const {
  double sum = 0.0;
  for (const auto values : {result.site_energy, result.force,
                            std::span<const double>(result.virial), result.node_virial})
    for (const double value : values) sum += std::abs(value);
  if (std::isfinite(sum)) return;
  try {
    stop_not_finite(closest_pair(positions));
  } catch (const mdbench::Error& problem) {
    error->one(FLERR, std::string("pair_style mace: ") + problem.what());
  }
}

/// The evaluator's pairs may be on a GPU, and too many for the host.
PairMACE::Closest PairMACE::closest_pair(std::span<const double> positions) const {
  std::vector<std::int32_t> members;
  for (std::size_t i = 0; i < species_.size(); ++i)
    if (species_[i] >= 0) members.push_back(static_cast<std::int32_t>(i));
  const mdbench::CellGrid grid(positions, members, evaluator_->info().cutoff);
  Closest closest;
  for (const int i : members)
    if (i < atom->nlocal)
      grid.for_each_near(i, [&](std::int32_t j) {
        double r2 = 0.0;
        for (int k = 0; k < 3; ++k)
          r2 += std::pow(positions[3 * std::size_t(j) + k] - positions[3 * std::size_t(i) + k], 2);
        closest.consider(i, j, r2);
      });
  return closest;
}

/// Nodes that another rank owns are ghosts here; LAMMPS's reverse communication takes their forces
/// home.
void PairMACE::add_nodes(const AtomEvaluation& result) {
  for (std::size_t node = 0; node < result.site_energy.size(); ++node)
    add_energy(result.node_atom[node], result.site_energy[node], result.neighbors[node]);
  double** f = atom->f;
  for (std::size_t node = 0; node < result.node_atom.size(); ++node)
    for (int k = 0; k < 3; ++k)
      f[result.node_atom[node]][k] += energy_unit_ * result.force[3 * node + k];
}

void PairMACE::add_virials(const AtomEvaluation& result) {
  if (vflag_global) {
    const auto total = symmetric(result.virial.data());
    for (int k = 0; k < 6; ++k) virial[k] += energy_unit_ * total[k];
  }
  if (!vflag_atom && !cvflag_atom) return;
  for (std::size_t node = 0; node < result.node_atom.size(); ++node) {
    const int i = result.node_atom[node];
    const double* v = &result.node_virial[9 * node];
    const auto half = symmetric(v);
    if (vflag_atom)
      for (int k = 0; k < 6; ++k) vatom[i][k] += energy_unit_ * half[k];
    if (cvflag_atom)
      for (int k = 0; k < 9; ++k) cvatom[i][k] += energy_unit_ * v[kPlace[k]];
  }
}
