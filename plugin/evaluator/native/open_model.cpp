// SPDX-License-Identifier: MIT
#include "open_model.hpp"

#include "error.hpp"
#include "resident.hpp"

namespace mdbench {
namespace {

int choose_head(const NativeModel& model, const EvaluatorOptions& options) {
  std::string name = options.head.empty() ? model.default_head : options.head;
  if (name.empty() && model.heads.size() == 1) name = model.heads[0];
  std::string known;
  for (std::size_t i = 0; i < model.heads.size(); ++i) {
    if (model.heads[i] == name) return static_cast<int>(i);
    known += (i ? ", " : "") + model.heads[i];
  }
  if (name.empty()) throw Error("'" + options.path + "' has several heads: choose one of " + known);
  throw Error("'" + options.path + "' has no head '" + name + "': it has " + known);
}

}  // namespace

OpenedModel open_native_model(const EvaluatorOptions& options) {
  NativeModel model(options.path);
  const int head = choose_head(model, options);
  ModelInfo info;
  info.atomic_numbers = model.elements;
  info.cutoff = model.radial.cutoff;
  info.num_layers = static_cast<int>(model.layers.size());
  info.heads = model.heads;
  info.head = model.heads[head];
  info.stored_precision = model.source_dtype == "float64" ? "double" : "single";
  info.precision = options.precision == "model" ? info.stored_precision : options.precision;
  info.labels_include_dispersion = model.labels_include_dispersion;
  return {std::move(model), head, std::move(info)};
}

bool Kinds::add(std::span<const std::int32_t> species) {
  const std::size_t known = of_species_.size();
  require_species(species, known);
  bool changed = used_.empty();
  for (const std::int32_t s : species) changed = changed || of_species_[s] < 0;
  if (!changed) return false;
  for (const std::int32_t s : species) of_species_[s] = 0;
  used_.clear();
  for (std::size_t s = 0; s < known; ++s)
    if (of_species_[s] >= 0) {
      of_species_[s] = static_cast<int>(used_.size());
      used_.push_back(static_cast<int>(s));
    }
  if (used_.empty()) used_.push_back(0);
  return true;
}

}  // namespace mdbench
