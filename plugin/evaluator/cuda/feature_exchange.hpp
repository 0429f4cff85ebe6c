// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "evaluator.hpp"
#include "exchange.hpp"
#include "memory.hpp"

namespace mdbench::cuda {

/// Features of nodes, or the gradients by them, between the device and the Halo: the rows that
/// travel and no others, as doubles, by way of memory of the host that the device reads and writes.
template <class Real>
class FeatureExchange {
 public:
  /// Of a layer: [node][components][channels] on the device, of which `width` channels travel.
  struct Layer {
    int components, channels, width;
    Real* features;
    Fixed* gradients;      ///< or null, and then
    Real* real_gradients;  ///< these
    int row() const { return components * width; }
  };

  /// Memory for what a halo asks for. @param copies nodes num_local and on
  /// @param widest numbers of a row. @return whether what travels is new
  bool fit(std::span<const std::int32_t> shared, int num_local, int copies, int widest,
           cudaStream_t stream);

  /// To the host: features of shared nodes, or gradients of copies.
  void take(const Layer& layer, bool gradients, cudaStream_t stream);
  /// Through the halo, when the stream has come to the end of `take`.
  void travel(const Layer& layer, bool gradients, Halo& halo);
  /// From the host: features of copies, or gradients that are added to those of shared nodes.
  void give(const Layer& layer, bool gradients, unsigned* flags, cudaStream_t stream);

  std::size_t device_bytes() const;
  /// All that launches depend on.
  void add_to(std::vector<std::int64_t>& shape) const;

 private:
  ExchangeRows<Real> rows(const Layer& layer, bool of_copies, bool gradients);

  std::vector<std::int32_t> shared_;
  int num_local_ = 0, copies_ = 0;
  Array<int> d_shared_;
  Array<double> rows_;  ///< [shared + copies][row]
  PinnedArray<double> host_rows_;
};

extern template class FeatureExchange<float>;
extern template class FeatureExchange<double>;

}  // namespace mdbench::cuda
