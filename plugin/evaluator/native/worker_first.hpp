// SPDX-License-Identifier: MIT
#pragma once

/// Layer 0 of Worker. The senders' features are constants of their elements, so the sums over edges
/// run over U_q Y_lm alone, a few hundred numbers an atom; the channels come in once an atom.

namespace mdbench {

/// moments[sender kind][lm][atom][q] = sum over edges of U_q Y_lm, then A_lm = sum moments V'.
template <class Real, class Sum>
void Worker<Real, Sum>::first_messages() {
  const auto& layer = network_.layers()[0];
  const int comps = components(model_.max_ell), stride = edges_.harmonics_stride();
  std::fill_n(features_.begin(), rows_size(comps), Real(0));
  for (const auto& run : edges_.runs()) {
    const int pair = batch_.kind * network_.kinds() + run.sender_kind;
    const auto& folded = (run.segment < 0 ? layer.folded_exact : layer.folded)[pair];
    const int rank = folded.of_l[0].rows, atoms = batch_.atoms;
    // rows of a run keep the order of edges, so each atom's are contiguous
    reserve(moments_, static_cast<std::size_t>(atoms) * rank * stride);
    reserve(moment_rows_, static_cast<std::size_t>(comps) * atoms * rank);
    std::fill_n(moments_.begin(), static_cast<std::size_t>(atoms) * rank * stride, Real(0));
    int atom = 0;
    for (int row = run.begin; row < run.end; ++row) {
      const int e = edges_.target(row);
      if (e == edges_.edges()) break;
      while (e >= edges_.first(atom + 1)) ++atom;
      const Real* u = edges_.column(row);
      const Real* y = edges_.harmonics(e);
      Real* out = &moments_[static_cast<std::size_t>(atom) * rank * stride];
      for (int v = 0; v < stride; v += W) {
        const Vec<Real> ym = load(y + v);
        for (int q = 0; q < rank; ++q)
          store(out + q * stride + v, load(out + q * stride + v) + ym * u[q]);
      }
    }
    for (int m = 0; m < comps; ++m)
      for (int a = 0; a < atoms; ++a)
        for (int q = 0; q < rank; ++q)
          moment_rows_[(static_cast<std::size_t>(m) * atoms + a) * rank + q] =
              moments_[(static_cast<std::size_t>(a) * rank + q) * stride + m];
    lap(Stage::product);
    for (int l = 0; l <= model_.max_ell; ++l)
      multiply(folded.of_l[l], false, (2 * l + 1) * atoms,
               &moment_rows_[static_cast<std::size_t>(l) * l * atoms * rank],
               &features_[shape().at(l * l, 0)], true);
    lap(Stage::linear);
  }
}

template <class Real, class Sum>
void Worker<Real, Sum>::first_reverse() {
  const auto& layer = network_.layers()[0];
  const int comps = components(model_.max_ell), stride = edges_.harmonics_stride();
  for (const auto& run : edges_.runs()) {
    const int pair = batch_.kind * network_.kinds() + run.sender_kind;
    const auto& folded = (run.segment < 0 ? layer.folded_exact : layer.folded)[pair];
    const int rank = folded.of_l[0].rows, atoms = batch_.atoms;
    reserve(moments_, static_cast<std::size_t>(atoms) * rank * stride);
    reserve(moment_rows_, static_cast<std::size_t>(comps) * atoms * rank);
    for (int l = 0; l <= model_.max_ell; ++l)
      multiply(folded.of_l[l], true, (2 * l + 1) * atoms, &features_bar_[shape().at(l * l, 0)],
               &moment_rows_[static_cast<std::size_t>(l) * l * atoms * rank], false);
    lap(Stage::linear);
    std::fill_n(moments_.begin(), static_cast<std::size_t>(atoms) * rank * stride, Real(0));
    for (int m = 0; m < comps; ++m)
      for (int a = 0; a < atoms; ++a)
        for (int q = 0; q < rank; ++q)
          moments_[(static_cast<std::size_t>(a) * rank + q) * stride + m] =
              moment_rows_[(static_cast<std::size_t>(m) * atoms + a) * rank + q];
    int atom = 0;
    for (int row = run.begin; row < run.end; ++row) {
      const int e = edges_.target(row);
      if (e == edges_.edges()) break;
      while (e >= edges_.first(atom + 1)) ++atom;
      const Real* u = edges_.column(row);
      const Real* du = edges_.slope(row);
      const Real* y = edges_.harmonics(e);
      const Real* bar = &moments_[static_cast<std::size_t>(atom) * rank * stride];
      Vec<Real> r_bar(Real(0));
      for (int v = 0; v < stride; v += W) {
        Vec<Real> y_bar(Real(0)), by_slope(Real(0));
        for (int q = 0; q < rank; ++q) {
          const Vec<Real> b = load(bar + q * stride + v);
          y_bar += b * u[q];
          by_slope += b * du[q];
        }
        r_bar += by_slope * load(y + v);
        for (int i = v == 0; i < W && v + i < comps; ++i) edges_.gradients(e)[v + i] += y_bar[i];
      }
      edges_.gradients(e)[0] += stdx::reduce(r_bar);
    }
    lap(Stage::reverse_product);
  }
}

}  // namespace mdbench
