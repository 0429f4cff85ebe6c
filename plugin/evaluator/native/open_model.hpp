// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "evaluator.hpp"
#include "model.hpp"

namespace mdbench {

/// A native model file as the options ask for it: what the CPU's and the GPU's evaluator share.
struct OpenedModel {
  NativeModel model;
  int head;
  ModelInfo info;  ///< device, kernel and threads are the evaluator's to fill in
};

/// @throws Error naming the file when it, or the head, cannot be used.
OpenedModel open_native_model(const EvaluatorOptions& options);

/// The species in use, counted in ascending order: a network is made for them alone.
class Kinds {
 public:
  explicit Kinds(std::size_t known) : of_species_(known, -1) {}
  /// Whether there are new ones. @throws Error on species that the model does not know; then
  /// nothing has changed.
  bool add(std::span<const std::int32_t> species);
  /// [known] kind of a species; -1: not in use.
  const std::vector<int>& of_species() const { return of_species_; }
  /// Species of each kind; never empty: a rank without atoms still needs a network.
  const std::vector<int>& used() const { return used_; }

 private:
  std::vector<int> of_species_, used_;
};

}  // namespace mdbench
