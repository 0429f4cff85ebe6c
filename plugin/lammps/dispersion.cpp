// SPDX-License-Identifier: GPL-2.0-only
#include "dispersion.h"

#include <mpi.h>

#include <chrono>
#include <cmath>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "error.hpp"
#include "reduce.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using mdbench::D3Virials;
using mdbench::format_text;
using mdbench::reduced;

Dispersion::Dispersion(LAMMPS* lmp, const mdbench::D3Settings& settings,
                       std::unique_ptr<D3Source> source, double energy_unit)
    : Pointers(lmp),
      d3_(mdbench::make_d3(settings, lmp->comm->nthreads)),
      source_(std::move(source)),
      energy_unit_(energy_unit) {}

void Dispersion::compute(Pair& pair) {
  const auto start = std::chrono::steady_clock::now();
  const bool per_atom = pair.vflag_atom || pair.cvflag_atom;
  const mdbench::D3Result& result = evaluate(per_atom            ? D3Virials::per_atom
                                             : pair.vflag_global ? D3Virials::total
                                                                 : D3Virials::none);
  require_finite(result);
  energy_ = energy_unit_ * result.energy;
  if (pair.eflag_global) pair.eng_vdwl += energy_;
  if (pair.vflag_global)
    for (int k = 0; k < 6; ++k) pair.virial[k] += energy_unit_ * result.virial[k];
  add_forces(result);
  if (pair.eflag_atom) add_energies(result, pair.eatom);
  if (per_atom) add_virials(result, pair);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

const mdbench::D3Result& Dispersion::evaluate(D3Virials virials) {
  try {
    return d3_->evaluate(source_->collect(), *source_, virials);
  } catch (const mdbench::Error& problem) {
    error->one(FLERR, std::string("D3 dispersion: ") + problem.what());
  }
}

/// LAMMPS itself integrates NaN to the end of the run and exits with 0.
void Dispersion::require_finite(const mdbench::D3Result& result) const {
  double sum = std::abs(result.energy);
  for (const double f : result.forces) sum += std::abs(f);
  if (!std::isfinite(sum))
    error->one(FLERR, "D3 dispersion: energy or forces are not finite at step " +
                          std::to_string(update->ntimestep) +
                          ": check the structure and the timestep");
}

void Dispersion::add_forces(const mdbench::D3Result& result) {
  const auto forces = source_->complete(result.forces, 3);
  const auto own = source_->own(), row = source_->own_row();
  for (std::size_t k = 0; k < own.size(); ++k)
    for (int c = 0; c < 3; ++c)
      atom->f[own[k]][c] += energy_unit_ * forces[3 * static_cast<std::size_t>(row[k]) + c];
}

void Dispersion::add_energies(const mdbench::D3Result& result, double* eatom) {
  const auto energies = source_->complete(result.energies, 1);
  const auto own = source_->own(), row = source_->own_row();
  for (std::size_t k = 0; k < own.size(); ++k) eatom[own[k]] += energy_unit_ * energies[row[k]];
}

/// Forces act along the lines between atoms, so that six components of the virial give nine.
void Dispersion::add_virials(const mdbench::D3Result& result, Pair& pair) {
  static constexpr int kNine[9] = {0, 1, 2, 3, 4, 5, 3, 4, 5};
  const auto virials = source_->complete(result.virials, 6);
  const auto own = source_->own(), row = source_->own_row();
  for (std::size_t k = 0; k < own.size(); ++k) {
    const double* v = &virials[6 * static_cast<std::size_t>(row[k])];
    if (pair.vflag_atom)
      for (int c = 0; c < 6; ++c) pair.vatom[own[k]][c] += energy_unit_ * v[c];
    if (pair.cvflag_atom)
      for (int c = 0; c < 9; ++c) pair.cvatom[own[k]][c] += energy_unit_ * v[kNine[c]];
  }
}

void Dispersion::report() {
  const mdbench::D3Statistics own = d3_->statistics();
  const auto most = [&](double value) { return reduced(value, MPI_MAX, world); };
  const double evaluations = most(own.evaluations), builds = most(own.builds);
  const double dangerous = most(own.dangerous_builds);
  const double list = most(own.list_seconds), evaluation = most(own.evaluation_seconds);
  const double all = most(seconds_), pairs = reduced(own.pairs, MPI_SUM, world);
  d3_->reset_statistics();
  seconds_ = 0.0;
  if (evaluations == 0 || comm->me != 0) return;
  const double ms = 1e3 / evaluations;
  utils::logmesg(lmp, format_text("\nD3 dispersion: %.0f evaluations, %.0f list builds, %.0f "
                                  "dangerous builds, %.6g pairs\n"
                                  "ms/evaluation: %.4g list, %.4g evaluation, %.4g in all\n",
                                  evaluations, builds, dangerous, pairs, ms * list, ms * evaluation,
                                  ms * all));
  if (dangerous > 0)
    error->warning(FLERR,
                   format_text("D3 dispersion made %.0f list builds earlier than its 'every' "
                               "and 'delay' allow: no energy is wrong, but lower these or "
                               "raise 'skin'",
                               dangerous));
}
