// SPDX-License-Identifier: MIT
// Atoms in a periodic box, as an engine hands them to an evaluator.
#pragma once

#include "cluster.hpp"
#include "resident.hpp"

namespace tiny {

inline constexpr double kSkin = 0.4;

/// Atoms in a periodic cube, with their images within cutoff + skin.
struct Periodic {
  std::size_t num_local;
  std::vector<double> x;
  std::vector<std::int32_t> species, owner;

  Periodic(int atoms, unsigned seed) : num_local(atoms) {
    const double side = 4.2, reach = kCutoff + kSkin;
    Random random(seed);
    std::vector<double> inside(3 * num_local);
    for (bool good = false; !good;) {
      random.fill(inside, 0.0, side);
      good = spread(inside, side);
    }
    for (int image = 0; image < 125; ++image) {
      const int shift[3] = {image / 25 - 2, image / 5 % 5 - 2, image % 5 - 2};
      if (shift[0] == 0 && shift[1] == 0 && shift[2] == 0) continue;
      add(inside, shift, side, reach);
    }
    x.insert(x.begin(), inside.begin(), inside.end());
    std::vector<std::int32_t> own, kind;
    for (int i = 0; i < atoms; ++i) own.push_back(i), kind.push_back(i % 3 == 0);
    owner.insert(owner.begin(), own.begin(), own.end());
    species.insert(species.begin(), kind.begin(), kind.end());
  }
  AtomsView view() const { return {num_local, x, species, owner}; }
  /// Moves atom 0 with its images to 0.3 Angstrom from atom 2: below the tables.
  void make_close() {
    double move[3] = {0.1, -0.2, 0.2};
    for (int k = 0; k < 3; ++k) move[k] += x[3 * 2 + k] - x[k];
    for (std::size_t i = 0; i < owner.size(); ++i)
      for (int k = 0; k < 3; ++k)
        if (owner[i] == 0) x[3 * i + k] += move[k];
  }

 private:
  static bool spread(const std::vector<double>& p, double side) {
    for (std::size_t i = 0; i < p.size(); i += 3)
      for (std::size_t j = 0; j < i; j += 3) {
        double r2 = 0.0;
        for (int k = 0; k < 3; ++k) {
          const double d = p[i + k] - p[j + k];
          r2 += std::pow(d - side * std::round(d / side), 2);
        }
        if (r2 < 0.8 * 0.8) return false;
      }
    return true;
  }
  void add(const std::vector<double>& inside, const int* shift, double side, double reach) {
    for (std::size_t i = 0; i < num_local; ++i) {
      double p[3];
      bool near = true;
      for (int k = 0; k < 3; ++k) {
        p[k] = inside[3 * i + k] + shift[k] * side;
        near = near && p[k] > -reach && p[k] < side + reach;
      }
      if (!near) continue;
      x.insert(x.end(), p, p + 3);
      owner.push_back(static_cast<std::int32_t>(i));
      species.push_back(i % 3 == 0);
    }
  }
};

struct AtomResult {
  std::vector<double> energy, force, virial, node_virial;
  std::vector<std::int32_t> neighbors;
  bool operator==(const AtomResult&) const = default;
};

inline AtomResult evaluate_at(ResidentEvaluator& evaluator, const Periodic& box) {
  NoHalo halo;
  const AtomEvaluation& out = evaluator.evaluate_at(box.x, true, halo);
  return {{out.site_energy.begin(), out.site_energy.end()},
          {out.force.begin(), out.force.end()},
          {out.virial.begin(), out.virial.end()},
          {out.node_virial.begin(), out.node_virial.end()},
          {out.neighbors.begin(), out.neighbors.end()}};
}

}  // namespace tiny
