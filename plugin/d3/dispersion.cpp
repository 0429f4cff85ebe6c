// SPDX-License-Identifier: MIT
// The order of an evaluation; the passes themselves are in passes.cpp and triples.cpp.
#include "dispersion.hpp"

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
      threads_(std::max(1, threads)),
      pair_fade_(settings.cutoff, settings.switch_width),
      cn_fade_(settings.cn, settings.switch_width),
      atm_fade_(settings.atm, std::min(settings.switch_width, kTriplesFade * settings.atm)),
      skin_(settings.cutoff, settings.skin) {}

const D3Result& Dispersion::evaluate(const D3Atoms& atoms, D3Exchange& exchange,
                                     bool with_virials) {
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

  count_neighbours();
  complete(cn_, count, exchange);
  weigh_references();
  add_pairs();
  complete(dcn_, count, exchange);
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads_)
  for (std::size_t c = 0; c < list_.num_clusters(); ++c) add_coordination_forces(c);

  ++statistics_.evaluations;
  collect(count, with_virials);
  statistics_.list_seconds += list_seconds;
  statistics_.evaluation_seconds += seconds_since(start) - list_seconds;
  return result_;
}

/// `every`, `delay` and `check` as LAMMPS's neigh_modify, except that a list which could lack a
/// pair is never used.
bool Dispersion::list_is_stale(const D3Atoms& atoms, const Cell& cell) {
  if (atoms.exchanged || !std::ranges::equal(atoms.numbers, numbers_)) return true;
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
  numbers_.clear();  // whatever fails below, the next evaluation begins here again
  find_kinds(atoms);
  list_.build(atoms, kind_, settings_.cutoff + settings_.skin, settings_.cn + settings_.skin,
              threads_);
  lay_out_constants();
  numbers_.assign(atoms.numbers.begin(), atoms.numbers.end());
  statistics_.pairs = list_.num_pairs();
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
}

void Dispersion::lay_out_constants() {
  const std::size_t clusters = list_.num_clusters(), kinds = tables_.kinds();
  constants_.resize(clusters * kinds * 4 * W);
  radii_.resize(clusters * kinds * W);
  mixed_.resize(clusters * kinds * 2 * kMaxReferences * W);
  energy_.resize(clusters * W);
  force_.resize(clusters * 3 * W);
  virial_.resize(clusters * 6 * W);
  const auto kind = list_.kind().subspan(list_.first_cluster() * W);
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
  const std::size_t first = list_.first_cluster() * W, end = first + list_.num_clusters() * W;
  for (std::size_t s = first; s < end; ++s)
    if (atom[s] >= 0) of_atoms_[atom[s]] = of_slots[s];
  exchange.complete(of_atoms_);
  for (std::size_t s = 0; s < atom.size(); ++s) of_slots[s] = atom[s] < 0 ? 0.0 : of_atoms_[atom[s]];
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
  const std::size_t first = (list_.first_cluster() + cluster) * W;
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
        for (int b = 0; b < kMaxReferences; ++b) value[b] += w[a] * row[b], slope[b] += dw[a] * row[b];
      }
      for (int b = 0; b < kMaxReferences; ++b) c6[b * W + l] = value[b], dc6[b * W + l] = slope[b];
    }
  }
}

/// From slots to atoms; sums run over atoms in their order, so threads change nothing.
const D3Result& Dispersion::collect(std::size_t atoms, bool with_virials) {
  energies_.assign(atoms, 0.0);
  forces_.assign(3 * atoms, 0.0);
  virials_.assign(with_virials ? 6 * atoms : 0, 0.0);
  result_ = {};
  for (std::size_t c = 0; c < list_.num_clusters(); ++c)
    for (int l = 0; l < W; ++l) {
      const auto i = list_.atom()[(list_.first_cluster() + c) * W + l];
      if (i < 0) continue;
      result_.energy += energies_[i] = energy_[c * W + l];
      for (int d = 0; d < 3; ++d) forces_[3 * i + d] = force_[(3 * c + d) * W + l];
      for (int d = 0; d < 6; ++d) {
        const double v = virial_[(6 * c + d) * W + l];
        result_.virial[d] += v;
        if (with_virials) virials_[6 * i + d] = v;
      }
    }
  result_.energies = energies_;
  result_.forces = forces_;
  result_.virials = virials_;
  return result_;
}

double Dispersion::memory_usage() const {
  const double doubles = double(constants_.capacity() + radii_.capacity() + mixed_.capacity() +
                                weight_.capacity() + slope_.capacity() + cn_.capacity() +
                                dcn_.capacity() + energy_.capacity() + force_.capacity() +
                                virial_.capacity() + energies_.capacity() + forces_.capacity());
  return list_.memory_usage() + 8.0 * doubles;
}

}  // namespace mdbench::d3

extern "C" __attribute__((visibility("default"))) mdbench::D3* mdbench_d3_v1(
    const mdbench::D3Settings& settings, int threads) {
  return new mdbench::d3::Dispersion(settings, threads);
}
