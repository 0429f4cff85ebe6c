// SPDX-License-Identifier: GPL-2.0-only
// The steps of `pair_style mace`: positions in, energies, forces and virials out.
#include "pair_mace.h"

#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "atom.h"
#include "cell_grid.hpp"
#include "comm.h"
#include "error.h"
#include "error.hpp"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

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

PairMACE::PairMACE(LAMMPS* lmp) : PairElements(lmp, "pair_style mace", 3), halo_(this, comm) {}

void PairMACE::compute(int eflag, int vflag) {
  ev_init(eflag, vflag);
  timings_.start();
  compute_model();
  if (!dispersion_) return;
  dispersion_->compute(*this);
  pvector[2] = dispersion_->energy();
  timings_.lap(RunTimings::d3);
}

void PairMACE::compute_model() {
  refresh_atoms();
  const double* x = atom->nlocal + atom->nghost > 0 ? atom->x[0] : nullptr;
  const std::span<const double> positions(x, 3 * owner_.size());
  site_energy_.assign(atom->nmax, 0.0);
  num_neighbors_.assign(atom->nmax, 0.0);
  const std::size_t num_local = evaluator_->nodes().num_local;
  pvector[0] = pvector[1] = 0.0;
  // A rank without atoms has nothing to evaluate, but may have features to pass on.
  if (num_local == 0 && (comm->nprocs == 1 || evaluator_->halo_width() == 0)) return;

  const AtomEvaluation& result = *evaluate(positions);
  timings_.add(result.seconds);
  const std::size_t edges =
      std::accumulate(result.neighbors.begin(), result.neighbors.end(), std::size_t{0});
  timings_.count(edges, result.node_atom.size(), num_local);
  pvector[0] = static_cast<double>(edges);
  pvector[1] = static_cast<double>(result.node_atom.size());
  require_finite(positions, result);
  add_nodes(result);
  if (vflag_either) add_virials(result);
  timings_.lap(RunTimings::forces);
}

/// Brings species, image owners and candidates up to date: after every neighbour build, and when a
/// fix has changed types in between.
void PairMACE::refresh_atoms() {
  const std::size_t all = atom->nlocal + atom->nghost;
  // the same on all ranks; builds at which no evaluation fell count too
  const bool new_ghosts = rebuild_needed_ || neighbor->ago == 0 || neighbor->ncalls != builds_;
  builds_ = neighbor->ncalls;
  bool stale = new_ghosts || species_.size() != all;
  species_.resize(all);
  for (std::size_t i = 0; i < all; ++i) {
    const int species = species_of_type_[atom->type[i]];
    stale = stale || species_[i] != species;
    species_[i] = species;
  }
  if (!stale) return;
  owner_.resize(all);
  for (std::size_t i = 0; i < all; ++i) owner_[i] = atom->map(atom->tag[i]);
  const double* x = all > 0 ? atom->x[0] : nullptr;
  try {
    const auto num_local = static_cast<std::size_t>(atom->nlocal);
    evaluator_->set_atoms({num_local, {x, 3 * all}, species_, owner_}, neighbor->skin);
  } catch (const std::exception& problem) {
    error->one(FLERR, std::string("pair_style mace: ") + problem.what());
  }
  rebuild_needed_ = false;
  if (new_ghosts && comm->nprocs > 1 && evaluator_->halo_width() > 0)
    halo_.find_shared(atom->nlocal, owner_);
  timings_.lap(RunTimings::list);
}

const AtomEvaluation* PairMACE::evaluate(std::span<const double> positions) {
  mdbench::NoHalo none;
  const mdbench::NodeList nodes = evaluator_->nodes();
  halo_.set_nodes(nodes.node_atom, nodes.num_local, owner_.size());
  const bool per_atom = vflag_atom || cvflag_atom;
  try {
    if (comm->nprocs == 1) return &evaluator_->evaluate_at(positions, per_atom, none);
    return &evaluator_->evaluate_at(positions, per_atom, halo_);
  } catch (const std::exception& problem) {
    error->one(FLERR, std::string("pair_style mace: ") + problem.what());
  }
}

/// LAMMPS itself integrates NaN to the end of the run and exits with 0.
void PairMACE::require_finite(std::span<const double> positions,
                              const AtomEvaluation& result) const {
  double sum = 0.0;
  for (const auto values : {result.site_energy, result.force,
                            std::span<const double>(result.virial), result.node_virial})
    for (const double value : values) sum += std::abs(value);
  if (std::isfinite(sum)) return;
  std::string where;
  try {
    where = closest_atoms(positions);
  } catch (const mdbench::Error& problem) {
    where = problem.what();
  }
  error->one(FLERR, "pair_style mace: energy or forces are not finite at step " +
                        std::to_string(update->ntimestep) + ": " + where +
                        "; check the structure, the timestep and the model's range");
}

/// For messages: searched anew, as the evaluator's pairs may be on a GPU.
std::string PairMACE::closest_atoms(std::span<const double> positions) const {
  std::vector<std::int32_t> members;
  for (std::size_t i = 0; i < species_.size(); ++i)
    if (species_[i] >= 0) members.push_back(static_cast<std::int32_t>(i));
  const mdbench::CellGrid grid(positions, members, evaluator_->info().cutoff);
  int first = -1, second = -1;
  double least = 0.0;
  for (const int i : members)
    if (i < atom->nlocal)
      grid.for_each_near(i, [&](std::int32_t j) {
        double r2 = 0.0;
        for (int k = 0; k < 3; ++k)
          r2 += std::pow(positions[3 * std::size_t(j) + k] - positions[3 * std::size_t(i) + k], 2);
        if (first < 0 || r2 < least) first = i, second = j, least = r2;
      });
  if (first < 0) return "an isolated atom has a non-finite energy";
  return "the closest atoms are IDs " + std::to_string(atom->tag[first]) + " and " +
         std::to_string(atom->tag[second]) + ", " + std::to_string(std::sqrt(least)) +
         " Angstrom apart";
}

/// Nodes that another rank owns are ghosts here; LAMMPS's reverse communication takes their forces
/// home.
void PairMACE::add_nodes(const AtomEvaluation& result) {
  for (std::size_t node = 0; node < result.site_energy.size(); ++node) {
    const int i = result.node_atom[node];
    const double energy = energy_unit_ * result.site_energy[node];
    site_energy_[i] = energy;
    num_neighbors_[i] = result.neighbors[node];
    if (eflag_global) eng_vdwl += energy;
    if (eflag_atom) eatom[i] += energy;
  }
  double** f = atom->f;
  for (std::size_t node = 0; node < result.node_atom.size(); ++node)
    for (int k = 0; k < 3; ++k)
      f[result.node_atom[node]][k] += energy_unit_ * result.force[3 * node + k];
}

/// The virial of an edge is -d (x) g, half of it each atom's: as mace-torch's atomic virials, and
/// LAMMPS's centroid form for the two atoms of an edge.
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

void PairMACE::finish() {
  if (!evaluator_) return;
  const std::string table =
      timings_.table(world, evaluator_->info(), evaluator_->peak_device_bytes());
  if (comm->me == 0 && !table.empty()) utils::logmesg(lmp, table);
  timings_.reset();
  if (dispersion_) dispersion_->report();
}

void* PairMACE::extract_peratom(const char* name, int& columns) {
  columns = 0;
  if (std::strcmp(name, "site_energy") == 0) return site_energy_.data();
  if (std::strcmp(name, "num_neighbors") == 0) return num_neighbors_.data();
  return nullptr;
}

double PairMACE::memory_usage() {
  const double own = double(species_.capacity() + owner_.capacity()) * sizeof(std::int32_t) +
                     double(site_energy_.capacity() + num_neighbors_.capacity()) * sizeof(double);
  return Pair::memory_usage() + own + halo_.memory_usage() +
         (dispersion_ ? dispersion_->memory_usage() : 0.0);
}
