// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <vector>

#include "host_device.hpp"
#include "radial_formulas.hpp"

namespace mdbench {

/// Ziegler-Biersack-Littmark repulsion with a polynomial cutoff at the sum of covalent radii, as
/// mace-torch has it (half of each edge goes to its receiver).
struct ZblFormula {
  int power, terms;
  const double *c, *d;
  double exponent, prefactor;

  /// Energy (eV) of an edge between elements of atomic numbers z_a, z_b and its slope
  /// (eV/Angstrom).
  MDBENCH_HD Jet energy(double cutoff, int z_a, int z_b, double r) const {
    if (r >= cutoff) return {};
    const double a = prefactor * 0.529 /
                     (std::pow(static_cast<double>(z_a), exponent) +
                      std::pow(static_cast<double>(z_b), exponent));
    Jet phi;
    for (int k = 0; k < terms; ++k) {
      const double term = c[k] * std::exp(-d[k] * r / a);
      phi.value += term;
      phi.slope -= d[k] / a * term;
    }
    const double coulomb = 0.5 * 14.3996 * z_a * z_b / r;
    const Jet cut = polynomial_cutoff(r, cutoff, power);
    return {coulomb * phi.value * cut.value,
            coulomb * ((phi.slope - phi.value / r) * cut.value + phi.value * cut.slope)};
  }
};

struct ZblSpec {
  int power = 0;  ///< of the cutoff; 0: the model has no repulsion
  std::vector<double> c, d;
  double exponent = 0.3, prefactor = 0.4543;
  std::vector<double> radius;  ///< [elements] Angstrom

  /// Energy (eV) of the edge and its slope (eV/Angstrom).
  Jet energy(int species_a, int species_b, int z_a, int z_b, double r) const {
    const ZblFormula formula{power,    static_cast<int>(c.size()), c.data(), d.data(), exponent,
                             prefactor};
    return formula.energy(radius[species_a] + radius[species_b], z_a, z_b, r);
  }
};

}  // namespace mdbench
