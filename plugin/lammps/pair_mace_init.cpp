// SPDX-License-Identifier: GPL-2.0-only
// The part of `pair_style mace` that runs before and between runs: arguments, checks, restart.
#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "atom.h"
#include "coefficients.h"
#include "comm.h"
#include "elements.hpp"
#include "error.h"
#include "error.hpp"
#include "force.h"
#include "model_file.hpp"
#include "neighbor.h"
#include "pair_mace.h"
#include "universe.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using mdbench::Decomposition;

void PairMACE::settings(int narg, char** arg) {
  stop_if_any(problem_of([&] {
    settings_ = mdbench::MaceSettings::parse_style({arg, static_cast<std::size_t>(narg)});
  }));
  evaluator_.reset();
  dispersion_.reset();
  if (allocated) set_flags([](int) { return false; });
  check_decomposition();
}

void PairMACE::check_decomposition() {
  if (settings_.decomposition == Decomposition::none && comm->nprocs > 1)
    error->all(FLERR,
               "pair_style mace no_domain_decomposition runs on one MPI rank and there are " +
                   std::to_string(comm->nprocs) + ": leave the keyword out");
}

void PairMACE::coeff(int narg, char** arg) {
  stop_if_any(problem_of(
      [&] { settings_.parse_coeff({arg, static_cast<std::size_t>(narg)}, atom->ntypes); }));
  try {
    load_model();
  } catch (...) {
    settings_.model_path.clear();  // in an interactive session the line comes again, corrected
    throw;
  }
}

void PairMACE::load_model() {
  const int local_rank = rank_on_host();
  stop_if_any(problem_of([&] {
    mdbench::EvaluatorOptions options;
    options.path = settings_.model_path;
    options.evaluator = settings_.evaluator;
    options.device = settings_.device;
    options.precision = settings_.precision;
    options.head = settings_.head;
    options.local_rank = local_rank;
    options.threads = comm->nthreads;
    options.deterministic = settings_.is_deterministic();
    options.workspace_mb = settings_.workspace_mb();
    const auto file = mdbench::inspect_model_file(settings_.model_path);
    mdbench::check_sha256(settings_, file.sha256);
    settings_.model_sha256 = file.sha256;
    evaluator_ = mdbench::load_resident(options, file);
    map_elements();
  }));
  warm_ = false;
  rebuild_needed_ = true;
}

void PairMACE::map_elements() {
  const auto& numbers = evaluator_->info().atomic_numbers;
  species_of_type_.assign(atom->ntypes + 1, -1);
  for (int type = 1; type <= atom->ntypes; ++type) {
    const std::string& name = settings_.elements[type - 1];
    if (name == "NULL") continue;
    const auto found = std::ranges::find(numbers, mdbench::atomic_number(name));
    if (found == numbers.end()) {
      std::string known;
      for (const int z : numbers) known += " " + std::string(mdbench::element(z).symbol);
      throw mdbench::Error("model file '" + settings_.model_path + "' does not know element " +
                           name + " of atom type " + std::to_string(type) + ": it knows" + known);
    }
    species_of_type_[type] = static_cast<int>(found - numbers.begin());
  }
  set_flags([&](int type) { return species_of_type_[type] >= 0; });
}

/// Ranks of the whole universe are counted, so that replicas spread over the GPUs of a host. Where
/// the launcher does not tell, that is collective over all partitions, which may hang where these
/// run different scripts; on the CPU, where nothing depends on it, it is left out.
int PairMACE::rank_on_host() const {
  int rank = 0;
#ifndef MPI_STUBS  // a serial LAMMPS
  if (settings_.device == "cpu" || universe->nprocs == 1) return 0;
  for (const char* name : {"MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK"})
    if (const char* told = std::getenv(name)) return std::atoi(told);
  MPI_Comm host;
  MPI_Comm_split_type(universe->uworld, MPI_COMM_TYPE_SHARED, universe->me, MPI_INFO_NULL, &host);
  MPI_Comm_rank(host, &rank);
  MPI_Comm_free(&host);
#endif
  return rank;
}

void PairMACE::init_style() {
  if (!evaluator_) load_model();  // the settings came from a restart file
  check_system(settings_.elements);
  check_environment();
  energy_unit_ = energy_unit();
  if (comm->nprocs > 1) comm->cutghostuser = std::max(comm->cutghostuser, reach());
  comm_forward = comm_reverse = comm->nprocs > 1 ? evaluator_->halo_width() : 0;
  // Hybrid styles ask for the widths before they are known, and LAMMPS sizes its buffers by theirs.
  force->pair->comm_forward = std::max(force->pair->comm_forward, comm_forward);
  force->pair->comm_reverse = std::max(force->pair->comm_reverse, comm_reverse);
  rebuild_needed_ = true;
  make_dispersion();
  timings_.reset();
  if (warm_) return;
  print_summary();
  stop_if_any(problem_of([&] {
    std::vector<std::int32_t> species;
    for (const int s : species_of_type_)
      if (s >= 0) species.push_back(s);
    evaluator_->prepare(species);
  }));
  warm_ = true;
}

/// Distance from a local atom up to which it needs ghosts, Angstrom.
double PairMACE::reach() const {
  return std::max(1, evaluator_->halo_layers()) * (evaluator_->info().cutoff + neighbor->skin);
}

void PairMACE::check_environment() const {
  if (atom->map_style == Atom::MAP_NONE)
    error->all(FLERR,
               "pair_style mace needs an atom map: add 'atom_modify map yes' before read_data");
  if (!force->newton_pair)
    error->all(FLERR, "pair_style mace needs 'newton on': remove 'newton off' from the input");
  if (comm->nprocs > 1 && comm->mode != Comm::SINGLE)
    error->all(FLERR, "pair_style mace on several ranks needs 'comm_modify mode single'");
  require_all_groups();
}

void PairMACE::make_dispersion() {
  if (!settings_.d3) return;
  stop_if_any(problem_of([&] {
    auto numbers = mdbench::d3_numbers("pair_style mace d3", settings_.elements);
    dispersion_ = std::make_unique<Dispersion>(
        lmp, *settings_.d3, std::make_unique<GatheredAtoms>(lmp, std::move(numbers)), energy_unit_);
  }));
}

/// The model may well be used on purpose: a warning, where `mdbench check` has an error.
void PairMACE::warn_of_counting_twice() const {
  const std::string& labels = evaluator_->info().labels_include_dispersion;
  const bool beside = force->pair_match("dftd3", 0) || force->pair_match("dispersion/d3", 0);
  if (comm->me == 0 && (settings_.d3 || beside) && (labels == "d3" || labels == "functional"))
    error->warning(FLERR, std::string(beside ? "pair_style mace beside D3" : "pair_style mace d3") +
                              ": the model's labels hold dispersion already (" + labels +
                              "): it is counted twice");
}

void PairMACE::print_summary() const {
  if (comm->me != 0) return;
  const auto& info = evaluator_->info();
  std::string text = "MACE model " + settings_.model_path + "\n  SHA-256 " +
                     settings_.model_sha256 + "\n  " + info.kernel + ", " + info.precision +
                     " precision, device " + info.device + ", " + std::to_string(info.threads) +
                     " thread(s) a rank (set by OMP_NUM_THREADS), head " + info.head + "\n  " +
                     std::to_string(info.num_layers) + " layers, cutoff " +
                     std::to_string(info.cutoff) + " Angstrom, ";
  if (comm->nprocs == 1)
    text += "no halo on one rank\n";
  else
    text += "halo " + std::to_string(reach()) + " Angstrom\n";
  if (info.precision == "double" && info.stored_precision == "single")
    text += "  note: the file's weights are in single precision; double runs the same weights\n";
  const std::string note = mdbench::device_note(settings_.device, info);
  if (!note.empty()) text += "  note: " + note + "\n";
  text += "  type element   mass\n";
  for (int type = 1; type <= atom->ntypes; ++type) {
    char line[64];
    const double mass = atom->mass ? atom->mass[type] : 0.0;
    std::snprintf(line, sizeof line, "  %4d %-7s %8.4f\n", type,
                  settings_.elements[type - 1].c_str(), mass);
    text += line;
  }
  if (settings_.d3) text += "  D3 dispersion " + mdbench::d3_text(*settings_.d3) + "\n";
  utils::logmesg(lmp, text);
  warn_of_counting_twice();
}

void PairMACE::write_restart(FILE* fp) { write_text(fp, settings_.to_text(true)); }
void PairMACE::write_restart_settings(FILE* fp) { write_text(fp, settings_.to_text(false)); }
void PairMACE::read_restart_settings(FILE* fp) { read_restart(fp); }

/// The model itself is opened by init_style, so that a new pair_coeff can replace it.
void PairMACE::read_restart(FILE* fp) {
  const std::string text = read_text(fp);
  stop_if_any(problem_of([&] { settings_ = mdbench::MaceSettings::from_text(text); }));
  check_decomposition();
  set_flags([&](int) { return !settings_.model_path.empty(); });
}
