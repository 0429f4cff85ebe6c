// SPDX-License-Identifier: MIT
#pragma once

#include "layout.hpp"

namespace mdbench::cuda {

/// Gates of a layer, between the sums S of its messages and A. Rows of S: the components, then the
/// gates g_l of l = 1, 2, .. . What the atom's own features add is kept apart: it is not divided by
/// the density.
template <class Real>
struct Gates {
  Pass pass;
  int channels, max_ell;
  const Real* messages;  ///< [row][capacity][K]: of S, what comes from the messages
  const Real* residual;  ///< [row][capacity][K]: the rest
  Real* opened;          ///< [component][capacity][K]: silu(S_0), sigmoid(g_l) S_lm
};

template <class Real>
struct GatesReverse {
  Pass pass;
  int channels, max_ell;
  const Real* messages;
  const Real* residual;
  const Real* opened_bar;
  Real* sums_bar;         ///< [row][capacity][K]: dE/dS
  const double* density;  ///< as in ContractReverse
  double* density_bar;
};

/// Adds to dE/dh of the receivers of a pass: the other way round of TakeGradients.
template <class Real>
struct GiveGradients {
  Pass pass;
  const int* node;
  int components, channels;
  const Real* in;  ///< [component][capacity][K]
  Fixed* fixed;    ///< [node][component][K], or null, and then
  Real* real;
  double limit;  ///< `fixed_limit` of what is added to a row
  unsigned* flags;
};

template <class Real>
void gates(const Gates<Real>&, cudaStream_t stream);
template <class Real>
void gates_reverse(const GatesReverse<Real>&, cudaStream_t stream);
template <class Real>
void give_gradients(const GiveGradients<Real>&, cudaStream_t stream);

}  // namespace mdbench::cuda
