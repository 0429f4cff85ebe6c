// SPDX-License-Identifier: GPL-2.0-only
#include "pair_mace.h"

#include <cmath>
#include <cstring>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "error.hpp"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using mdbench::RunTimings;

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
  if (evaluator_->resident())
    compute_resident(positions);
  else
    compute_graph(positions);
}

void PairMACE::compute_graph(std::span<const double> positions) {
  const auto& graph = builder_->update(positions);
  timings_.lap(RunTimings::graph);
  timings_.count(graph.num_edges(), graph.num_nodes(), graph.num_local);
  pvector[0] = static_cast<double>(graph.num_edges());
  pvector[1] = static_cast<double>(graph.num_nodes());
  // A rank without atoms has nothing to evaluate, but may have features to pass on.
  if (graph.num_local == 0 && evaluator_->halo_width() == 0) return;

  const mdbench::Evaluation& result = *evaluate(graph);
  timings_.add(result.seconds);
  require_finite(graph, result);
  add_energies(graph, result);
  add_forces(graph, result);
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
    const mdbench::AtomsView atoms{
        static_cast<std::size_t>(atom->nlocal), {x, 3 * all}, species_, owner_};
    if (auto* resident = evaluator_->resident())
      resident->set_atoms(atoms, neighbor->skin);
    else
      builder_->rebuild(atoms, neighbor->skin);
  } catch (const std::exception& problem) {
    error->one(FLERR, std::string("pair_style mace: ") + problem.what());
  }
  rebuild_needed_ = false;
  if (new_ghosts && comm->nprocs > 1 && evaluator_->halo_width() > 0)
    halo_.find_shared(atom->nlocal, owner_);
  timings_.lap(RunTimings::list);
}

const mdbench::Evaluation* PairMACE::evaluate(const mdbench::Graph& graph) {
  mdbench::NoHalo none;
  halo_.set_nodes(builder_->node_atom(), graph.num_local, owner_.size());
  try {
    if (comm->nprocs == 1) return &evaluator_->evaluate(graph, none);
    return &evaluator_->evaluate(graph, halo_);
  } catch (const std::exception& problem) {
    error->one(FLERR, std::string("pair_style mace: ") + problem.what());
  }
}

/// LAMMPS itself integrates NaN to the end of the run and exits with 0.
void PairMACE::require_finite(const mdbench::Graph& graph,
                              const mdbench::Evaluation& result) const {
  double sum = 0.0;
  for (const double g : result.edge_gradient) sum += std::abs(g);
  for (const double e : result.site_energy) sum += std::abs(e);
  if (std::isfinite(sum)) return;

  Closest closest;
  for (std::size_t e = 0; e < graph.num_edges(); ++e) {
    const double* d = &graph.edge_vector[3 * e];
    closest.consider(builder_->receiver_atom()[e], builder_->sender_atom()[e],
                     d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
  }
  stop_not_finite(closest);
}

void PairMACE::stop_not_finite(const Closest& closest) const {
  std::string where = "an isolated atom has a non-finite energy";
  if (closest.i >= 0)
    where = "the closest atoms are IDs " + std::to_string(atom->tag[closest.i]) + " and " +
            std::to_string(atom->tag[closest.j]) + ", " +
            std::to_string(std::sqrt(closest.distance2)) + " Angstrom apart";
  error->one(FLERR, "pair_style mace: energy or forces are not finite at step " +
                        std::to_string(update->ntimestep) + ": " + where +
                        "; check the structure, the timestep and the model's range");
}

void PairMACE::add_energies(const mdbench::Graph& graph, const mdbench::Evaluation& result) {
  for (std::size_t node = 0; node < graph.num_local; ++node)
    add_energy(builder_->node_atom()[node], result.site_energy[node],
               graph.first_edge[node + 1] - graph.first_edge[node]);
}

void PairMACE::add_energy(int i, double site_energy, std::int64_t neighbors) {
  const double energy = energy_unit_ * site_energy;
  site_energy_[i] = energy;
  num_neighbors_[i] = static_cast<double>(neighbors);
  if (eflag_global) eng_vdwl += energy;
  if (eflag_atom) eatom[i] += energy;
}

/// With d = x_j - x_i and g = dE/dd: the force on j is -g, on i +g.
void PairMACE::add_forces(const mdbench::Graph& graph, const mdbench::Evaluation& result) {
  const auto receiver = builder_->receiver_atom(), sender = builder_->sender_atom();
  double** f = atom->f;
  for (std::size_t e = 0; e < graph.num_edges(); ++e) {
    const int i = receiver[e], j = sender[e];
    double g[3];
    for (int k = 0; k < 3; ++k) {
      g[k] = energy_unit_ * result.edge_gradient[3 * e + k];
      f[i][k] += g[k];
      f[j][k] -= g[k];
    }
    if (vflag_either) add_edge_virial(i, j, &graph.edge_vector[3 * e], g);
  }
}

/// The virial of an edge is -d (x) g, half of it each atom's: as mace-torch's atomic virials, and
/// LAMMPS's centroid form for the two atoms of an edge.
void PairMACE::add_edge_virial(int i, int j, const double* d, const double* g) {
  const double v[9] = {-d[0] * g[0], -d[1] * g[1], -d[2] * g[2], -d[0] * g[1], -d[0] * g[2],
                       -d[1] * g[2], -d[1] * g[0], -d[2] * g[0], -d[2] * g[1]};
  const double symmetric[6] = {
      v[0], v[1], v[2], 0.5 * (v[3] + v[6]), 0.5 * (v[4] + v[7]), 0.5 * (v[5] + v[8])};
  if (vflag_global)
    for (int k = 0; k < 6; ++k) virial[k] += symmetric[k];
  if (vflag_atom)
    for (int k = 0; k < 6; ++k) {
      vatom[i][k] += 0.5 * symmetric[k];
      vatom[j][k] += 0.5 * symmetric[k];
    }
  if (cvflag_atom)
    for (int k = 0; k < 9; ++k) {
      cvatom[i][k] += 0.5 * v[k];
      cvatom[j][k] += 0.5 * v[k];
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
