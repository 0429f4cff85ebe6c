// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "contraction_plan.hpp"
#include "harmonics.hpp"
#include "simd.hpp"

namespace mdbench {

/// Features of a batch of atoms of one element: [component][atom][channels].
template <class Real>
struct AtomBatch {
  int atoms, channels;
  std::ptrdiff_t at(int component, int atom) const {
    return (static_cast<std::ptrdiff_t>(component) * atoms + atom) * channels;
  }
};

namespace detail {

inline constexpr int kMaxOutputs = 9;

template <int N, class Real>
inline void contract(const ContractionPlan& plan, const Real* w, const AtomBatch<Real>& batch,
                     int atom, int channel, const Real* a_in, Real* c_out) {
  Vec<Real> a[kMaxComponents][N], c[kMaxOutputs][N];
  for (int i = 0; i < plan.inputs(); ++i)
    for (int n = 0; n < N; ++n) a[i][n] = load(a_in + batch.at(i, atom + n) + channel);
  for (int o = 0; o < plan.outputs(); ++o)
    for (int n = 0; n < N; ++n) c[o][n] = Real(0);
  const auto next = [&] {
    const Vec<Real> value = load(w);
    w += kWidth<Real>;
    return value;
  };
  for (const auto& s : plan.singles()) {
    const Vec<Real> v = next();
    for (int n = 0; n < N; ++n) c[s.output][n] += v * a[s.a][n];
  }
  for (const auto& p : plan.pairs()) {
    Vec<Real> product[N];
    for (int n = 0; n < N; ++n) product[n] = a[p.a][n] * a[p.b][n];
    for (int k = p.first_out; k < p.last_out; ++k) {
      const auto& out = plan.outs()[k];
      Vec<Real> t[N];
      const Vec<Real> alone = out.alone ? next() : Vec<Real>(Real(0));
      for (int n = 0; n < N; ++n) t[n] = alone;
      for (int j = out.first_third; j < out.last_third; ++j) {
        const Vec<Real> v = next();
        for (int n = 0; n < N; ++n) t[n] += v * a[plan.thirds()[j]][n];
      }
      for (int n = 0; n < N; ++n) c[out.output][n] += product[n] * t[n];
    }
  }
  for (int o = 0; o < plan.outputs(); ++o)
    for (int n = 0; n < N; ++n) store(c_out + batch.at(o, atom + n) + channel, c[o][n]);
}

template <int N, class Real>
inline void contract_reverse(const ContractionPlan& plan, const Real* w,
                             const AtomBatch<Real>& batch, int atom, int channel, const Real* a_in,
                             const Real* c_bar_in, Real* a_bar_out) {
  Vec<Real> a[kMaxComponents][N], a_bar[kMaxComponents][N], c_bar[kMaxOutputs][N];
  for (int i = 0; i < plan.inputs(); ++i)
    for (int n = 0; n < N; ++n) {
      a[i][n] = load(a_in + batch.at(i, atom + n) + channel);
      a_bar[i][n] = Real(0);
    }
  for (int o = 0; o < plan.outputs(); ++o)
    for (int n = 0; n < N; ++n) c_bar[o][n] = load(c_bar_in + batch.at(o, atom + n) + channel);
  const auto next = [&] {
    const Vec<Real> value = load(w);
    w += kWidth<Real>;
    return value;
  };
  for (const auto& s : plan.singles()) {
    const Vec<Real> v = next();
    for (int n = 0; n < N; ++n) a_bar[s.a][n] += v * c_bar[s.output][n];
  }
  for (const auto& p : plan.pairs()) {
    Vec<Real> product[N], product_bar[N];
    for (int n = 0; n < N; ++n) {
      product[n] = a[p.a][n] * a[p.b][n];
      product_bar[n] = Real(0);
    }
    for (int k = p.first_out; k < p.last_out; ++k) {
      const auto& out = plan.outs()[k];
      Vec<Real> t[N], third_bar[N];
      const Vec<Real> alone = out.alone ? next() : Vec<Real>(Real(0));
      for (int n = 0; n < N; ++n) {
        t[n] = alone;
        third_bar[n] = c_bar[out.output][n] * product[n];
      }
      for (int j = out.first_third; j < out.last_third; ++j) {
        const Vec<Real> v = next();
        const int third = plan.thirds()[j];
        for (int n = 0; n < N; ++n) {
          t[n] += v * a[third][n];
          a_bar[third][n] += v * third_bar[n];
        }
      }
      for (int n = 0; n < N; ++n) product_bar[n] += c_bar[out.output][n] * t[n];
    }
    for (int n = 0; n < N; ++n) {
      a_bar[p.a][n] += product_bar[n] * a[p.b][n];
      a_bar[p.b][n] += product_bar[n] * a[p.a][n];
    }
  }
  for (int i = 0; i < plan.inputs(); ++i)
    for (int n = 0; n < N; ++n) store(a_bar_out + batch.at(i, atom + n) + channel, a_bar[i][n]);
}

/// Atoms that share each load of a coefficient.
inline constexpr int kAtomsAtOnce = 8;

}  // namespace detail

/// c[output][atom] of the batch; coefficients are [block of lanes][i][lanes].
template <class Real>
void contract(const ContractionPlan& plan, const Real* coefficients, const AtomBatch<Real>& batch,
              const Real* a, Real* c) {
  for (int k = 0; k < batch.channels; k += kWidth<Real>) {
    const Real* w = coefficients + static_cast<std::size_t>(k) * plan.num_coefficients();
    int i = 0;
    for (; i + detail::kAtomsAtOnce <= batch.atoms; i += detail::kAtomsAtOnce)
      detail::contract<detail::kAtomsAtOnce>(plan, w, batch, i, k, a, c);
    for (; i < batch.atoms; ++i) detail::contract<1>(plan, w, batch, i, k, a, c);
  }
}

/// a_bar = dE/dA from c_bar = dE/dc.
template <class Real>
void contract_reverse(const ContractionPlan& plan, const Real* coefficients,
                      const AtomBatch<Real>& batch, const Real* a, const Real* c_bar, Real* a_bar) {
  for (int k = 0; k < batch.channels; k += kWidth<Real>) {
    const Real* w = coefficients + static_cast<std::size_t>(k) * plan.num_coefficients();
    int i = 0;
    for (; i + detail::kAtomsAtOnce <= batch.atoms; i += detail::kAtomsAtOnce)
      detail::contract_reverse<detail::kAtomsAtOnce>(plan, w, batch, i, k, a, c_bar, a_bar);
    for (; i < batch.atoms; ++i) detail::contract_reverse<1>(plan, w, batch, i, k, a, c_bar, a_bar);
  }
}

}  // namespace mdbench
