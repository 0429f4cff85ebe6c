// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "layout.hpp"
#include "memory.hpp"
#include "network.hpp"

namespace mdbench::cuda {

constexpr int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

/// The matrices of a linear map for each kind (or one for all), and their transposes.
template <class Real>
struct LinearMap {
  Array<Real> forward, reverse;
  std::int64_t kind_stride = 0;
  bool present() const { return forward.size() > 0; }
};

/// What a layer of the network needs on the device. K: channels padded to whole warps; E: those of
/// messages and senders' features.
template <class Real>
class DeviceLayer {
 public:
  /// @param index of the layer in `network` and `model`.
  DeviceLayer(const NativeModel& model, const Network<Real>& network, int index);

  Tables<Real> tables() const;
  const EdgeProduct<Real>& product() const { return product_; }
  const ContractionProgram& program() const { return program_; }

  int channels = 0, edge_channels = 0, kinds = 0, max_ell = 0;
  int sender_components = 1, outputs = 1;
  int segments = 1, rank = 0;
  int moment_row = 0;  ///< layer 0: rank padded for `dense`
  std::vector<MessageSum> sums;
  int sum_components = 0;
  std::vector<std::vector<LinearMap<Real>>> folded;  ///< layer 0: [sum][sender kind]
  std::vector<std::vector<LinearMap<Real>>> linear;  ///< later: [sum][path of its l]
  std::vector<std::vector<int>> first_row;           ///< later: [l]: message rows of its paths
  int message_rows = 0;
  std::vector<std::vector<LinearMap<Real>>> update;  ///< later: [s][l]
  Array<Real> update_bias;                           ///< later: [kind][E]
  bool gated = false;
  std::vector<LinearMap<Real>> residual;  ///< gated, later: [sum]
  std::vector<LinearMap<Real>> after;     ///< gated: [l]
  std::vector<Array<Real>> constant;      ///< gated, layer 0: [sum]: [kind][K]
  Array<Real> coefficients;               ///< [kind][coefficient][K]
  Activation activation = Activation::linear;
  int neurons = 0;
  struct ReadoutWeights {
    Array<Real> weight;  ///< [kind][K][neurons]; empty: not read
    std::int64_t kind_stride = 0;
  };
  std::vector<ReadoutWeights> readout;  ///< [s]
  Array<double> readout_bias, readout_out, readout_mid, readout_mid_bias;
  bool has_density = false;

 private:
  void make_tables(const NetworkLayer<Real>& layer);
  void make_folded(const NetworkLayer<Real>& layer, int model_channels);
  void make_gates(const NativeModel& model, const NetworkLayer<Real>& layer, int index);
  void make_product(const NativeLayer& source, const NetworkLayer<Real>& layer, int lanes);
  void make_rows(const NetworkLayer<Real>& layer, int lanes);
  void make_maps(const NativeModel& model, const NetworkLayer<Real>& layer, int index);
  void make_contraction(const ContractionPlan& plan, const NetworkLayer<Real>& layer, int lanes);
  void make_readout(const NativeModel& model, const NetworkLayer<Real>& layer, int index);

  int width_ = 0;
  EdgeProduct<Real> product_{};
  ContractionProgram program_{};
  Array<Table<Real>> table_;
  Array<Real> polynomials_, v_;
  Array<int> table_of_pair_, run_rank_;
  Array<EdgeUnit> units_;
  Array<SlotCoupling<Real>> by_row_, by_slot_;
  Array<uint2> steps_;
};

extern template class DeviceLayer<float>;
extern template class DeviceLayer<double>;

}  // namespace mdbench::cuda
