// SPDX-License-Identifier: MIT
#pragma once

#include "host_device.hpp"

namespace mdbench {

inline constexpr int kMaxEll = 3;
inline constexpr int kMaxComponents = (kMaxEll + 1) * (kMaxEll + 1);

MDBENCH_HD constexpr int components(int max_ell) { return (max_ell + 1) * (max_ell + 1); }

/// Real spherical harmonics of unit vectors, "component" normalisation (the squares of one l add up
/// to 2l+1), e3nn's axis order (y is the polar axis), l <= 3; `y` has room for all 16.
template <class V>
MDBENCH_HD inline void spherical_harmonics(int max_ell, V x, V y_axis, V z, V* y) {
  const V x2 = x * x, y2 = y_axis * y_axis, z2 = z * z, rho2 = x2 + z2;
  y[0] = V(1.0);
  if (max_ell < 1) return;
  const V s3(1.7320508075688772);
  y[1] = s3 * x;
  y[2] = s3 * y_axis;
  y[3] = s3 * z;
  if (max_ell < 2) return;
  const V s15(3.872983346207417), s5(2.23606797749979), half(0.5);
  const V xz = x * z, dzx = half * (z2 - x2);
  y[4] = s15 * xz;
  y[5] = s15 * (x * y_axis);
  y[6] = s5 * (y2 - half * rho2);
  y[7] = s15 * (y_axis * z);
  y[8] = s15 * dzx;
  if (max_ell < 3) return;
  // sqrt(7) times sqrt(5/2), sqrt(15), sqrt(3/8), 1/2
  const V c3(4.183300132670378), c2(10.246950765959598), c1(1.620185174601965),
      c0(1.3228756555322954);
  const V four(4.0), two(2.0), three(3.0);
  y[9] = c3 * x * (V(1.5) * z2 - half * x2);
  y[10] = c2 * (xz * y_axis);
  y[11] = c1 * x * (four * y2 - rho2);
  y[12] = c0 * y_axis * (two * y2 - three * rho2);
  y[13] = c1 * z * (four * y2 - rho2);
  y[14] = c2 * (dzx * y_axis);
  y[15] = c3 * z * (half * z2 - V(1.5) * x2);
}

/// Gradient with respect to the unit vector of sum_m w[m] Y[m] as homogeneous polynomials;
/// `radial` gets sum_m l w[m] Y[m], which Euler's theorem takes off along the vector.
template <class V>
MDBENCH_HD inline void harmonics_gradient(int max_ell, V x, V y_axis, V z, const V* w, V* g,
                                          V* radial) {
  const V s3(1.7320508075688772);
  g[0] = g[1] = g[2] = *radial = V(0.0);
  if (max_ell < 1) return;
  g[0] = s3 * w[1];
  g[1] = s3 * w[2];
  g[2] = s3 * w[3];
  *radial = s3 * (w[1] * x + w[2] * y_axis + w[3] * z);
  if (max_ell < 2) return;
  const V s15(3.872983346207417), s5(2.23606797749979);
  const V x2 = x * x, y2 = y_axis * y_axis, z2 = z * z, rho2 = x2 + z2;
  V d[3] = {s15 * (w[4] * z + w[5] * y_axis - w[8] * x) - s5 * w[6] * x,
            s15 * (w[5] * x + w[7] * z) + V(2.0) * s5 * w[6] * y_axis,
            s15 * (w[4] * x + w[7] * y_axis + w[8] * z) - s5 * w[6] * z};
  // of a homogeneous polynomial of degree l, x . grad = l times its value
  for (int k = 0; k < 3; ++k) g[k] += d[k];
  *radial += d[0] * x + d[1] * y_axis + d[2] * z;
  if (max_ell < 3) return;
  const V c3(4.183300132670378), c2(10.246950765959598), c1(1.620185174601965),
      c0(1.3228756555322954);
  const V xz = x * z, xy = x * y_axis, yz = y_axis * z, dzx = V(0.5) * (z2 - x2);
  const V four(4.0), three(3.0), two(2.0), eight(8.0);
  d[0] = c3 * three * (w[9] * dzx - w[15] * xz) + c2 * (w[10] * yz - w[14] * xy) +
         c1 * (w[11] * (four * y2 - three * x2 - z2) - w[13] * two * xz) - c0 * V(6.0) * w[12] * xy;
  d[1] = c2 * (w[10] * xz + w[14] * dzx) + c1 * eight * (w[11] * xy + w[13] * yz) +
         c0 * w[12] * (V(6.0) * y2 - three * rho2);
  d[2] = c3 * three * (w[9] * xz + w[15] * dzx) + c2 * (w[10] * xy + w[14] * yz) +
         c1 * (w[13] * (four * y2 - x2 - three * z2) - w[11] * two * xz) - c0 * V(6.0) * w[12] * yz;
  for (int k = 0; k < 3; ++k) g[k] += d[k];
  *radial += d[0] * x + d[1] * y_axis + d[2] * z;
}

}  // namespace mdbench
