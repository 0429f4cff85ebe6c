// SPDX-License-Identifier: GPL-2.0-only
#include "pair_dftd3.h"

#include <algorithm>

#include "atom.h"
#include "coefficients.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "neighbor.h"
#include "reduce.h"
#include "utils.h"

using namespace LAMMPS_NS;
using Parallel = mdbench::Dftd3Settings::Parallel;

namespace {

/// LAMMPS sizes ghosts and lists by the largest cutoff of a pair of types; D3 needs neither, and
/// some ghosts there must be for atoms not to get lost. Angstrom.
constexpr double kNominalCutoff = 1.0;

/// Ghosts pay where a rank's atoms with its ghosts are less than this part of all atoms, which a
/// rank has otherwise; values of a ghost travel by more messages than those of gathered atoms.
constexpr double kLargestPart = 0.5;

}  // namespace

PairDFTD3::PairDFTD3(LAMMPS* lmp) : PairElements(lmp, "pair_style dftd3", 2), halo_(this, comm) {}

void PairDFTD3::settings(int narg, char** arg) {
  stop_if_any(problem_of([&] {
    settings_ = mdbench::Dftd3Settings::parse_style({arg, static_cast<std::size_t>(narg)});
  }));
  dispersion_.reset();
  if (allocated) set_flags([](int) { return false; });
}

void PairDFTD3::coeff(int narg, char** arg) {
  stop_if_any(problem_of(
      [&] { settings_.parse_coeff({arg, static_cast<std::size_t>(narg)}, atom->ntypes); }));
  flag_types();
}

/// Beside other styles, pairs with a NULL type are theirs; alone, there is no other style.
void PairDFTD3::flag_types() {
  const bool alone = force->pair == this;
  set_flags([&](int type) {
    return !settings_.elements.empty() && (alone || settings_.elements[type - 1] != "NULL");
  });
}

void PairDFTD3::init_style() {
  check_system(settings_.elements);
  mdbench::D3Settings settings = settings_.d3;
  auto source = make_source(settings);
  stop_if_any(problem_of([&] {
    dispersion_ = std::make_unique<Dispersion>(lmp, settings, std::move(source), energy_unit());
  }));
}

bool PairDFTD3::ghosts_pay() const {
  double part = 1.0;
  for (int k = 0; k < 3; ++k) {
    const double own = domain->prd[k] / comm->procgrid[k];
    const double all = own + 2.0 * (settings_.d3.cutoff + neighbor->skin);
    part *= domain->periodicity[k] ? all / domain->prd[k] : std::min(1.0, all / domain->prd[k]);
  }
  return part < kLargestPart;
}

/// With ghosts, the list lives as long as they do, so its skin is LAMMPS's.
std::unique_ptr<D3Source> PairDFTD3::make_source(mdbench::D3Settings& settings) {
  auto numbers = mdbench::d3_numbers(style_, settings_.elements);
  const bool ghosts = settings_.parallel == Parallel::ghost ||
                      (settings_.parallel == Parallel::automatic && ghosts_pay());
  comm_forward = ghosts ? 1 : 0;
  print_summary(ghosts);
  if (!ghosts) return std::make_unique<GatheredAtoms>(lmp, std::move(numbers));
  if (comm->mode != Comm::SINGLE)
    error->all(FLERR, "pair_style dftd3 with ghosts needs 'comm_modify mode single'");
  require_all_groups();
  settings.skin = neighbor->skin;
  comm->cutghostuser = std::max(comm->cutghostuser, settings.cutoff + settings.skin);
  return std::make_unique<GhostAtoms>(lmp, std::move(numbers), halo_);
}

void PairDFTD3::print_summary(bool ghosts) {
  std::string text = "D3 dispersion " + mdbench::d3_text(settings_.d3) + "\n  ";
  if (ghosts)
    text += "atoms of a rank and its ghosts; list made with LAMMPS's, skin " +
            mdbench::format_text("%g", neighbor->skin) + " Angstrom\n";
  else
    text += "all atoms on every rank, own list\n";
  text += "  elements of the types:";
  for (const std::string& name : settings_.elements) text += " " + name;
  if (comm->me == 0 && text != summary_) utils::logmesg(lmp, text + "\n");
  summary_ = text;
}

double PairDFTD3::cutoff_of_types() const { return kNominalCutoff; }

void PairDFTD3::compute(int eflag, int vflag) {
  ev_init(eflag, vflag);
  dispersion_->compute(*this);
  const mdbench::D3Statistics statistics = dispersion_->statistics();
  pvector[0] = statistics.pairs;
  pvector[1] = comm->me == 0 ? static_cast<double>(statistics.builds) : 0.0;  // summed over ranks
}

void PairDFTD3::finish() {
  if (dispersion_) dispersion_->report();
}

void PairDFTD3::write_restart(FILE* fp) { write_text(fp, settings_.to_text(true)); }
void PairDFTD3::write_restart_settings(FILE* fp) { write_text(fp, settings_.to_text(false)); }
void PairDFTD3::read_restart_settings(FILE* fp) { read_restart(fp); }

void PairDFTD3::read_restart(FILE* fp) {
  const std::string text = read_text(fp);
  stop_if_any(problem_of([&] { settings_ = mdbench::Dftd3Settings::from_text(text); }));
  dispersion_.reset();
  flag_types();
}

double PairDFTD3::memory_usage() {
  return Pair::memory_usage() + halo_.memory_usage() +
         (dispersion_ ? dispersion_->memory_usage() : 0.0);
}
