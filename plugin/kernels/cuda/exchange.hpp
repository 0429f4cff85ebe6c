// SPDX-License-Identifier: MIT
#pragma once

#include "layout.hpp"

/// Features, and gradients by them, on their way from rank to rank.
namespace mdbench::cuda {

/// Rows that travel between ranks. Channels from `width` on are padding: 0 on arrival.
template <class Real>
struct ExchangeRows {
  const int* node;  ///< [count] of each row, or null: `first_node` and on
  int first_node, count, components, channels, width;
  Fixed* fixed;     ///< [node][component][channels] gradients, or null, and then
  Real* real;       ///< these, or features
  double* rows;     ///< [count][component][width]
  unsigned* flags;  ///< of `add_rows`
};

/// To `rows`.
template <class Real>
void pack_rows(const ExchangeRows<Real>&, cudaStream_t stream);
/// From `rows`, to `real`.
template <class Real>
void set_rows(const ExchangeRows<Real>&, cudaStream_t stream);
/// Adds `rows`.
template <class Real>
void add_rows(const ExchangeRows<Real>&, cudaStream_t stream);

}  // namespace mdbench::cuda
