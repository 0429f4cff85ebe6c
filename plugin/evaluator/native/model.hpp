// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string>
#include <vector>

#include "contraction_plan.hpp"
#include "radial.hpp"
#include "safetensors.hpp"
#include "zbl.hpp"

namespace mdbench {

/// An array that is either one for all elements or one for each; absent where it would be zero.
struct PerElement {
  Tensor tensor;
  bool present() const { return !tensor.shape.empty(); }
  const double* of(int species) const {
    const int n = tensor.shape[0];
    return tensor.values.data() +
           (n == 1 ? 0 : static_cast<std::size_t>(species) * (tensor.values.size() / n));
  }
  bool shared() const { return tensor.shape[0] == 1; }
};

struct NativePath {
  int l1, l2, l3;
};

struct NativeCoupling {
  int path, m1, m2, m3;
  double value;
};

/// One message-passing layer of the native format (FORMAT.md), in double precision.
struct NativeLayer {
  int sender_l = 0, output_l = 0;
  std::vector<NativePath> paths;
  std::vector<NativeCoupling> coupling;
  int edge_channels = 0;  ///< E, of the senders' features and of the messages
  RadialNetwork radial;
  Tensor embedding;                             ///< layer 0: [N, E]
  std::vector<std::vector<PerElement>> update;  ///< layer > 0: [s][l]: [1|N, K, E]
  Tensor update_bias;                           ///< layer > 0: [N, E], or empty
  std::vector<PerElement> linear;               ///< [l]: [1|N, P_l * E, K]
  bool gated = false;
  // of a gated layer; the gates of l > 0 are at [max_ell + l], in `linear` too
  std::vector<PerElement> residual;  ///< [l]: [1|N, E, K], or absent
  std::vector<PerElement> after;     ///< [l]: [1|N, K, K]
  ContractionPlan contraction;
  std::vector<std::array<PerElement, 4>> product_weight;  ///< [l][order]: [1|N, Q, K]
  enum class Readout { none, linear, silu, tanh } readout = Readout::none;
  std::vector<PerElement> readout_weight;  ///< [s]: [1|N, K, n]
  int neurons = 0;                         ///< n
  Tensor readout_mid, readout_mid_bias;    ///< of a second hidden layer: [n, n] and [n], or empty
  Tensor readout_bias, readout_out;        ///< [N, n] or empty, [n, H]
};

/// A native model file, validated: every shape and index in it fits the others.
struct NativeModel {
  explicit NativeModel(const std::string& path);

  std::vector<int> elements;
  int channels = 0, max_ell = 0;
  std::vector<std::string> heads;
  std::string default_head, source_dtype, labels_include_dispersion = "unknown";
  RadialSpec radial;
  ZblSpec zbl;
  Tensor atomic_energies, scale, shift;
  std::vector<NativeLayer> layers;
  bool gated() const;  ///< whether any layer is
};

}  // namespace mdbench
