// SPDX-License-Identifier: GPL-2.0-only
#include "d3_atoms.h"

#include <mpi.h>

#include <algorithm>
#include <numeric>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "modify.h"
#include "neighbor.h"

using namespace LAMMPS_NS;

namespace {

template <class T>
double bytes(const std::vector<T>& values) {
  return static_cast<double>(values.capacity()) * sizeof(T);
}

}  // namespace

int D3Source::number(int atom_index) const { return numbers_[atom->type[atom_index]]; }

GatheredAtoms::GatheredAtoms(LAMMPS* lmp, std::vector<int> numbers)
    : D3Source(lmp, std::move(numbers)) {
  const bool strains = !modify->get_fix_by_style("^numdiff/virial").empty();
  if (strains || !modify->get_compute_by_style("^born/matrix").empty())
    error->all(FLERR, std::string("D3 dispersion beside '") +
                          (strains ? "fix numdiff/virial" : "compute born/matrix") +
                          "', which strains atoms but not the box, takes 'pair_style dftd3' with "
                          "'parallel ghost'");
}

const mdbench::D3Atoms& GatheredAtoms::collect() {
  int changed = find_own() || count_.empty();
  // One rank may have changed its atoms and another not, and an evaluation may come long after the
  // exchange (r-RESPA): neighbor->ago does not tell.
  MPI_Allreduce(MPI_IN_PLACE, &changed, 1, MPI_INT, MPI_MAX, world);
  atoms_.exchanged = false;
  if (changed) gather_order();
  gather_positions();
  copy_cell();
  atoms_.positions = positions_;
  atoms_.numbers = of_element_;
  atoms_.num_central = of_element_.size();
  atoms_.id = [this](std::size_t row) { return static_cast<std::int64_t>(all_tag_[row]); };
  atoms_.rank = comm->me;
  atoms_.ranks = comm->nprocs;
  return atoms_;
}

/// Finds the rank's own atoms that D3 sees. @return whether they are others than before
bool GatheredAtoms::find_own() {
  own_.clear();
  for (int i = 0; i < atom->nlocal; ++i)
    if (number(i) > 0) own_.push_back(i);
  bool changed = own_tag_.size() != own_.size();
  own_tag_.resize(own_.size());
  for (std::size_t k = 0; k < own_.size(); ++k) {
    const tagint tag = atom->tag[own_[k]];
    changed = changed || own_tag_[k] != tag;
    own_tag_[k] = tag;
  }
  return changed;
}

/// Who has which atoms, and their rows in the order of IDs. An atom that only changed its rank
/// keeps its row, and D3 its list.
void GatheredAtoms::gather_order() {
  int own = static_cast<int>(own_.size());  // not const: a serial LAMMPS's mpi.h is written so
  count_.resize(comm->nprocs);
  first_.resize(comm->nprocs);
  MPI_Allgather(&own, 1, MPI_INT, count_.data(), 1, MPI_INT, world);
  std::exclusive_scan(count_.begin(), count_.end(), first_.begin(), 0);
  const int all = first_.back() + count_.back();
  std::vector<tagint> tags(all);
  MPI_Allgatherv(own_tag_.data(), own, MPI_LMP_TAGINT, tags.data(), count_.data(), first_.data(),
                 MPI_LMP_TAGINT, world);
  std::vector<int> order(all);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](int k) { return tags[k]; });
  row_.resize(all);
  for (int row = 0; row < all; ++row) row_[order[row]] = row;
  std::ranges::sort(tags);
  atoms_.exchanged = tags != all_tag_;
  all_tag_ = std::move(tags);
  own_row_.assign(row_.begin() + first_[comm->me], row_.begin() + first_[comm->me] + own);
}

/// Types travel too: fixes and commands may change them at any step.
void GatheredAtoms::gather_positions() {
  constexpr int kWidth = 4;
  sent_.resize(kWidth * own_.size());
  for (std::size_t k = 0; k < own_.size(); ++k) {
    const int i = own_[k];
    domain->unmap(atom->x[i], atom->image[i], &sent_[kWidth * k]);
    sent_[kWidth * k + 3] = number(i);
  }
  received_.resize(kWidth * row_.size());
  std::vector<int> counts(count_), starts(first_);
  for (int& n : counts) n *= kWidth;
  for (int& n : starts) n *= kWidth;
  MPI_Allgatherv(sent_.data(), static_cast<int>(sent_.size()), MPI_DOUBLE, received_.data(),
                 counts.data(), starts.data(), MPI_DOUBLE, world);
  positions_.resize(3 * row_.size());
  of_element_.resize(row_.size());
  for (std::size_t k = 0; k < row_.size(); ++k) {
    const double* from = &received_[kWidth * k];
    std::copy_n(from, 3, &positions_[3 * static_cast<std::size_t>(row_[k])]);
    of_element_[row_[k]] = static_cast<std::int32_t>(from[3]);
  }
}

void GatheredAtoms::copy_cell() {
  atoms_.cell = {domain->xprd, 0,          0,           domain->xy, domain->yprd, 0,
                 domain->xz,   domain->yz, domain->zprd};
  // In two dimensions LAMMPS calls z periodic and has no images along it.
  for (int k = 0; k < 3; ++k)
    atoms_.periodic[k] = domain->periodicity[k] != 0 && k < domain->dimension;
}

std::span<const double> GatheredAtoms::complete(std::span<const double> values, int width) {
  if (comm->nprocs == 1) return values;
  reduced_.resize(width * row_.size());
  MPI_Allreduce(const_cast<double*>(values.data()), reduced_.data(),
                static_cast<int>(reduced_.size()), MPI_DOUBLE, MPI_SUM, world);
  return reduced_;
}

void GatheredAtoms::complete(std::span<double> values) {
  if (comm->nprocs > 1)
    MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                  world);
}

double GatheredAtoms::memory_usage() const {
  return bytes(own_) + bytes(own_row_) + bytes(positions_) + bytes(of_element_) + bytes(own_tag_) +
         bytes(all_tag_) + bytes(row_) + bytes(sent_) + bytes(received_) + bytes(reduced_);
}

const mdbench::D3Atoms& GhostAtoms::collect() {
  atoms_.exchanged = changed();
  if (atoms_.exchanged) renew();
  positions_.resize(3 * index_.size());
  for (std::size_t k = 0; k < index_.size(); ++k)
    std::copy_n(atom->x[index_[k]], 3, &positions_[3 * k]);
  atoms_.positions = positions_;
  atoms_.numbers = of_element_;
  atoms_.num_central = own_.size();
  atoms_.id = [this](std::size_t k) { return static_cast<std::int64_t>(atom->tag[index_[k]]); };
  atoms_.own_check = false;
  halo_.set_nodes(index_, own_.size(), of_atom_.size());
  return atoms_;
}

/// After LAMMPS has made its ghosts anew, also when no evaluation fell on that step, and when a fix
/// has changed types in between.
bool GhostAtoms::changed() {
  const std::size_t all = atom->nlocal + atom->nghost;
  bool changed = neighbor->ago == 0 || neighbor->ncalls != builds_ || of_atom_.size() != all;
  builds_ = neighbor->ncalls;
  of_atom_.resize(all);
  for (std::size_t i = 0; i < all; ++i) {
    const int z = number(static_cast<int>(i));
    changed = changed || of_atom_[i] != z;
    of_atom_[i] = z;
  }
  return changed;
}

void GhostAtoms::renew() {
  own_.clear();
  own_row_.clear();
  index_.clear();
  of_element_.clear();
  for (std::size_t i = 0; i < of_atom_.size(); ++i) {
    if (of_atom_[i] == 0) continue;
    if (static_cast<int>(i) < atom->nlocal) {
      own_.push_back(static_cast<int>(i));
      own_row_.push_back(static_cast<int>(index_.size()));
    }
    index_.push_back(static_cast<std::int32_t>(i));
    of_element_.push_back(of_atom_[i]);
  }
}

double GhostAtoms::memory_usage() const {
  return bytes(own_) + bytes(own_row_) + bytes(positions_) + bytes(of_element_) + bytes(of_atom_) +
         bytes(index_);
}
