// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <vector>

#include "buffer.hpp"
#include "edge_slots.hpp"
#include "model.hpp"
#include "panels.hpp"

namespace mdbench {

/// A matrix in panels.
template <class Real>
struct PackedMatrix {
  Panels shape;
  const Real* data;
};

/// A matrix with padded columns, and its transpose for the reverse pass: blocks of rows, which are
/// multiplied one by one, each in panels.
template <class Real>
struct Weights {
  int blocks = 0;
  Panels shape{}, transposed{};   ///< of a block, padded
  Buffer<Real> forward, reverse;  ///< block after block
  PackedMatrix<Real> block(int i = 0) const { return {shape, &forward[i * shape.size()]}; }
  PackedMatrix<Real> block_reverse(int i = 0) const {
    return {transposed, &reverse[i * shape.size()]};
  }
  Real at(int row, int column) const {
    return forward[row / shape.rows * shape.size() + shape.index(row % shape.rows, column)];
  }
};

/// One weight matrix for all species in use, or one each; none where it would be zero.
template <class Real>
struct SpeciesWeights {
  std::vector<Weights<Real>> each;
  bool present() const { return !each.empty(); }
  const Weights<Real>& of(int kind) const { return each.size() == 1 ? each[0] : each[kind]; }
};

/// Radial functions of a pair of elements in the working precision.
template <class Real>
struct PairTable {
  int segments = 0, rank = 0;
  int stride = 0;  ///< padded columns of a piece: rank values and the density
  int pieces_per_segment = 0;
  double inverse_length = 0.0;  ///< pieces per Angstrom
  Buffer<Real> coefficients;    ///< [pieces][degree + 1][stride]
  std::shared_ptr<ExactRadial> exact;
  double value_error = 0.0, slope_error = 0.0;
};

/// Rows V of a segment for later layers, in the order in which the edge kernels read them:
/// [block of channels][path][rank][lanes].
template <class Real>
struct SegmentRows {
  int rank = 0;
  Buffer<Real> values;
};

/// Rows V of layer 0 for a receiver and a sender, with the sender's features, the linear map and
/// the skip connection multiplied in: for each sum a matrix [rank][channels].
template <class Real>
struct FoldedRows {
  std::vector<Weights<Real>> of_sum;
};

/// One of the sums of messages that a layer makes: for each l and, in a gated layer, the gate of
/// each l > 0, a scalar.
struct MessageSum {
  int l;
  int component;  ///< its first
  int size() const { return 2 * l + 1; }
};

/// The paths of a layer that share l2, and the slots they sum into.
struct SlotGroup {
  int l2 = 0;
  int first_path = 0, paths = 0;  ///< in path_order
  int first_slot = 0;             ///< of all groups' slots
  std::vector<SlotRow> rows;      ///< [path][component of the sender's l]
  struct Coupling {
    int slot;    ///< row * (2 l2 + 1) + m2
    int output;  ///< row of the messages: first_output of the path + m3
    double value;
  };
  std::vector<Coupling> couplings;
};

/// A layer of the network for the species in use.
template <class Real>
struct NetworkLayer {
  int sender_components = 1, outputs = 1;
  std::vector<PairTable<Real>> tables;
  std::vector<int> table_of_pair;  ///< [receiver kind * kinds + sender kind]
  // layer 0
  std::vector<FoldedRows<Real>> folded, folded_exact;  ///< [pair]
  // later layers
  std::vector<std::vector<SegmentRows<Real>>> rows;  ///< [table][segment]
  SegmentRows<Real> exact_rows;
  std::vector<int> path_order;  ///< the model's paths, by l2, then l1
  std::vector<SlotGroup> groups;
  PathBlocks blocks{};  ///< the same paths for the reverse pass
  int slots = 0;
  int message_rows = 0;                     ///< sum over paths of 2 l3 + 1
  std::vector<std::vector<int>> first_row;  ///< [l]: message rows of its paths, in order
  std::vector<MessageSum> sums;
  int sum_components = 0;
  std::vector<SpeciesWeights<Real>> linear;               ///< [sum]
  std::vector<std::vector<SpeciesWeights<Real>>> update;  ///< [s][l]
  std::vector<Buffer<Real>> update_bias;                  ///< [kind]
  // gates
  bool gated = false;
  std::vector<SpeciesWeights<Real>> residual;  ///< [sum]: later layers
  std::vector<Buffer<Real>> constant;          ///< [kind]: [sum][channels]: layer 0
  std::vector<SpeciesWeights<Real>> after;     ///< [l]
  // product and readout
  std::vector<Buffer<Real>> coefficients;     ///< [kind]
  std::vector<SpeciesWeights<Real>> readout;  ///< [s]: [K, neurons]
  std::vector<std::vector<double>> readout_bias;
  std::vector<double> readout_out;
  std::vector<double> readout_mid, readout_mid_bias;  ///< [neurons, neurons]; or empty
  int neurons = 0;
};

/// A model prepared for a set of species and a head: tables made, constant maps multiplied out,
/// everything in the working precision. Element indices here ("kinds") count the species in use.
template <class Real>
class Network {
 public:
  /// `species`: indices into the model's elements, ascending. `threads` make the tables.
  Network(const NativeModel& model, const std::vector<int>& species, int head, int threads);

  /// Vectors of channels that the edge kernels take at once.
  int vectors() const { return vectors_; }
  /// Channels in a vector: coefficients and rows of V are in blocks of them.
  int lanes() const { return lanes_; }
  int channels() const { return channels_; }            ///< padded
  int edge_channels() const { return edge_channels_; }  ///< of messages and senders, padded
  int kinds() const { return static_cast<int>(species_.size()); }
  const std::vector<NetworkLayer<Real>>& layers() const { return layers_; }
  const std::vector<int>& species() const { return species_; }
  double value_error() const { return largest(&PairTable<Real>::value_error); }
  double slope_error() const { return largest(&PairTable<Real>::slope_error); }

 private:
  /// `block` rows belong together (the channels of a path) and are padded together.
  Weights<Real> weights(const double* values, int rows, int columns, int block) const;
  SpeciesWeights<Real> species_weights(const PerElement& source, int block) const;
  double largest(double PairTable<Real>::* error) const;
  std::vector<ElementPair> pairs_of_tables(int t);
  void make_tables(int t, int threads);
  FoldedRows<Real> fold(const std::vector<std::vector<double>>& rows, int receiver, int sender);
  SegmentRows<Real> segment_rows(const std::vector<std::vector<double>>& rows,
                                 const std::vector<int>& paths) const;
  void make_groups(int t);
  void make_sums(int t);
  void make_maps(int t);
  void make_gates(int t);
  void make_readout(int t, int head);
  void make_product(int t);

  const NativeModel& model_;
  std::vector<int> species_;
  int channels_, edge_channels_, lanes_, vectors_;
  std::vector<NetworkLayer<Real>> layers_;
};

}  // namespace mdbench
