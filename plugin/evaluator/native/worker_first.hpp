// SPDX-License-Identifier: MIT
#pragma once

/// Layer 0 of Worker. The senders' features are constants of their elements, so the sums over edges
/// run over U_q Y_lm alone, a few hundred numbers an atom; the channels come in once an atom.

namespace mdbench {

/// What the edges with a key multiply with: folded rows, and their real and padded rank.
template <class Real, class Sum>
typename Worker<Real, Sum>::FirstRows Worker<Real, Sum>::first_rows(int key) const {
  const auto& layer = network_.layers()[0];
  const int pair = batch_.kind * network_.kinds() + key / 2;
  const bool exact = key % 2 == 1;
  const auto& table = layer.tables[layer.table_of_pair[pair]];
  const auto& folded = (exact ? layer.folded_exact : layer.folded)[pair];
  return {folded, exact ? table.exact->num_features() : table.rank, folded.of_sum[0].shape.rows};
}

/// Calls function(rows, key) for the keys that edges of this batch have.
template <class Real, class Sum>
template <class Function>
void Worker<Real, Sum>::for_keys(Function&& function) {
  for (int key = 0; key < edges_.num_keys(); ++key) {
    int edges = 0;
    for (int a = 0; a < batch_.atoms; ++a)
      edges += edges_.first_of(a, key + 1) - edges_.first_of(a, key);
    if (edges == 0) continue;
    const FirstRows first = first_rows(key);
    const std::size_t rows = static_cast<std::size_t>(batch_.atoms) * first.padded_rank;
    reserve(moments_, rows * edges_.harmonics_stride());
    reserve(moment_rows_, rows * components(model_.max_ell));
    function(first, key);
  }
}

/// moments[lm][atom][q] = sum over edges of U_q Y_lm, then A_lm = sum over q of moments V'.
/// Columns past the rank meet rows V' of zeros.
template <class Real, class Sum>
void Worker<Real, Sum>::first_messages() {
  const int comps = components(model_.max_ell), stride = edges_.harmonics_stride();
  const int atoms = batch_.atoms;
  const auto& sums = network_.layers()[0].sums;
  std::fill_n(sums_->begin(), rows_size(network_.layers()[0].sum_components), Real(0));
  for_keys([&](const FirstRows& first, int key) {
    const int rank = first.padded_rank;
    for (int a = 0; a < atoms; ++a) {
      const int begin = edges_.first_of(a, key), count = edges_.first_of(a, key + 1) - begin;
      gemm<Real>(comps, count, rank, {edges_.harmonics(begin), 1, stride},
                 {edges_.column(begin), edges_.columns()},
                 {&moment_rows_[static_cast<std::size_t>(a) * rank], atoms * rank}, false);
    }
    lap(Stage::product);
    for (std::size_t s = 0; s < sums.size(); ++s)
      multiply(first.folded.of_sum[s].block(), sums[s].size() * atoms,
               &moment_rows_[static_cast<std::size_t>(sums[s].l) * sums[s].l * atoms * rank],
               &(*sums_)[shape().at(sums[s].component, 0)], true);
    lap(Stage::linear);
  });
}

template <class Real, class Sum>
void Worker<Real, Sum>::first_reverse() {
  const int comps = components(model_.max_ell), stride = edges_.harmonics_stride();
  const int atoms = batch_.atoms;
  const auto& sums = network_.layers()[0].sums;
  for_keys([&](const FirstRows& first, int key) {
    const int rank = first.padded_rank;
    for (int s = 0; s < static_cast<int>(sums.size()); ++s)
      multiply(first.folded.of_sum[s].block_reverse(), sums[s].size() * atoms,
               &(*sums_bar_)[shape().at(sums[s].component, 0)],
               &moment_rows_[static_cast<std::size_t>(sums[s].l) * sums[s].l * atoms * rank],
               s > model_.max_ell);  // gates come after, and add to the scalars
    lap(Stage::linear);
    std::fill_n(moments_.begin(), static_cast<std::size_t>(atoms) * rank * stride, Real(0));
    for (int a = 0; a < atoms; ++a) {
      Real* out = &moments_[static_cast<std::size_t>(a) * rank * stride];
      for (int m = 0; m < comps; ++m)
        for (int q = 0; q < first.rank; ++q)
          out[q * stride + m] = moment_rows_[(static_cast<std::size_t>(m) * atoms + a) * rank + q];
      first_edges_reverse(first, out, edges_.first_of(a, key), edges_.first_of(a, key + 1));
    }
    lap(Stage::reverse_product);
  });
}

/// dE/dY and dE/dr of an atom's edges with one key, from dE/d(moments): [q][lm].
template <class Real, class Sum>
void Worker<Real, Sum>::first_edges_reverse(const FirstRows& first, const Real* moments_bar,
                                            int begin, int end) {
  const int count = end - begin, stride = edges_.harmonics_stride();
  const std::size_t size = static_cast<std::size_t>(count) * stride;
  reserve(edge_bar_, 2 * size);
  const Matrix<const Real> bar{moments_bar, stride};
  gemm<Real>(count, first.rank, stride, {edges_.column(begin), edges_.columns()}, bar,
             {edge_bar_.data(), stride}, false);
  gemm<Real>(count, first.rank, stride, {edges_.slope(begin), edges_.columns()}, bar,
             {edge_bar_.data() + size, stride}, false);
  for (int i = 0; i < count; ++i) {
    Real* y_bar = &edge_bar_[i * stride];
    Vec<Real> r_bar(Real(0));
    for (int v = 0; v < stride; v += W)
      r_bar += load(y_bar + size + v) * load(edges_.harmonics(begin + i) + v);
    y_bar[0] = stdx::reduce(r_bar);  // Y_00 is a constant: its place holds dE/dr
    double* out = edges_.gradients(begin + i);
    for (int m = 0; m < std::min(stride, kMaxComponents); ++m) out[m] += y_bar[m];
  }
}

}  // namespace mdbench
