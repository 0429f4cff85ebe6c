// SPDX-License-Identifier: MIT
// The passes over pairs. In each, an image of an atom meets the W atoms of a cluster at a time.
// What depends on the pair of atoms alone is applied to the sum over the atom's images.
#include <omp.h>

#include "damping.hpp"
#include "dispersion.hpp"
#include "triples.hpp"

namespace mdbench::d3 {
namespace {

/// What an atom gets from the list of a cluster that it is in: energy, dE/dCN, force, virial; and
/// in the last pass force and virial.
constexpr std::size_t kReactions = 11, kForceReactions = 9;
/// Steepness of the counting function (k1 of D3).
constexpr double kSteepness = 16.0;

struct Separation {
  Lanes x, y, z;
};

/// Forces along separations and their virials, over the distance: sums of k d and k d (x) d.
template <bool Virial>
struct Pulls {
  Lanes x = 0.0, y = 0.0, z = 0.0, xx = 0.0, yy = 0.0, zz = 0.0, xy = 0.0, xz = 0.0, yz = 0.0;

  [[gnu::always_inline]] void add(const Separation& d, const Lanes& k) {
    const Lanes fx = k * d.x, fy = k * d.y, fz = k * d.z;
    x += fx, y += fy, z += fz;
    if constexpr (Virial) {
      xx += fx * d.x, yy += fy * d.y, zz += fz * d.z;
      xy += fx * d.y, xz += fx * d.z, yz += fy * d.z;
    }
  }
};

}  // namespace

/// What the atoms of a cluster get from an atom's images.
struct Dispersion::Share {
  Lanes energy = 0.0, by_cn = 0.0, force[3] = {0.0, 0.0, 0.0};
  Lanes virial[6] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

  /// @param k times the sums; @param part of the virial that is not the other atom's
  template <bool Virial>
  [[gnu::always_inline]] void pull(const Lanes& k, const Pulls<Virial>& p, double part) {
    force[0] += k * p.x, force[1] += k * p.y, force[2] += k * p.z;
    if constexpr (Virial) {
      const Lanes v = -part * k;
      virial[0] += v * p.xx, virial[1] += v * p.yy, virial[2] += v * p.zz;
      virial[3] += v * p.xy, virial[4] += v * p.xz, virial[5] += v * p.yz;
    }
  }
};

namespace {

/// 1 / (1 + exp(-k1 (R/r - 1))), faded out, and its derivative by r over r.
struct Count {
  Lanes value, slope;
  [[gnu::always_inline]] Count(const Lanes& r2, const Lanes& radius, const Fade& fade) {
    const Lanes per_r = inverse_sqrt(r2), u = kSteepness * radius * per_r;
    // exp(-700) is as good as 0 beside 1
    value = inverse(1.0 + exp(stdx::max(kSteepness - u, Lanes(-700.0))));
    slope = -u * per_r * per_r * value * (1.0 - value);
    if (stdx::any_of(r2 > fade.begin2)) {
      Lanes s, ds;
      fade(r2 * per_r, s, ds);
      slope = slope * s + value * ds * per_r;
      value *= s;
    }
  }
};

[[gnu::always_inline]] inline void fade(DampedPair& pair, const Lanes& r2, const Fade& fade) {
  Lanes s, slope;
  const Lanes per_r = inverse_sqrt(r2);
  fade(r2 * per_r, s, slope);
  pair.force = pair.force * s - pair.f * slope * per_r;
  pair.f *= s;
}

/// Calls visit(separation, r^2, mask) for the images of an atom within a cutoff of a cluster's
/// atoms, themselves left out.
template <class Visit>
[[gnu::always_inline]] inline void for_images(const ImageList& list, std::size_t cluster,
                                              std::int32_t slot,
                                              std::span<const std::int32_t> shifts, double cutoff2,
                                              Visit&& visit) {
  const std::size_t own = (list.first_cluster() + cluster) * W;
  const Lanes x = list.place(0)[slot] - load(list.place(0) + own),
              y = list.place(1)[slot] - load(list.place(1) + own),
              z = list.place(2)[slot] - load(list.place(2) + own);
  for (const auto n : shifts) {
    const Vector& s = list.shift(n);
    const Separation d{x + s[0], y + s[1], z + s[2]};
    const Lanes r2 = d.x * d.x + d.y * d.y + d.z * d.z;
    const auto inside = r2 < cutoff2 && r2 > 0.0;
    if (stdx::any_of(inside)) visit(d, r2, inside);
  }
}

/// The other atom's half of the virial.
inline void react_virial(const Lanes& k, const Pulls<true>& p, double* to) {
  const Lanes v = -0.5 * k;
  const Lanes sums[] = {v * p.xx, v * p.yy, v * p.zz, v * p.xy, v * p.xz, v * p.yz};
  add_lane_sums(sums, to);
}

template <class Visit>
[[gnu::always_inline]] inline void for_stretches(const ClusterList& list, Visit&& visit) {
  std::int32_t begin = 0;
  for (const Stretch& s : list.stretches) {
    visit(s.slot, std::span(list.shifts).subspan(begin, s.end_shift - begin));
    begin = s.end_shift;
  }
}

}  // namespace

/// Hands them over, thread by thread: sums have the same order in every run.
template <class Add>
void Dispersion::add_reactions(std::size_t width, Add&& add) {
  for (const auto& of_thread : reactions_)
    for (std::size_t s = 0; s < list_.num_clusters() * W; ++s) add(s, &of_thread[s * width]);
}

/// Coordination numbers: J. Chem. Phys. 132, 154104 (2010), eq. 15.
void Dispersion::count_neighbours() {
  cn_.resize(list_.num_slots());
  start_reactions(1);
#pragma omp parallel for schedule(static, 4) num_threads(threads_)
  for (std::size_t c = 0; c < list_.num_clusters(); ++c) {
    double* reactions = this->reactions();
    Lanes sum = 0.0;
    if (keep_slopes_) count_slopes_[c].resize(list_.near(c).shifts.size() * W);
    double* slope = count_slopes_[c].data();
    for_stretches(list_.near(c), [&](std::int32_t slot, auto shifts) {
      const Lanes radius = load(radii(c, list_.kind()[slot]));
      Lanes here = 0.0;
      for_images(list_, c, slot, shifts, cn_fade_.end2, [&](auto&, auto& r2, auto& inside) {
        Count count(r2, radius, cn_fade_);
        where(!inside, count.value) = 0.0;
        where(!inside, count.slope) = 0.0;
        here += count.value;
        if (keep_slopes_) store(slope, count.slope), slope += W;
      });
      sum += here;
      if (list_.both_sides(c, slot)) reactions[slot - first_slot()] += stdx::reduce(here);
    });
    store(&cn_[first_slot() + c * W], sum);
  }
  add_reactions(1, [&](std::size_t s, const double* from) { cn_[first_slot() + s] += from[0]; });
}

void Dispersion::add_pairs(D3Virials virials) {
  dcn_.resize(list_.num_slots());
  start_reactions(kReactions);
  const bool virial = virials != D3Virials::none;
#pragma omp parallel num_threads(threads_)
  {
    Triples triples;
#pragma omp for schedule(static, 4)
    for (std::size_t c = 0; c < list_.num_clusters(); ++c) {
      mix_references(c);
      Share share;
      if (virial)
        add_pairs<true>(c, virials == D3Virials::per_atom, share);
      else
        add_pairs<false>(c, false, share);
      add(c, share);
      if (settings_.atm > 0.0) add_triples(c, triples);
    }
  }
  add_reactions(kReactions, [&](std::size_t s, const double* from) {
    energy_[s] += from[0];
    dcn_[first_slot() + s] += from[1];
    add_force(s, from + 2);
  });
}

template <bool Virial>
void Dispersion::add_pairs(std::size_t cluster, bool per_atom, Share& share) {
  const double s6 = settings_.damping.s6;
  for (const auto* list : {&list_.near(cluster), &list_.far(cluster)})
    switch (settings_.damping.kind) {
      case D3Damping::Kind::bj:
        add_pairs<Virial>(RationalDamping{s6}, *list, cluster, per_atom, share);
        break;
      case D3Damping::Kind::zero:
        add_pairs<Virial>(ZeroDamping{s6}, *list, cluster, per_atom, share);
        break;
      case D3Damping::Kind::zerom:
        add_pairs<Virial>(ModifiedZeroDamping{s6}, *list, cluster, per_atom, share);
        break;
    }
}

template <bool Virial, class Damping>
void Dispersion::add_pairs(const Damping& damping, const ClusterList& list, std::size_t cluster,
                           bool per_atom, Share& share) {
  double* reactions = this->reactions();
  for_stretches(list, [&](std::int32_t slot, auto shifts) {
    const double* constants = this->constants(cluster, list_.kind()[slot]);
    Pulls<Virial> pulls;
    Lanes f = 0.0;
    for_images(list_, cluster, slot, shifts, pair_fade_.end2,
               [&](const Separation& d, const Lanes& r2, const auto& inside) {
                 DampedPair pair = damping(r2, constants);
                 if (stdx::any_of(r2 > pair_fade_.begin2)) fade(pair, r2, pair_fade_);
                 where(!inside, pair.f) = 0.0;
                 where(!inside, pair.force) = 0.0;
                 f += pair.f;
                 pulls.add(d, pair.force);
               });
    const MixedC6 c6 = mix(cluster, slot);
    const bool both = list_.both_sides(cluster, slot);
    share.energy -= 0.5 * c6.value * f;
    share.by_cn -= c6.by_own * f;
    share.pull(c6.value, pulls, both && !per_atom ? 1.0 : 0.5);
    if (!both) return;
    double* to = &reactions[(slot - first_slot()) * kReactions];
    const Lanes k = -c6.value;
    const Lanes sums[] = {0.5 * k * f, -c6.by_other * f, k * pulls.x, k * pulls.y, k * pulls.z};
    add_lane_sums(sums, to);
    if constexpr (Virial)
      if (per_atom) react_virial(c6.value, pulls, to + 5);
  });
}

void Dispersion::add_coordination_forces(D3Virials virials) {
  start_reactions(kForceReactions);
  const bool per_atom = virials == D3Virials::per_atom;
#pragma omp parallel for schedule(static, 4) num_threads(threads_)
  for (std::size_t c = 0; c < list_.num_clusters(); ++c) {
    if (virials == D3Virials::none)
      add_coordination_forces<false>(c, false);
    else
      add_coordination_forces<true>(c, per_atom);
  }
  add_reactions(kForceReactions, [&](std::size_t s, const double* from) { add_force(s, from); });
}

/// Forces through the coordination numbers of both atoms of a pair.
template <bool Virial>
void Dispersion::add_coordination_forces(std::size_t cluster, bool per_atom) {
  const Lanes own = load(&dcn_[first_slot() + cluster * W]);
  double* reactions = this->reactions();
  const double* slope = count_slopes_[cluster].data();
  Share share;
  for_stretches(list_.near(cluster), [&](std::int32_t slot, auto shifts) {
    const Lanes radius = load(radii(cluster, list_.kind()[slot]));
    Pulls<Virial> pulls;
    for_images(list_, cluster, slot, shifts, cn_fade_.end2,
               [&](const Separation& d, const Lanes& r2, const auto& inside) {
                 if (keep_slopes_) {
                   pulls.add(d, load(slope));
                   slope += W;
                   return;
                 }
                 Count count(r2, radius, cn_fade_);
                 where(!inside, count.slope) = 0.0;
                 pulls.add(d, count.slope);
               });
    const bool both = list_.both_sides(cluster, slot);
    const Lanes k = own + dcn_[slot];
    share.pull(k, pulls, both && !per_atom ? 1.0 : 0.5);
    if (!both) return;
    double* to = &reactions[(slot - first_slot()) * kForceReactions];
    const Lanes sums[] = {-k * pulls.x, -k * pulls.y, -k * pulls.z};
    add_lane_sums(sums, to);
    if constexpr (Virial)
      if (per_atom) react_virial(k, pulls, to + 3);
  });
  add(cluster, share);
}

/// Adds what a cluster's atoms got from a pass.
void Dispersion::add(std::size_t cluster, const Share& share) {
  const auto add_to = [&](Buffer<double>& sums, const Lanes& x) {
    store(&sums[cluster * W], load(&sums[cluster * W]) + x);
  };
  add_to(energy_, share.energy);
  for (int d = 0; d < 3; ++d) add_to(force_[d], share.force[d]);
  for (int d = 0; d < 6; ++d) add_to(virial_[d], share.virial[d]);
  double* by_cn = &dcn_[first_slot() + cluster * W];
  store(by_cn, load(by_cn) + share.by_cn);
}

/// @param from force and virial
void Dispersion::add_force(std::size_t slot, const double* from) {
  for (int d = 0; d < 3; ++d) force_[d][slot] += from[d];
  for (int d = 0; d < 6; ++d) virial_[d][slot] += from[3 + d];
}

/// Room for what each thread's clusters give to atoms of others.
void Dispersion::start_reactions(std::size_t width) {
  reactions_.resize(threads_);
  for (auto& of_thread : reactions_) of_thread.assign(list_.num_clusters() * W * width, 0.0);
}

double* Dispersion::reactions() { return reactions_[omp_get_thread_num()].data(); }

}  // namespace mdbench::d3
