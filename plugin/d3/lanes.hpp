// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

#include "simd.hpp"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

/// What the passes over pairs do on the lanes of a vector.
namespace mdbench::d3 {

using Lanes = Vec<double>;
inline constexpr int W = kWidth<double>;
typedef double RawLanes __attribute__((vector_size(sizeof(Lanes))));
typedef std::int64_t RawInts __attribute__((vector_size(sizeof(Lanes))));

inline Lanes sqrt(const Lanes& x) { return stdx::sqrt(x); }

#ifdef __AVX512F__
/// 1/sqrt(x): the processor's guess of 14 bits, and Newton's method twice; dividing takes longer.
inline Lanes inverse_sqrt(const Lanes& x) {
  const Lanes half = 0.5 * x;
  Lanes y(std::bit_cast<RawLanes>(_mm512_rsqrt14_pd(std::bit_cast<__m512d>(x))));
  y = y * (1.5 - half * y * y);
  return y * (1.5 - half * y * y);
}
inline Lanes inverse(const Lanes& x) {
  Lanes y(std::bit_cast<RawLanes>(_mm512_rcp14_pd(std::bit_cast<__m512d>(x))));
  y = y * (2.0 - x * y);
  return y * (2.0 - x * y);
}
#else
inline Lanes inverse_sqrt(const Lanes& x) { return 1.0 / stdx::sqrt(x); }
inline Lanes inverse(const Lanes& x) { return 1.0 / x; }
#endif

/// exp(x) to 2e-16 for -700 < x < 700: 2^n times a polynomial on |r| < ln(2)/2.
inline Lanes exp(const Lanes& x) {
  constexpr double per_ln2 = 1.4426950408889634, ln2_high = 0.693147180369123816490,
                   ln2_low = 1.90821492927058770002e-10, shifter = 0x1.8p52;
  const Lanes shifted = x * per_ln2 + shifter, n = shifted - shifter;
  const Lanes r = (x - n * ln2_high) - n * ln2_low, r2 = r * r, r4 = r2 * r2;
  // Taylor's coefficients, in Estrin's order
  const Lanes low = (1.0 + r) + r2 * (0.5 + r * (1.0 / 6));
  const Lanes mid = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
  const Lanes high =
      (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800));
  const Lanes polynomial = low + r4 * (mid + r4 * (high + r4 * (1.0 / 479001600)));
  const RawInts exponent = std::bit_cast<RawInts>(shifted) << 52;
  return std::bit_cast<Lanes>(std::bit_cast<RawInts>(polynomial) + exponent);
}

/// x^(-1/3) for positive x: a guess from the exponent's bits, then Newton's method.
inline Lanes inverse_cube_root(const Lanes& x) {
  constexpr std::int64_t magic = 0x553ef0ff289dd796;
  const RawInts bits = std::bit_cast<RawInts>(x);
  RawInts guess;
  for (int l = 0; l < W; ++l) guess[l] = magic - bits[l] / 3;
  Lanes y = std::bit_cast<Lanes>(guess);
  for (int i = 0; i < 5; ++i) y = y * (4.0 - x * y * y * y) * (1.0 / 3);
  return y;
}

/// The factor that fades an interaction out, and its derivative.
struct Fade {
  double begin2 = 0.0, end2 = 0.0;  ///< squares of where it begins and ends
  double begin = 0.0, per_width = 0.0;

  Fade() = default;
  Fade(double end, double width)
      : begin2((end - width) * (end - width)),
        end2(end * end),
        begin(end - width),
        per_width(width > 0.0 ? 1.0 / width : 0.0) {}

  /// S = 1 - t^3 (10 - 15 t + 6 t^2), t from 0 to 1; `slope` = dS/dr.
  void operator()(const Lanes& r, Lanes& s, Lanes& slope) const {
    const Lanes t = stdx::clamp((r - begin) * per_width, Lanes(0.0), Lanes(1.0)), t2 = t * t;
    s = 1.0 - t2 * t * (10.0 + t * (6.0 * t - 15.0));
    slope = -30.0 * per_width * t2 * (1.0 - t) * (1.0 - t);
  }
};

}  // namespace mdbench::d3
