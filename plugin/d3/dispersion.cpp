// SPDX-License-Identifier: MIT
// The order of an evaluation; the passes themselves are in passes.cpp and triples.cpp.
#include "dispersion.hpp"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "error.hpp"

namespace mdbench::d3 {
namespace {

/// Exponent of the Gaussian weights of the reference systems (k3 of D3).
constexpr double kGaussian = 4.0;
/// Of the triples' cutoff, over which they fade out at most.
constexpr double kTriplesFade = 0.25;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Dispersion::Dispersion(const D3Settings& settings, int threads)
    : settings_(settings),
      threads_(threads > 0 ? threads : omp_get_max_threads()),
      pair_fade_(settings.cutoff, settings.switch_width),
      cn_fade_(settings.cn, settings.switch_width),
      atm_fade_(settings.atm, std::min(settings.switch_width, kTriplesFade * settings.atm)),
      skin_(settings.cutoff, settings.skin) {}

const D3Result& Dispersion::evaluate(const D3Atoms& atoms, D3Exchange& exchange,
                                     D3Virials virials) {
  const auto start = std::chrono::steady_clock::now();
  const std::size_t count = atoms.numbers.size();
  const Cell cell(atoms.cell, atoms.periodic);
  if (list_is_stale(atoms, cell)) {
    build_list(atoms);
    skin_.remember(atoms.positions, cell);
    ++statistics_.builds;
  } else {
    list_.move(atoms, cell);
  }
  const double list_seconds = seconds_since(start);

  clear_sums();
  count_neighbours();
  complete(cn_, count, exchange);
  weigh_references();
  add_pairs(virials);
  complete(dcn_, count, exchange);
  add_coordination_forces(virials);

  ++statistics_.evaluations;
  collect(count, virials);
  statistics_.list_seconds += list_seconds;
  statistics_.evaluation_seconds += seconds_since(start) - list_seconds;
  return result_;
}

/// `every`, `delay` and `check` as LAMMPS's neigh_modify, except that a list which could lack a
/// pair is never used.
bool Dispersion::list_is_stale(const D3Atoms& atoms, const Cell& cell) {
  if (!is_built_ || atoms.exchanged || !std::ranges::equal(atoms.numbers, numbers_)) return true;
  if (!atoms.own_check) return false;
  skin_.grow_older();
  const std::int64_t age = skin_.age();
  const bool allowed = age >= settings_.delay && age % settings_.every == 0;
  if (allowed && !settings_.check) return true;
  if (!skin_.exceeded(atoms.positions, cell)) return false;
  if (!allowed) ++statistics_.dangerous_builds;
  return true;
}

void Dispersion::build_list(const D3Atoms& atoms) {
  is_built_ = false;  // whatever fails below, the next evaluation begins here again
  find_kinds(atoms);
  const double skin = settings_.skin;
  list_.build(atoms, kind_,
              {settings_.cutoff + skin, settings_.cn + skin,
               settings_.atm > 0.0 ? settings_.atm + skin : 0.0},
              threads_);
  lay_out_constants();
  numbers_.assign(atoms.numbers.begin(), atoms.numbers.end());
  statistics_.pairs = list_.num_pairs();
  is_built_ = true;
}

void Dispersion::find_kinds(const D3Atoms& atoms) {
  std::array<std::int32_t, kD3Elements + 1> kind_of;
  kind_of.fill(-1);
  std::vector<int> present;
  kind_.resize(atoms.numbers.size());
  for (const auto z : atoms.numbers) {
    if (z < 1 || z > kD3Elements)
      throw Error("d3: there are no reference data for atomic number " + std::to_string(z) +
                  ": D3 knows hydrogen to plutonium");
    kind_of[z] = 0;
  }
  for (int z = 1; z <= kD3Elements; ++z)
    if (kind_of[z] == 0) {
      kind_of[z] = static_cast<std::int32_t>(present.size());
      present.push_back(z);
    }
  for (std::size_t i = 0; i < kind_.size(); ++i) kind_[i] = kind_of[atoms.numbers[i]];
  tables_ = Tables(present, settings_.damping);
  references_.clear();
  for (const int z : present) references_.push_back(num_references(z));
}

void Dispersion::lay_out_constants() {
  const std::size_t clusters = list_.num_clusters(), kinds = tables_.kinds();
  count_slopes_.resize(clusters);
  keep_slopes_ = list_.num_near_images() * W * sizeof(double) < settings_.kept_bytes;
  constants_.resize(clusters * kinds * 4 * W);
  radii_.resize(clusters * kinds * W);
  mixed_.resize(clusters * kinds * 2 * kMaxReferences * W);
  const auto kind = list_.kind().subspan(first_slot());
  for (std::size_t c = 0; c < clusters; ++c)
    for (std::size_t k = 0; k < kinds; ++k)
      for (int l = 0; l < W; ++l) {
        const std::size_t own = kind[c * W + l];
        for (int p = 0; p < 4; ++p)
          constants_[((c * kinds + k) * 4 + p) * W + l] = tables_.constants(own, k)[p];
        radii_[(c * kinds + k) * W + l] = tables_.radius(own, k);
      }
}

/// Values of slots through the exchange, which knows them by atoms.
void Dispersion::complete(Buffer<double>& of_slots, std::size_t atoms, D3Exchange& exchange) {
  of_atoms_.assign(atoms, 0.0);
  const auto atom = list_.atom();
  const std::size_t end = first_slot() + list_.num_clusters() * W;
  for (std::size_t s = first_slot(); s < end; ++s)
    if (atom[s] >= 0) of_atoms_[atom[s]] = of_slots[s];
  exchange.complete(of_atoms_);
  for (std::size_t s = 0; s < atom.size(); ++s)
    of_slots[s] = atom[s] < 0 ? 0.0 : of_atoms_[atom[s]];
}

/// Weights of an atom's reference systems by its coordination number: Gaussians, normalised. C6
/// of a pair is their sum over both atoms' systems, since a Gaussian of both numbers is a product.
void Dispersion::weigh_references() {
  const std::size_t slots = list_.num_slots();
  weight_.resize(slots * kMaxReferences);
  slope_.resize(slots * kMaxReferences);
  for (std::size_t s = 0; s < slots; ++s) {
    const auto kind = static_cast<std::size_t>(list_.kind()[s]);
    const int references = tables_.references(kind);
    double exponent[kMaxReferences], away[kMaxReferences], most = -INFINITY;
    for (int a = 0; a < references; ++a) {
      away[a] = cn_[s] - tables_.cn(kind, a);
      exponent[a] = -kGaussian * away[a] * away[a];
      most = std::max(most, exponent[a]);
    }
    double* w = &weight_[s * kMaxReferences];
    double sum = 0.0, mean = 0.0;
    for (int a = 0; a < references; ++a) sum += w[a] = std::exp(exponent[a] - most);
    for (int a = 0; a < references; ++a) mean += (w[a] /= sum) * away[a];
    for (int a = 0; a < references; ++a)
      slope_[s * kMaxReferences + a] = -2.0 * kGaussian * w[a] * (away[a] - mean);
  }
}

/// C6 of each atom of a cluster with every reference system of every element, and its derivative.
void Dispersion::mix_references(std::size_t cluster) {
  const std::size_t first = first_slot() + cluster * W;
  for (std::size_t k = 0; k < tables_.kinds(); ++k) {
    double* c6 = &mixed_[(cluster * tables_.kinds() + k) * 2 * kMaxReferences * W];
    double* dc6 = c6 + kMaxReferences * W;
    for (int l = 0; l < W; ++l) {
      const std::size_t own = list_.kind()[first + l];
      const double *w = &weight_[(first + l) * kMaxReferences],
                   *dw = &slope_[(first + l) * kMaxReferences];
      double value[kMaxReferences] = {}, slope[kMaxReferences] = {};
      for (int a = 0; a < tables_.references(own); ++a) {
        const double* row = tables_.c6(own, k, a);
        for (int b = 0; b < kMaxReferences; ++b)
          value[b] += w[a] * row[b], slope[b] += dw[a] * row[b];
      }
      for (int b = 0; b < kMaxReferences; ++b) c6[b * W + l] = value[b], dc6[b * W + l] = slope[b];
    }
  }
}

void Dispersion::clear_sums() {
  const std::size_t slots = list_.num_clusters() * W;
  cn_.assign(list_.num_slots(), 0.0);
  dcn_.assign(list_.num_slots(), 0.0);
  energy_.assign(slots, 0.0);
  for (auto& f : force_) f.assign(slots, 0.0);
  for (auto& v : virial_) v.assign(slots, 0.0);
}

/// C6 of the atoms of a cluster with the atom in a slot.
MixedC6 Dispersion::mix(std::size_t cluster, std::int32_t slot) const {
  const std::size_t kind = list_.kind()[slot];
  const double* mixed = this->mixed(cluster, kind);
  const double *weight = &weight_[std::size_t(slot) * kMaxReferences],
               *slope = &slope_[std::size_t(slot) * kMaxReferences];
  MixedC6 c6;
  for (int b = 0; b < references_[kind]; ++b) {
    const Lanes value = load(mixed + b * W);
    c6.value += weight[b] * value;
    c6.by_own += weight[b] * load(mixed + (kMaxReferences + b) * W);
    c6.by_other += slope[b] * value;
  }
  return c6;
}

/// From slots to atoms.
const D3Result& Dispersion::collect(std::size_t atoms, D3Virials virials) {
  const bool per_atom = virials == D3Virials::per_atom;
  energies_.assign(atoms, 0.0);
  forces_.assign(3 * atoms, 0.0);
  virials_.assign(per_atom ? 6 * atoms : 0, 0.0);
  result_ = {};
  for (std::size_t s = 0; s < energy_.size(); ++s) {
    const auto i = list_.atom()[first_slot() + s];
    if (i < 0) continue;
    result_.energy += energies_[i] = energy_[s];
    for (int d = 0; d < 3; ++d) forces_[3 * i + d] = force_[d][s];
    for (int d = 0; d < 6; ++d) result_.virial[d] += virial_[d][s];
    if (per_atom)
      for (int d = 0; d < 6; ++d) virials_[6 * i + d] = virial_[d][s];
  }
  result_.energies = energies_;
  result_.forces = forces_;
  result_.virials = virials_;
  return result_;
}

double Dispersion::memory_usage() const {
  std::size_t doubles = constants_.capacity() + radii_.capacity() + mixed_.capacity() +
                        weight_.capacity() + slope_.capacity() + 10 * energy_.capacity() +
                        10 * energies_.capacity();
  for (const auto& of_thread : reactions_) doubles += of_thread.capacity();
  for (const auto& slopes : count_slopes_) doubles += slopes.capacity();
  return list_.memory_usage() + 8.0 * static_cast<double>(doubles);
}

}  // namespace mdbench::d3

extern "C" __attribute__((visibility("default"))) mdbench::D3* mdbench_d3_v1(
    const mdbench::D3Settings& settings, int threads) {
  return new mdbench::d3::Dispersion(settings, threads);
}
