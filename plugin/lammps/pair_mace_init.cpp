// SPDX-License-Identifier: GPL-2.0-only
// The part of `pair_style mace` that runs before and between runs: arguments, checks, restart.
#include <mpi.h>

#include <algorithm>
#include <cmath>

#include "atom.h"
#include "comm.h"
#include "elements.hpp"
#include "error.h"
#include "error.hpp"
#include "force.h"
#include "memory.h"
#include "model_file.hpp"
#include "neighbor.h"
#include "pair_mace.h"
#include "universe.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;
using mdbench::Decomposition;

namespace {

/// Standard masses agree with the usual roundings (12.0107, 12.011, 12.0) to this; u.
constexpr double kMassTolerance = 0.02;

template <class Body>
std::string problem_of(Body&& body) {
  try {
    body();
    return {};
  } catch (const mdbench::Error& problem) {
    return problem.what();
  }
}

}  // namespace

void PairMACE::stop_if_any(const std::string& problem) const {
  int ranks = comm->nprocs, first = problem.empty() ? ranks : comm->me;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == ranks) return;
  int size = static_cast<int>(problem.size());
  MPI_Bcast(&size, 1, MPI_INT, first, world);
  std::string text = problem;
  text.resize(size);
  MPI_Bcast(text.data(), size, MPI_CHAR, first, world);
  error->all(FLERR, text);
}

void PairMACE::settings(int narg, char** arg) {
  stop_if_any(problem_of([&] {
    settings_ = mdbench::MaceSettings::parse_style({arg, static_cast<std::size_t>(narg)});
  }));
  evaluator_.reset();
  builder_.reset();
  check_decomposition();
}

void PairMACE::check_decomposition() {
  if (settings_.decomposition == Decomposition::none && comm->nprocs > 1)
    error->all(FLERR,
               "pair_style mace no_domain_decomposition runs on one MPI rank and there are " +
                   std::to_string(comm->nprocs) + ": leave the keyword out");
}

void PairMACE::coeff(int narg, char** arg) {
  if (!allocated) allocate();
  stop_if_any(problem_of(
      [&] { settings_.parse_coeff({arg, static_cast<std::size_t>(narg)}, atom->ntypes); }));
  load_model();
}

void PairMACE::allocate() {
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) setflag[i][j] = 0, cutsq[i][j] = 0.0;
  allocated = 1;
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
    const auto file = mdbench::inspect_model_file(settings_.model_path);
    mdbench::check_sha256(settings_, file.sha256);
    settings_.model_sha256 = file.sha256;
    evaluator_ = mdbench::load_evaluator(options, file);
    map_elements();
  }));
  const auto& info = evaluator_->info();
  const int layers = std::max(1, evaluator_->halo_layers());
  builder_ = std::make_unique<mdbench::GraphBuilder>(info.cutoff, layers);
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
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = 1; j <= atom->ntypes; ++j)
      setflag[i][j] = species_of_type_[i] >= 0 && species_of_type_[j] >= 0;
}

/// Ranks of the whole universe are counted, so that replicas spread over the GPUs of a host. That
/// is collective over all partitions; on the CPU, where nothing depends on it, it is left out.
int PairMACE::rank_on_host() const {
  if (settings_.device == "cpu") return 0;
  MPI_Comm host;
  int rank = 0;
  MPI_Comm_split_type(universe->uworld, MPI_COMM_TYPE_SHARED, universe->me, MPI_INFO_NULL, &host);
  MPI_Comm_rank(host, &rank);
  MPI_Comm_free(&host);
  return rank;
}

void PairMACE::init_style() {
  if (!evaluator_) load_model();  // the settings came from a restart file
  check_environment();
  check_bonded_exclusions();
  check_masses();
  energy_unit_ = 1.0;
  if (std::string(update->unit_style) == "real")
    energy_unit_ = utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL);
  if (comm->nprocs > 1)
    comm->cutghostuser = std::max(comm->cutghostuser, builder_->reach(neighbor->skin));
  comm_forward = comm_reverse = comm->nprocs > 1 ? evaluator_->halo_width() : 0;
  rebuild_needed_ = true;
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

void PairMACE::check_environment() const {
  const std::string units = update->unit_style;
  if (units != "metal" && units != "real")
    error->all(FLERR, "pair_style mace works in units metal or real, not '" + units +
                          "': put 'units metal' at the top of the input");
  if (!atom->tag_enable)
    error->all(FLERR, "pair_style mace needs atom IDs: remove 'atom_modify id no'");
  if (atom->map_style == Atom::MAP_NONE)
    error->all(FLERR,
               "pair_style mace needs an atom map: add 'atom_modify map yes' before read_data");
  if (!force->newton_pair)
    error->all(FLERR, "pair_style mace needs 'newton on': remove 'newton off' from the input");
  // neighbor->exclude itself is set only after this
  if (neighbor->nex_type || neighbor->nex_group || neighbor->nex_mol)
    error->all(FLERR,
               "pair_style mace needs all neighbours: remove 'neigh_modify exclude' (freeze "
               "atoms with 'fix setforce' instead)");
  if (comm->nprocs > 1 && comm->mode != Comm::SINGLE)
    error->all(FLERR, "pair_style mace on several ranks needs 'comm_modify mode single'");
}

/// Bonded neighbours belong to the model: a factor other than 1 says that the user has a classical
/// force field in mind for these atoms.
void PairMACE::check_bonded_exclusions() const {
  const double* special = force->special_lj;
  if (special[1] == 1.0 && special[2] == 1.0 && special[3] == 1.0) return;
  int bonded = 0;
  if (atom->molecular == Atom::MOLECULAR && atom->nspecial)
    for (int i = 0; i < atom->nlocal; ++i)
      bonded |= species_of_type_[atom->type[i]] >= 0 && atom->nspecial[i][2] > 0;
  MPI_Allreduce(MPI_IN_PLACE, &bonded, 1, MPI_INT, MPI_MAX, world);
  if (bonded)
    error->all(FLERR,
               "pair_style mace needs bonded neighbours too: add 'special_bonds lj/coul 1 1 "
               "1', or remove the bonds from the data file");
}

/// Elements in the wrong order run happily and mean nothing; masses tell.
void PairMACE::check_masses() const {
  if (atom->rmass || !atom->mass) return;
  for (int type = 1; type <= atom->ntypes; ++type) {
    const int z = mdbench::atomic_number(settings_.elements[type - 1]);
    if (z == 0 || std::abs(atom->mass[type] - mdbench::element(z).mass) < 1.0) continue;
    for (const std::string& other : settings_.elements) {
      const int wrong = mdbench::atomic_number(other);
      if (wrong == 0 || std::abs(atom->mass[type] - mdbench::element(wrong).mass) > kMassTolerance)
        continue;
      error->all(FLERR, "pair_coeff for pair_style mace maps atom type " + std::to_string(type) +
                            " to " + settings_.elements[type - 1] + " but its mass is that of " +
                            other + ": list the elements in the order of the types");
    }
  }
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
    text += "halo " + std::to_string(builder_->reach(neighbor->skin)) + " Angstrom\n";
  if (info.precision == "double" && info.stored_precision == "single")
    text += "  note: the file's weights are in single precision; double runs the same weights\n";
  text += "  type element   mass\n";
  for (int type = 1; type <= atom->ntypes; ++type) {
    char line[64];
    const double mass = atom->mass ? atom->mass[type] : 0.0;
    std::snprintf(line, sizeof line, "  %4d %-7s %8.4f\n", type,
                  settings_.elements[type - 1].c_str(), mass);
    text += line;
  }
  utils::logmesg(lmp, text);
}

double PairMACE::init_one(int i, int j) {
  if (!setflag[i][j]) error->all(FLERR, "pair_style mace: not all pair_coeff are set");
  return evaluator_->info().cutoff;
}

void PairMACE::write_text(FILE* fp, const std::string& text) const {
  const int size = static_cast<int>(text.size());
  fwrite(&size, sizeof size, 1, fp);
  fwrite(text.data(), 1, text.size(), fp);
}

std::string PairMACE::read_text(FILE* fp) const {
  int size = 0;
  std::string text;
  if (comm->me == 0) {
    utils::sfread(FLERR, &size, sizeof size, 1, fp, nullptr, error);
    if (size < 0 || size > 1 << 20) error->one(FLERR, "pair_style mace: damaged restart file");
    text.resize(size);
    utils::sfread(FLERR, text.data(), 1, size, fp, nullptr, error);
  }
  MPI_Bcast(&size, 1, MPI_INT, 0, world);
  text.resize(size);
  MPI_Bcast(text.data(), size, MPI_CHAR, 0, world);
  return text;
}

void PairMACE::write_restart(FILE* fp) { write_text(fp, settings_.to_text(true)); }
void PairMACE::write_restart_settings(FILE* fp) { write_text(fp, settings_.to_text(false)); }
void PairMACE::read_restart_settings(FILE* fp) { read_restart(fp); }

/// The model itself is opened by init_style, so that a new pair_coeff can replace it.
void PairMACE::read_restart(FILE* fp) {
  if (!allocated) allocate();
  const std::string text = read_text(fp);
  stop_if_any(problem_of([&] { settings_ = mdbench::MaceSettings::from_text(text); }));
  check_decomposition();
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = 1; j <= atom->ntypes; ++j) setflag[i][j] = !settings_.model_path.empty();
}
