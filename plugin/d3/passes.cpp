// SPDX-License-Identifier: MIT
// The passes over pairs. In each, one image meets the W atoms of a cluster at a time.
#include <algorithm>

#include "damping.hpp"
#include "dispersion.hpp"
#include "triples.hpp"

namespace mdbench::d3 {
namespace {

/// Steepness of the counting function (k1 of D3).
constexpr double kSteepness = 16.0;

struct Neighbour {
  Lanes x, y, z, r2;  ///< from the atoms to the image
};

/// Atoms of a cluster.
struct Centres {
  Lanes x, y, z;
  Neighbour towards(const Image& image) const {
    const Lanes dx = image.x - x, dy = image.y - y, dz = image.z - z;
    return {dx, dy, dz, dx * dx + dy * dy + dz * dz};
  }
};

/// Within a cutoff, and not the atom itself.
Lanes::mask_type counts(const Neighbour& n, double cutoff2) {
  return n.r2 < cutoff2 && n.r2 > 0.0;
}

/// Forces and virials of central forces; half of a pair's virial is each atom's.
struct Sums {
  Lanes x = 0.0, y = 0.0, z = 0.0, xx = 0.0, yy = 0.0, zz = 0.0, xy = 0.0, xz = 0.0, yz = 0.0;

  /// @param pull the force towards the neighbour, over the distance
  void add(const Neighbour& n, const Lanes& pull) {
    const Lanes fx = pull * n.x, fy = pull * n.y, fz = pull * n.z;
    x += fx, y += fy, z += fz;
    xx += fx * n.x, yy += fy * n.y, zz += fz * n.z;
    xy += fx * n.y, xz += fx * n.z, yz += fy * n.z;
  }
  void add_to(double* force, double* virial) const {
    const Lanes* f[] = {&x, &y, &z};
    const Lanes* v[] = {&xx, &yy, &zz, &xy, &xz, &yz};
    for (int d = 0; d < 3; ++d) store(force + d * W, load(force + d * W) + *f[d]);
    for (int d = 0; d < 6; ++d) store(virial + d * W, load(virial + d * W) - 0.5 * *v[d]);
  }
};

/// 1 / (1 + exp(-k1 (R/r - 1))), faded out, and its derivative by r over r.
struct Count {
  Lanes value, slope;
  Count(const Lanes& r2, const Lanes& radius, const Fade& fade) {
    const Lanes r = sqrt(r2), inverse = 1.0 / r, u = kSteepness * radius * inverse;
    // exp(-700) is as good as 0 beside 1
    value = 1.0 / (1.0 + exp(stdx::max(kSteepness - u, Lanes(-700.0))));
    slope = -u * inverse * inverse * value * (1.0 - value);
    if (stdx::any_of(r2 > fade.begin2)) {
      Lanes s, ds;
      fade(r, s, ds);
      slope = slope * s + value * ds * inverse;
      value *= s;
    }
  }
};

Centres centres_of(const ImageList& list, std::size_t cluster) {
  return {load(list.coordinates(cluster, 0)), load(list.coordinates(cluster, 1)),
          load(list.coordinates(cluster, 2))};
}

void fade(DampedPair& pair, const Lanes& r2, const Fade& fade) {
  Lanes s, slope;
  const Lanes r = sqrt(r2);
  fade(r, s, slope);
  pair.force = pair.force * s - pair.f * slope / r;
  pair.f *= s;
}

}  // namespace

/// Coordination numbers: J. Chem. Phys. 132, 154104 (2010), eq. 15.
void Dispersion::count_neighbours() {
  cn_.resize(list_.num_slots());
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads_)
  for (std::size_t c = 0; c < list_.num_clusters(); ++c) {
    const Centres centres = centres_of(list_, c);
    Lanes sum = 0.0;
    for (const auto p : list_.near(c)) {
      const Image& image = list_.images()[p];
      const Neighbour n = centres.towards(image);
      const auto inside = counts(n, cn_fade_.end2);
      if (stdx::none_of(inside)) continue;
      Count count(n.r2, load(radii(c, image.kind)), cn_fade_);
      where(!inside, count.value) = 0.0;
      sum += count.value;
    }
    store(&cn_[(list_.first_cluster() + c) * W], sum);
  }
}

void Dispersion::add_pairs() {
  dcn_.resize(list_.num_slots());
  const double s6 = settings_.damping.s6;
#pragma omp parallel num_threads(threads_)
  {
    Triples triples;
#pragma omp for schedule(dynamic, 4)
    for (std::size_t c = 0; c < list_.num_clusters(); ++c) {
      mix_references(c);
      switch (settings_.damping.kind) {
        case D3Damping::Kind::bj: add_pairs(RationalDamping{s6}, c); break;
        case D3Damping::Kind::zero: add_pairs(ZeroDamping{s6}, c); break;
        case D3Damping::Kind::zerom: add_pairs(ModifiedZeroDamping{s6}, c); break;
      }
      if (settings_.atm > 0.0) add_triples(c, triples);
    }
  }
}

/// C6 of the atoms of a cluster with the atom in a slot, and its derivative by their numbers.
void Dispersion::mix(std::int32_t slot, const double* mixed, Lanes& c6, Lanes& dc6) const {
  const double* weight = &weight_[std::size_t(slot) * kMaxReferences];
  const int references = tables_.references(list_.kind()[slot]);
  c6 = dc6 = 0.0;
  for (int b = 0; b < references; ++b) {
    c6 += weight[b] * load(mixed + b * W);
    dc6 += weight[b] * load(mixed + (kMaxReferences + b) * W);
  }
}

/// Writes energies, forces, virials and dE/dCN of a cluster's atoms.
template <class Damping>
void Dispersion::add_pairs(const Damping& damping, std::size_t cluster) {
  const Centres centres = centres_of(list_, cluster);
  Sums sums;
  Lanes energy = 0.0, by_cn = 0.0, c6 = 0.0, dc6 = 0.0;
  for (const auto& part : {list_.near(cluster), list_.far(cluster)}) {
    std::int32_t slot = -1;
    for (const auto p : part) {
      const Image& image = list_.images()[p];
      const Neighbour n = centres.towards(image);
      const auto inside = counts(n, pair_fade_.end2);
      if (stdx::none_of(inside)) continue;
      if (image.slot != slot) {
        slot = image.slot;
        mix(slot, mixed(cluster, image.kind), c6, dc6);
      }
      DampedPair pair = damping(n.r2, constants(cluster, image.kind));
      if (stdx::any_of(n.r2 > pair_fade_.begin2)) fade(pair, n.r2, pair_fade_);
      where(!inside, pair.f) = 0.0;
      where(!inside, pair.force) = 0.0;
      energy -= c6 * pair.f;
      by_cn -= dc6 * pair.f;
      sums.add(n, c6 * pair.force);
    }
  }
  store(&energy_[cluster * W], 0.5 * energy);
  store(&dcn_[(list_.first_cluster() + cluster) * W], by_cn);
  std::fill_n(&force_[cluster * 3 * W], 3 * W, 0.0);
  std::fill_n(&virial_[cluster * 6 * W], 6 * W, 0.0);
  sums.add_to(&force_[cluster * 3 * W], &virial_[cluster * 6 * W]);
}

/// Forces through the coordination numbers of both atoms of a pair.
void Dispersion::add_coordination_forces(std::size_t cluster) {
  const Centres centres = centres_of(list_, cluster);
  const Lanes own = load(&dcn_[(list_.first_cluster() + cluster) * W]);
  Sums sums;
  for (const auto p : list_.near(cluster)) {
    const Image& image = list_.images()[p];
    const Neighbour n = centres.towards(image);
    const auto inside = counts(n, cn_fade_.end2);
    if (stdx::none_of(inside)) continue;
    const Count count(n.r2, load(radii(cluster, image.kind)), cn_fade_);
    Lanes pull = (own + dcn_[image.slot]) * count.slope;
    where(!inside, pull) = 0.0;
    sums.add(n, pull);
  }
  sums.add_to(&force_[cluster * 3 * W], &virial_[cluster * 6 * W]);
}

}  // namespace mdbench::d3
