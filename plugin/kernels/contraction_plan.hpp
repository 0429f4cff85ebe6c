// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace mdbench {

/// MACE's symmetric contraction as sparse polynomials of degree <= 3 in an atom's features:
/// c_o = sum w_a A_a + sum A_a A_b (w_ab + sum w_abc A_c), a <= b <= c, for each channel.
/// Products A_a A_b are shared between the outputs; coefficients w hold the generalised
/// Clebsch-Gordan coefficients times the element's weights (MACE, arXiv:2206.07697, eq. 10).
class ContractionPlan {
 public:
  /// One term before the element's weights are known: coefficient += value * weight[order][q].
  struct Term {
    std::array<std::int16_t, 3> factors;  ///< components of A, ascending; -1: not there
    int output;
    int order;  ///< 1, 2, 3: which weights
    int weight;
    double value;
  };
  struct Out {
    int output;
    bool alone;  ///< has the term without a third factor
    int first_third, last_third;
  };
  struct Pair {
    int a, b;
    int first_out, last_out;
  };
  struct Single {
    int a, output;
  };

  ContractionPlan() = default;
  ContractionPlan(const std::vector<Term>& terms, int inputs, int outputs);

  int inputs() const { return inputs_; }
  int outputs() const { return outputs_; }
  int num_coefficients() const { return static_cast<int>(sources_.size()); }
  /// Terms that make up coefficient i.
  std::span<const Term> sources(int i) const { return sources_[i]; }
  const std::vector<Single>& singles() const { return singles_; }
  const std::vector<Pair>& pairs() const { return pairs_; }
  const std::vector<Out>& outs() const { return outs_; }
  const std::vector<std::int16_t>& thirds() const { return thirds_; }

 private:
  int inputs_ = 0, outputs_ = 0;
  std::vector<Single> singles_;
  std::vector<Pair> pairs_;
  std::vector<Out> outs_;
  std::vector<std::int16_t> thirds_;
  std::vector<std::vector<Term>> sources_;
};

}  // namespace mdbench
