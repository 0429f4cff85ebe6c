// SPDX-License-Identifier: GPL-2.0-only
#include "pair_elements.h"

#include <mpi.h>

#include <cmath>

#include "atom.h"
#include "comm.h"
#include "elements.hpp"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

using namespace LAMMPS_NS;

namespace {

/// Standard masses agree with the usual roundings (12.0107, 12.011, 12.0) to this; u.
constexpr double kMassTolerance = 0.02;

}  // namespace

PairElements::PairElements(LAMMPS* lmp, std::string style, int extra)
    : Pair(lmp), style_(std::move(style)) {
  single_enable = 0;
  restartinfo = 1;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_AVAIL;
  nextra = extra;
  pvector = new double[nextra]();
}

PairElements::~PairElements() {
  delete[] pvector;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairElements::allocate() {
  if (allocated) return;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) setflag[i][j] = 0, cutsq[i][j] = 0.0;
  allocated = 1;
}

void PairElements::set_flags(const std::function<bool(int)>& ours) {
  allocate();
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = 1; j <= atom->ntypes; ++j) setflag[i][j] = ours(i) && ours(j);
}

void PairElements::stop_if_any(const std::string& problem) const {
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

double PairElements::energy_unit() const {
  if (std::string(update->unit_style) != "real") return 1.0;
  return utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL);
}

void PairElements::check_system(const std::vector<std::string>& names) {
  const std::string units = update->unit_style;
  if (units != "metal" && units != "real")
    error->all(FLERR, style_ + " works in units metal or real, not '" + units +
                          "': put 'units metal' at the top of the input");
  if (!atom->tag_enable) error->all(FLERR, style_ + " needs atom IDs: remove 'atom_modify id no'");
  check_exclusions();
  check_bonded_exclusions(names);
  check_masses(names);
  const std::size_t types = atom->ntypes + 1;
  asked_.assign(types * types, false);
}

/// neighbor->exclude itself is set only after init_style.
void PairElements::check_exclusions() const {
  if (neighbor->nex_type || neighbor->nex_group || neighbor->nex_mol)
    error->all(FLERR, style_ +
                          " needs all neighbours: remove 'neigh_modify exclude', and fixes that "
                          "use it, such as gcmc (freeze atoms with 'fix setforce' instead)");
}

double PairElements::init_one(int i, int j) {
  if (!setflag[i][j]) error->all(FLERR, style_ + ": not all pair_coeff are set");
  asked_[i * (atom->ntypes + 1) + j] = true;
  return cutoff_of_types();
}

/// After all fixes and styles are initialised, some of which exclude neighbours or, as hybrid does,
/// give pairs of types to others: this style takes all pairs of its types whatever they say.
void PairElements::setup() {
  check_exclusions();
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = i; j <= atom->ntypes; ++j)
      if (setflag[i][j] && !asked_[i * (atom->ntypes + 1) + j])
        error->all(FLERR, style_ + " has atom types " + std::to_string(i) + " and " +
                              std::to_string(j) +
                              ", and a later pair_coeff gives their pairs to another style: say "
                              "NULL for types that are not its own, or use hybrid/overlay");
}

void PairElements::require_all_groups() const {
  if (neighbor->includegroup)  // comm_modify group goes with it, and cannot be seen from here
    error->all(FLERR, style_ +
                          " needs the neighbours of all groups: remove 'neigh_modify include' "
                          "and 'comm_modify group'");
}

/// Bonded neighbours count as all others: a factor other than 1 says that the user has a classical
/// force field in mind for these atoms.
void PairElements::check_bonded_exclusions(const std::vector<std::string>& names) const {
  const double* special = force->special_lj;
  if (special[1] == 1.0 && special[2] == 1.0 && special[3] == 1.0) return;
  int bonded = 0;
  if (atom->molecular == Atom::MOLECULAR && atom->nspecial)
    for (int i = 0; i < atom->nlocal; ++i)
      bonded |= names[atom->type[i] - 1] != "NULL" && atom->nspecial[i][2] > 0;
  MPI_Allreduce(MPI_IN_PLACE, &bonded, 1, MPI_INT, MPI_MAX, world);
  if (bonded)
    error->all(FLERR, style_ +
                          " needs bonded neighbours too: add 'special_bonds lj/coul 1 1 "
                          "1', or remove the bonds from the data file");
}

/// Elements in the wrong order run happily and mean nothing; masses tell.
void PairElements::check_masses(const std::vector<std::string>& names) const {
  if (atom->rmass || !atom->mass) return;
  for (int type = 1; type <= atom->ntypes; ++type) {
    const std::string& name = names[type - 1];
    const int z = mdbench::atomic_number(name);
    if (z == 0 || std::abs(atom->mass[type] - mdbench::element(z).mass) <= kMassTolerance) continue;
    for (const std::string& other : names) {
      const int wrong = mdbench::atomic_number(other);
      if (wrong == 0 || std::abs(atom->mass[type] - mdbench::element(wrong).mass) > kMassTolerance)
        continue;
      error->all(FLERR, "pair_coeff for " + style_ + " maps atom type " + std::to_string(type) +
                            " to " + name + " but its mass is that of " + other +
                            ": list the elements in the order of the types");
    }
  }
}

void PairElements::write_text(FILE* fp, const std::string& text) const {
  const int size = static_cast<int>(text.size());
  fwrite(&size, sizeof size, 1, fp);
  fwrite(text.data(), 1, text.size(), fp);
}

std::string PairElements::read_text(FILE* fp) const {
  int size = 0;
  std::string text;
  if (comm->me == 0) {
    utils::sfread(FLERR, &size, sizeof size, 1, fp, nullptr, error);
    if (size < 0 || size > 1 << 20) error->one(FLERR, style_ + ": damaged restart file");
    text.resize(size);
    utils::sfread(FLERR, text.data(), 1, size, fp, nullptr, error);
  }
  MPI_Bcast(&size, 1, MPI_INT, 0, world);
  text.resize(size);
  MPI_Bcast(text.data(), size, MPI_CHAR, 0, world);
  return text;
}
