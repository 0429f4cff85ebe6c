// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <vector>

#include "radial_formulas.hpp"

namespace mdbench {

/// Radial basis and distance transform of a model: plugin/evaluator/native/FORMAT.md.
struct RadialSpec {
  enum class Basis { bessel, gaussian, chebyshev } basis = Basis::bessel;
  enum class Transform { none, agnesi, soft } transform = Transform::none;
  double cutoff = 0.0;  ///< Angstrom
  int cutoff_power = 5;
  bool cutoff_on_weights = false;
  double prefactor = 1.0;
  std::vector<double> frequencies;       ///< w_k: frequencies, centres or degrees
  std::vector<double> transform_values;  ///< agnesi: q, p, a; soft: alpha
  std::vector<double> radius;            ///< [elements] covalent radii of the transform
};

/// A multilayer perceptron of the radial basis; arrays that would be without effect are empty.
struct Perceptron {
  static constexpr double kEpsilon = 1e-5;  ///< of the layer normalisations, torch's
  struct Layer {
    int inputs = 0, outputs = 0;
    std::vector<double> weight{};          ///< [inputs, outputs]
    std::vector<double> bias{};            ///< [outputs]
    std::vector<double> scale{}, shift{};  ///< of a layer normalisation, [outputs]
  };
  std::vector<Layer> hidden;             ///< each followed by silu
  Layer last;                            ///< linear
  std::vector<double> receiver, sender;  ///< bias of the first by element: [elements, outputs]
};

/// The perceptrons of one layer: its last maps to paths * channels. A bias of that is a row of its
/// weight more, for a feature that is the cutoff function itself.
struct RadialNetwork : Perceptron {
  Perceptron density;  ///< to one number x: density_factor tanh(x^2)
  double density_factor = 1.0;
  bool has_density() const { return density.last.outputs > 0; }
  bool knows_elements() const { return !receiver.empty() || !density.receiver.empty(); }
};

/// Elements of an edge, as indices into the model's.
struct ElementPair {
  int receiver, sender;
};

/// The exact radial functions of a pair of elements, evaluated as written: the slow reference, and
/// the path taken below the distance for which tables are qualified.
class ExactRadial {
 public:
  ExactRadial(const RadialSpec& spec, const RadialNetwork& network, ElementPair pair);
  /// The last hidden features, of which every radial function is a linear combination.
  void features(double r, std::span<double> value, std::span<double> slope) const;
  /// The density function; zero without one.
  Jet density(double r) const;
  int num_features() const { return network_.last.inputs; }

 private:
  Jet transformed(double r) const;
  std::vector<Jet> basis(double r) const;
  std::vector<Jet> last_hidden(const Perceptron& perceptron, std::vector<Jet> x) const;
  Jet cutoff(double r) const;

  const RadialSpec& spec_;
  const RadialNetwork& network_;
  ElementPair pair_;
  double r0_;
};

/// r0 of the distance transform of two elements.
double transform_radius(const RadialSpec& spec, int species_a, int species_b);

/// W = L Q of a network's last matrix, Q with orthonormal rows: distances between radial functions
/// are those between rows of L.
struct OrthogonalRows {
  int rank = 0;
  std::vector<std::vector<double>> lower;  ///< L: [features][rank]
  std::vector<std::vector<double>> rows;   ///< Q: [rank][paths * channels]

  explicit OrthogonalRows(const Perceptron::Layer& last);
};

/// Piecewise low-rank form of the radial functions of a pair of elements: in segment s,
/// R(r) = sum_q U_q(r) V_s[q], with U_q piecewise polynomials of degree `kDegree`.
/// The rows V span rows of R itself, each picked by the largest residual left at the samples and
/// made orthonormal to the ones before, so that the tolerance bounds the largest error.
class RadialTable {
 public:
  static constexpr int kDegree = kTableDegree;
  static constexpr double kShortest = kShortestTabulated;

  /// `tolerance`: largest error relative to the largest radial functions.
  RadialTable(const ExactRadial& exact, const OrthogonalRows& metric, double cutoff, int segments,
              double tolerance);

  int rank() const { return rank_; }  ///< the largest of any segment
  int segments() const { return static_cast<int>(directions_.size()); }
  int num_pieces() const { return segments() * pieces_per_segment_; }
  int pieces_per_segment() const { return pieces_per_segment_; }
  double piece_length() const { return length_; }
  /// Columns of a piece: U_q, q < rank, then the density function.
  int width() const { return rank_ + 1; }
  /// Coefficients of powers of the local variable in [-1, 1]: [pieces][kDegree + 1][width].
  const std::vector<double>& coefficients() const { return coefficients_; }
  /// V of a segment: [its rank][paths * channels]; columns past its rank are zero.
  std::vector<std::vector<double>> rows(int segment) const;
  /// Columns at a distance, and their slopes, from the polynomials.
  void evaluate(double r, double* value, double* slope) const;
  /// Largest errors found between the nodes, relative to the largest radial functions: of values,
  /// and of slopes times 1 Angstrom.
  double value_error() const { return value_error_; }
  double slope_error() const { return slope_error_; }

 private:
  using Rows = std::vector<std::vector<double>>;
  Rows sample(int segment) const;
  static int choose(Rows& samples, Rows& directions, double smallest, int count);
  void fit(int pieces_per_segment);
  void measure();
  /// Columns at a distance from the exact functions.
  void exact_columns(int segment, double r, double* value, double* slope) const;

  const ExactRadial& exact_;
  const OrthogonalRows& metric_;
  double cutoff_, scale_ = 0.0;
  int rank_ = 0, pieces_per_segment_ = 0;
  double length_ = 0.0, value_error_ = 0.0, slope_error_ = 0.0;
  std::vector<Rows> directions_;  ///< [segment][q][metric rank], orthonormal
  std::vector<double> coefficients_;
};

}  // namespace mdbench
