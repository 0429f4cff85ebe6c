// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "layout.hpp"
#include "memory.hpp"

namespace mdbench::cuda {

/// Where a pass's rows of features lie: components one after another, each [row][width].
template <class Real>
struct Rows {
  Real* data = nullptr;
  std::int64_t component = 0;  ///< elements between components
  std::int64_t stride = 0;     ///< elements between rows
  bool of_all = false;         ///< rows are all receivers, not the pass's
  Real* at(int c) const { return data + c * component; }
};

/// The dense maps of one launch: outputs, and the products each adds up.
template <class Real>
class DensePlan {
 public:
  /// Begins anew.
  void begin(int inner, int columns) {
    inner_ = inner;
    columns_ = columns;
    outputs_.clear();
    terms_.clear();
  }
  void add_output(Real* out, std::int64_t stride, const Real* bias = nullptr) {
    const int first = static_cast<int>(terms_.size());
    outputs_.push_back({out, stride, bias, first, first});
  }
  /// To the last output.
  void add_term(const Rows<Real>& in, int component, const Real* weight, std::int64_t kind_stride) {
    terms_.push_back({in.at(component), in.stride, in.of_all, weight, kind_stride});
    ++outputs_.back().last_term;
  }
  /// The plan must stay as it is until the stream has come to this.
  void upload(cudaStream_t stream) {
    device_outputs_.upload(std::span<const DenseOutput<Real>>(outputs_), stream);
    device_terms_.upload(std::span<const DenseTerm<Real>>(terms_), stream);
  }
  bool empty() const { return outputs_.empty(); }

  Dense<Real> arguments(const Pass& pass) const {
    Dense<Real> d{};
    d.pass = pass;
    d.inner = inner_;
    d.columns = columns_;
    d.num_outputs = static_cast<int>(outputs_.size());
    d.outputs = device_outputs_.data();
    d.terms = device_terms_.data();
    return d;
  }

 private:
  int inner_ = 0, columns_ = 0;
  std::vector<DenseOutput<Real>> outputs_;
  std::vector<DenseTerm<Real>> terms_;
  Array<DenseOutput<Real>> device_outputs_;
  Array<DenseTerm<Real>> device_terms_;
};

}  // namespace mdbench::cuda
