// SPDX-License-Identifier: MIT
#pragma once

/// Layer 0 of Worker. The senders' features are constants of their elements, so the sums over edges
/// run over U_q Y_lm alone, a few hundred numbers an atom; the channels come in once an atom.

namespace mdbench {

/// A run of layer 0: the folded rows to multiply with, and its real and padded rank.
template <class Real, class Sum>
typename Worker<Real, Sum>::FirstRun Worker<Real, Sum>::first_run(
    const typename BatchEdges<Real>::Run& run) {
  const auto& layer = network_.layers()[0];
  const int pair = batch_.kind * network_.kinds() + run.sender_kind;
  const bool exact = run.segment < 0;
  const auto& table = layer.tables[layer.table_of_pair[pair]];
  FirstRun first{(exact ? layer.folded_exact : layer.folded)[pair],
                 exact ? table.exact->num_features() : table.rank, 0};
  first.padded_rank = first.folded.of_l[0].rows;
  const std::size_t rows = static_cast<std::size_t>(batch_.atoms) * first.padded_rank;
  reserve(moments_, rows * edges_.harmonics_stride());
  reserve(moment_rows_, rows * components(model_.max_ell));
  reserve(run_harmonics_,
          static_cast<std::size_t>(run.end - run.begin) * edges_.harmonics_stride());
  for (int row = run.begin; row < run.end && edges_.target(row) < edges_.edges(); ++row)
    std::copy_n(
        edges_.harmonics(edges_.target(row)), edges_.harmonics_stride(),
        &run_harmonics_[static_cast<std::size_t>(row - run.begin) * edges_.harmonics_stride()]);
  return first;
}

/// Calls function(atom, first row, rows) for the rows of a run that belong to each atom: they keep
/// the order of edges, so each atom's are contiguous.
template <class Real, class Sum>
template <class Function>
void Worker<Real, Sum>::for_atoms(const typename BatchEdges<Real>::Run& run, Function&& function) {
  int row = run.begin;
  for (int atom = 0; atom < batch_.atoms; ++atom) {
    const int begin = row;
    while (row < run.end && edges_.target(row) < edges_.first(atom + 1)) ++row;
    function(atom, begin, row - begin);
  }
}

/// moments[atom][q][lm] = sum over edges of U_q Y_lm, then A_lm = sum over q of moments V'.
template <class Real, class Sum>
void Worker<Real, Sum>::first_messages() {
  const int comps = components(model_.max_ell), stride = edges_.harmonics_stride();
  const int atoms = batch_.atoms;
  std::fill_n(features_.begin(), rows_size(comps), Real(0));
  for (const auto& run : edges_.runs()) {
    const FirstRun first = first_run(run);
    const int rank = first.padded_rank;
    for_atoms(run, [&](int atom, int row, int count) {
      Real* out = &moments_[static_cast<std::size_t>(atom) * rank * stride];
      std::fill_n(out + first.rank * stride, (rank - first.rank) * stride, Real(0));
      gemm<Real>(first.rank, count, stride, {edges_.column(row), 1, edges_.columns()},
                 {&run_harmonics_[static_cast<std::size_t>(row - run.begin) * stride], stride},
                 {out, stride}, false);
    });
    for (int m = 0; m < comps; ++m)
      for (int a = 0; a < atoms; ++a)
        for (int q = 0; q < rank; ++q)
          moment_rows_[(static_cast<std::size_t>(m) * atoms + a) * rank + q] =
              moments_[(static_cast<std::size_t>(a) * rank + q) * stride + m];
    lap(Stage::product);
    for (int l = 0; l <= model_.max_ell; ++l)
      multiply(first.folded.of_l[l], false, (2 * l + 1) * atoms,
               &moment_rows_[static_cast<std::size_t>(l) * l * atoms * rank],
               &features_[shape().at(l * l, 0)], true);
    lap(Stage::linear);
  }
}

template <class Real, class Sum>
void Worker<Real, Sum>::first_reverse() {
  const int comps = components(model_.max_ell), stride = edges_.harmonics_stride();
  const int atoms = batch_.atoms;
  for (const auto& run : edges_.runs()) {
    const FirstRun first = first_run(run);
    const int rank = first.padded_rank;
    for (int l = 0; l <= model_.max_ell; ++l)
      multiply(first.folded.of_l[l], true, (2 * l + 1) * atoms,
               &features_bar_[shape().at(l * l, 0)],
               &moment_rows_[static_cast<std::size_t>(l) * l * atoms * rank], false);
    lap(Stage::linear);
    std::fill_n(moments_.begin(), static_cast<std::size_t>(atoms) * rank * stride, Real(0));
    for (int m = 0; m < comps; ++m)
      for (int a = 0; a < atoms; ++a)
        for (int q = 0; q < rank; ++q)
          moments_[(static_cast<std::size_t>(a) * rank + q) * stride + m] =
              moment_rows_[(static_cast<std::size_t>(m) * atoms + a) * rank + q];
    for_atoms(run, [&](int atom, int row, int count) {
      first_edges_reverse(first, atom, row, count,
                          &run_harmonics_[static_cast<std::size_t>(row - run.begin) * stride]);
    });
    lap(Stage::reverse_product);
  }
}

/// dE/dY and dE/dr of an atom's edges in a run, from dE/d(moments).
template <class Real, class Sum>
void Worker<Real, Sum>::first_edges_reverse(const FirstRun& first, int atom, int row, int count,
                                            const Real* harmonics) {
  const int comps = components(model_.max_ell), stride = edges_.harmonics_stride();
  const std::size_t size = static_cast<std::size_t>(count) * stride;
  reserve(edge_bar_, 2 * size);
  const Matrix<const Real> bar{
      &moments_[static_cast<std::size_t>(atom) * first.padded_rank * stride], stride};
  gemm<Real>(count, first.rank, stride, {edges_.column(row), edges_.columns()}, bar,
             {edge_bar_.data(), stride}, false);
  gemm<Real>(count, first.rank, stride, {edges_.slope(row), edges_.columns()}, bar,
             {edge_bar_.data() + size, stride}, false);
  for (int i = 0; i < count; ++i) {
    const int e = edges_.target(row + i);
    Vec<Real> r_bar(Real(0));
    for (int v = 0; v < stride; v += W)
      r_bar += load(&edge_bar_[size + i * stride + v]) * load(harmonics + i * stride + v);
    // Y_00 is a constant: its place holds dE/dr
    double* out = edges_.gradients(e);
    out[0] += stdx::reduce(r_bar);
    for (int m = 1; m < comps; ++m) out[m] += edge_bar_[i * stride + m];
  }
}

}  // namespace mdbench
