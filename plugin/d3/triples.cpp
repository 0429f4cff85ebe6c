// SPDX-License-Identifier: MIT
// The three-body term of Axilrod, Teller and Muto with zero damping: J. Chem. Phys. 132, 154104
// (2010), eqs. 11 to 14. A triple is met once from each of its atoms, which takes a third of its
// energy and what it feels itself.
#include "triples.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "dispersion.hpp"

namespace mdbench::d3 {
namespace {

/// (4/3)^16 times the 6 of the damping function 1 / (1 + 6 (R/R0 * 3/4)^-16).
const double kDamping = 6.0 * std::pow(4.0 / 3.0, 16);

/// The second neighbour of a triple, a vector of them; scalars of the first are broadcast.
struct Partners {
  const Triples& t;
  const Fade& atm_fade;
  double s9;

  void add(std::size_t j, std::size_t k, std::size_t end, const double* c6_of_j, int references,
           double damp_of_pair, Lanes& first_slope, TripleSums& sums) const {
    const Lanes x = load(&t.x[k]), y = load(&t.y[k]), z = load(&t.z[k]);
    const Lanes dx = x - t.x[j], dy = y - t.y[j], dz = z - t.z[j];
    const Lanes a = t.r2[j], b = load(&t.r2[k]), c = dx * dx + dy * dy + dz * dz;
    const Lanes lane([](int l) { return double(l); });
    const auto inside = c < atm_fade.end2 && c > 0.0 && lane < double(end - k);
    if (stdx::none_of(inside)) return;

    Lanes c6 = 0.0;
    for (int r = 0; r < references; ++r) c6 += c6_of_j[r] * load(&t.weight[r][k]);
    Lanes s = 1.0, unused;
    if (stdx::any_of(c > atm_fade.begin2)) atm_fade(sqrt(c), s, unused);
    Lanes c9 = s9 * sqrt(t.c6[j] * load(&t.c6[k]) * c6) * s;
    where(!inside, c9) = 0.0;
    const Lanes safe_c = stdx::max(c, Lanes(1e-12));

    const Lanes t1 = a + c - b, t2 = a + b - c, t3 = b + c - a, angles = t1 * t2 * t3;
    const Lanes cubes = t.inverse_r3[j] * load(&t.inverse_r3[k]) / (safe_c * sqrt(safe_c));
    const Lanes fifths = 0.375 * cubes / (a * b * safe_c);
    const Lanes ang = angles * fifths + cubes;
    const Lanes common = 2.5 * angles * fifths + 1.5 * cubes;
    const Lanes root = inverse_cube_root(safe_c), root2 = root * root, root4 = root2 * root2;
    const Lanes damp = damp_of_pair * t.damp[j] * load(&t.damp[k]) * root4 * root4;
    const Lanes f = 1.0 / (1.0 + damp), df = f * f * damp * (8.0 / 3);  // df/d(ln r^2)

    const Lanes s_j = t.fade[j], s_k = load(&t.fade[k]), both = s_j * s_k;
    const Lanes per_a = ((t2 * t3 + t1 * t3 - t1 * t2) * fifths - common / a) * f + ang * df / a;
    const Lanes per_b = ((t1 * t2 + t1 * t3 - t2 * t3) * fifths - common / b) * f + ang * df / b;
    const Lanes by_a = c9 * (per_a * both + ang * f * s_k * t.slope[j]);
    const Lanes by_b = c9 * (per_b * both + ang * f * s_j * load(&t.slope[k]));
    const Lanes energy = c9 * ang * f * both;

    sums.energy += energy;
    sums.by_cn += 0.5 * energy * (t.log_slope[j] + load(&t.log_slope[k]));
    first_slope += by_a;
    pull(sums, by_b, x, y, z);
  }

  /// A neighbour at (x, y, z) with dE/d(r^2).
  static void pull(TripleSums& sums, const Lanes& slope, const Lanes& x, const Lanes& y,
                   const Lanes& z) {
    const Lanes gx = slope * x, gy = slope * y, gz = slope * z;
    sums.fx += 2.0 * gx, sums.fy += 2.0 * gy, sums.fz += 2.0 * gz;
    const Lanes v[6] = {gx * x, gy * y, gz * z, gx * y, gx * z, gy * z};
    for (int d = 0; d < 6; ++d) sums.virial[d] -= v[d];
  }
};

}  // namespace

void Dispersion::add_triples(std::size_t cluster, Triples& work) {
  const std::size_t first = first_slot() + cluster * W;
  for (int l = 0; l < W; ++l) {
    if (list_.atom()[first + l] < 0) continue;
    find_partners(cluster, l, work);
    const TripleSums sums = sum_triples(work);
    energy_[cluster * W + l] += stdx::reduce(sums.energy) / 3.0;
    dcn_[first + l] += stdx::reduce(sums.by_cn);
    const Lanes* f[] = {&sums.fx, &sums.fy, &sums.fz};
    for (int d = 0; d < 3; ++d) force_[d][cluster * W + l] += stdx::reduce(*f[d]);
    for (int d = 0; d < 6; ++d) virial_[d][cluster * W + l] += stdx::reduce(sums.virial[d]);
  }
}

/// The neighbours of an atom, from the list of its cluster, sorted by kind.
void Dispersion::find_partners(std::size_t cluster, int lane, Triples& work) const {
  const std::size_t own = first_slot() + cluster * W + lane;
  const ClusterList& list = list_.around(cluster);
  work.found.assign(tables_.kinds(), {});
  std::int32_t begin = 0;
  for (const Stretch& stretch : list.stretches) {
    for (; begin < stretch.end_shift; ++begin) {
      const Vector& shift = list_.shift(list.shifts[begin]);
      Partner p{stretch.slot, {}, 0.0};
      for (int d = 0; d < 3; ++d)
        p.place[d] = list_.place(d)[stretch.slot] + shift[d] - list_.place(d)[own];
      p.r2 = dot(p.place, p.place);
      if (p.r2 < atm_fade_.end2 && p.r2 > 0.0) work.found[list_.kind()[stretch.slot]].push_back(p);
    }
  }
  work.first.assign(1, 0);
  for (const auto& of_kind : work.found) work.first.push_back(work.first.back() + of_kind.size());
  work.resize(work.first.back());
  std::size_t n = 0;
  for (std::size_t kind = 0; kind < tables_.kinds(); ++kind)
    for (const Partner& p : work.found[kind]) {
      work.put(n, p, tables_.r0(list_.kind()[own], kind), atm_fade_);
      const double* weight = &weight_[std::size_t(p.slot) * kMaxReferences];
      const double* mixed = this->mixed(cluster, kind) + lane;
      double c6 = 0.0, dc6 = 0.0;
      for (int b = 0; b < references_[kind]; ++b) {
        c6 += weight[b] * mixed[b * W];
        dc6 += weight[b] * mixed[(kMaxReferences + b) * W];
        work.weight[b][n] = weight[b];
      }
      work.c6[n] = c6, work.log_slope[n] = dc6 / c6;
      ++n;
    }
}

TripleSums Dispersion::sum_triples(const Triples& t) const {
  TripleSums sums;
  // C9 = sqrt(C6 C6 C6) holds in atomic units only
  const Partners partners{t, atm_fade_, settings_.damping.s9 / std::sqrt(kHartree)};
  for (std::size_t kj = 0; kj < tables_.kinds(); ++kj)
    for (std::size_t j = t.first[kj]; j < t.first[kj + 1]; ++j) {
      Lanes first_slope = 0.0;
      for (std::size_t k = kj; k < tables_.kinds(); ++k) {
        double c6[kMaxReferences] = {};  // of j with the references of kind k
        for (int a = 0; a < references_[kj]; ++a)
          for (int b = 0; b < kMaxReferences; ++b)
            c6[b] += t.weight[a][j] * tables_.c6(kj, k, a)[b];
        const double r0 = tables_.r0(kj, k), damp = kDamping * std::pow(r0 * r0, 8.0 / 3);
        for (std::size_t n = std::max(t.first[k], j + 1); n < t.first[k + 1]; n += W)
          partners.add(j, n, t.first[k + 1], c6, references_[k], damp, first_slope, sums);
      }
      Lanes x = 0.0, y = 0.0, z = 0.0, slope = 0.0;
      x[0] = t.x[j], y[0] = t.y[j], z[0] = t.z[j], slope[0] = stdx::reduce(first_slope);
      Partners::pull(sums, slope, x, y, z);
    }
  return sums;
}

}  // namespace mdbench::d3
