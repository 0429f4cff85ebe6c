// SPDX-License-Identifier: MIT
// Atoms among which pairs are searched.
#pragma once

#include <array>
#include <vector>

#include "numeric.hpp"
#include "periodic.hpp"
#include "topology.hpp"

namespace search_case {

using namespace mdbench;
using check::Random;

inline constexpr double kCutoff = 2.0, kSkin = 0.5, kRadius = kCutoff + kSkin;

/// Atoms that may be changed.
struct Atoms {
  std::size_t num_local = 0;
  std::vector<double> x;
  std::vector<std::int32_t> species, owner;

  Atoms() = default;
  explicit Atoms(const Periodic& box)
      : num_local(box.num_local), x(box.x), species(box.species), owner(box.owner) {}
  AtomsView view() const { return {num_local, x, species, owner}; }
  std::size_t size() const { return species.size(); }
  void add(const std::array<double, 3>& at, int kind, std::int32_t of) {
    x.insert(x.end(), at.begin(), at.end());
    species.push_back(kind);
    owner.push_back(of);
  }
  void add_local(const std::array<double, 3>& at, int kind = 0) {
    add(at, kind, static_cast<std::int32_t>(num_local++));
  }
  /// Local atoms in a cube.
  static Atoms cube(int count, double edge, unsigned seed, int kinds = 1) {
    Atoms atoms;
    Random random(seed);
    for (int i = 0; i < count; ++i) {
      std::array<double, 3> at;
      random.fill(at, 0.0, edge);
      atoms.add_local(at, i % kinds);
    }
    return atoms;
  }
};

/// Atoms of a periodic cube of which `part` of the local ones are here, the others' images too: a
/// rank among several.
inline Atoms rank_of(const Periodic& box, int part) {
  Atoms atoms;
  std::vector<std::int32_t> row(box.num_local, -1);
  const auto at = [&](std::size_t i) {
    return std::array{box.x[3 * i], box.x[3 * i + 1], box.x[3 * i + 2]};
  };
  for (int i = 0; i < part; ++i) {
    atoms.add_local(at(i), box.species[i]);
    row[i] = i;
  }
  for (std::size_t i = part; i < box.owner.size(); ++i) {
    std::int32_t& owner = row[box.owner[i]];
    if (owner < 0) owner = static_cast<std::int32_t>(atoms.size());
    atoms.add(at(i), box.species[i], owner);
  }
  return atoms;
}

/// Species s has kind (s + 1) % kinds.
struct Kinds {
  int kinds, segments;
  std::vector<int> of_species;
  explicit Kinds(int kinds_, int segments_ = 3) : kinds(kinds_), segments(segments_) {
    for (int s = 0; s < kinds; ++s) of_species.push_back((s + 1) % kinds);
  }
  cuda::PairKinds view() const { return {of_species, kinds, segments}; }
};

template <class T>
std::vector<T> download(const T* device, std::size_t count) {
  std::vector<T> values(count);
  cuda::copy_and_wait(values.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost);
  return values;
}

}  // namespace search_case
