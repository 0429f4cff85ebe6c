// SPDX-License-Identifier: MIT
#pragma once

#include "lanes.hpp"

/// Damping functions: the energy of a pair is -C6 f(r). Each is given the constants that Tables
/// makes of a pair of elements, and returns f and -f'(r)/r.
namespace mdbench::d3 {

struct DampedPair {
  Lanes f, force;
};

inline Lanes power7(const Lanes& x) {
  const Lanes x2 = x * x;
  return x2 * x2 * x2 * x;
}
inline Lanes power8(const Lanes& x) {
  const Lanes x2 = x * x, x4 = x2 * x2;
  return x4 * x4;
}

/// s6 / (r^6 + R^6) + s8 (C8/C6) / (r^8 + R^8); Grimme, Ehrlich, Goerigk, J. Comput. Chem. 32,
/// 1456 (2011), eq. 5.
struct RationalDamping {
  double s6;
  DampedPair operator()(const Lanes& r2, const double* constants) const {
    const Lanes q8 = load(constants + 3 * W);
    const Lanes r4 = r2 * r2, r6 = r4 * r2;
    const Lanes d6 = r6 + load(constants), d8 = r4 * r4 + load(constants + W);
    const Lanes inverse = 1.0 / (d6 * d8), e6 = inverse * d8, e8 = inverse * d6;
    const Lanes f6 = s6 * e6, f8 = q8 * e8;
    return {f6 + f8, r4 * (6.0 * f6 * e6 + 8.0 * r2 * f8 * e8)};
  }
};

/// s6 f6 / r^6 + s8 (C8/C6) f8 / r^8, fn = 1 / (1 + 6 (r / (rsn R0))^-alpha), alpha = 14 and 16;
/// Grimme, Antony, Ehrlich, Krieg, J. Chem. Phys. 132, 154104 (2010), eqs. 3 and 4.
struct ZeroDamping {
  double s6;
  DampedPair operator()(const Lanes& r2, const double* constants) const {
    const Lanes q8 = load(constants + 3 * W);
    const Lanes inverse2 = 1.0 / r2, inverse6 = inverse2 * inverse2 * inverse2;
    const Lanes x6 = 6.0 * power7(load(constants) * inverse2);
    const Lanes x8 = 6.0 * power8(load(constants + W) * inverse2);
    const Lanes f6 = 1.0 / (1.0 + x6), f8 = 1.0 / (1.0 + x8);
    const Lanes e6 = s6 * inverse6 * f6, e8 = q8 * inverse6 * inverse2 * f8;
    return {e6 + e8, inverse2 * (e6 * (6.0 - 14.0 * x6 * f6) + e8 * (8.0 - 16.0 * x8 * f8))};
  }
};

/// As zero damping, with (r / (rsn R0) + beta R0)^-alpha; Smith, Burns, Patkowski, Sherrill,
/// J. Phys. Chem. Lett. 7, 2197 (2016), eq. 3.
struct ModifiedZeroDamping {
  double s6;
  DampedPair operator()(const Lanes& r2, const double* constants) const {
    const Lanes c6 = load(constants), c8 = load(constants + W), shift = load(constants + 2 * W);
    const Lanes q8 = load(constants + 3 * W);
    const Lanes inverse2 = 1.0 / r2, inverse6 = inverse2 * inverse2 * inverse2, r = sqrt(r2);
    const Lanes u6 = 1.0 / (r * c6 + shift), u8 = 1.0 / (r * c8 + shift);
    const Lanes x6 = 6.0 * power7(u6 * u6), x8 = 6.0 * power8(u8 * u8);
    const Lanes f6 = 1.0 / (1.0 + x6), f8 = 1.0 / (1.0 + x8);
    const Lanes e6 = s6 * inverse6 * f6, e8 = q8 * inverse6 * inverse2 * f8;
    const Lanes slope6 = 14.0 * x6 * f6 * u6 * c6 * r, slope8 = 16.0 * x8 * f8 * u8 * c8 * r;
    return {e6 + e8, inverse2 * (e6 * (6.0 - slope6) + e8 * (8.0 - slope8))};
  }
};

}  // namespace mdbench::d3
