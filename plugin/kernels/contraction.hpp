// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "harmonics.hpp"
#include "simd.hpp"

namespace mdbench {

/// MACE's symmetric contraction as sparse polynomials of degree <= 3 in an atom's features:
/// c_o = sum w_a A_a + sum A_a A_b (w_ab + sum w_abc A_c), a <= b <= c, for each channel.
/// Products A_a A_b are shared between the outputs; coefficients w hold the generalised
/// Clebsch-Gordan coefficients times the element's weights (MACE, arXiv:2206.07697, eq. 10).
class ContractionPlan {
 public:
  /// One term before the element's weights are known: coefficient += value * weight[order][q].
  struct Term {
    std::array<std::int16_t, 3> factors;  ///< components of A, ascending; -1: not there
    int output;
    int order;  ///< 1, 2, 3: which weights
    int weight;
    double value;
  };
  struct Out {
    int output;
    bool alone;  ///< has the term without a third factor
    int first_third, last_third;
  };
  struct Pair {
    int a, b;
    int first_out, last_out;
  };
  struct Single {
    int a, output;
  };

  ContractionPlan() = default;
  ContractionPlan(const std::vector<Term>& terms, int inputs, int outputs);

  int inputs() const { return inputs_; }
  int outputs() const { return outputs_; }
  int num_coefficients() const { return static_cast<int>(sources_.size()); }
  /// Terms that make up coefficient i.
  std::span<const Term> sources(int i) const { return sources_[i]; }
  const std::vector<Single>& singles() const { return singles_; }
  const std::vector<Pair>& pairs() const { return pairs_; }
  const std::vector<Out>& outs() const { return outs_; }
  const std::vector<std::int16_t>& thirds() const { return thirds_; }

 private:
  int inputs_ = 0, outputs_ = 0;
  std::vector<Single> singles_;
  std::vector<Pair> pairs_;
  std::vector<Out> outs_;
  std::vector<std::int16_t> thirds_;
  std::vector<std::vector<Term>> sources_;
};

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
