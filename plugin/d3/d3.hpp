// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "settings.hpp"

namespace mdbench {

/// Atoms as one rank sees them.
///
/// Either all atoms of the system on every rank (`num_central` = atoms, `rank` of `ranks` computes
/// a part of them), or the rank's own atoms followed by ghosts, without periodicity.
struct D3Atoms {
  std::span<const double> positions;      ///< [atoms * 3] Angstrom; followed through boundaries
  std::span<const std::int32_t> numbers;  ///< [atoms] atomic numbers
  std::function<std::int64_t(std::size_t)> id;  ///< of an atom, for messages; empty: from 1 on
  std::array<double, 9> cell{};                 ///< rows are the lattice vectors, Angstrom
  std::array<bool, 3> periodic{};
  std::size_t num_central = 0;  ///< atoms whose forces are wanted: the first ones
  int rank = 0, ranks = 1;      ///< which part of them is computed here
  /// Atoms or ghosts were exchanged: the list is made anew whatever the skin says.
  bool exchanged = false;
  bool own_check = true;  ///< false: only `exchanged` says when the list is made anew
};

/// Completes values of atoms between the passes. Collective over the ranks of a D3Atoms.
class D3Exchange {
 public:
  virtual ~D3Exchange() = default;
  /// On entry atoms computed elsewhere are 0; on return each has the value of the rank that
  /// computed it.
  virtual void complete(std::span<double> values) = 0;
};

/// Everything is computed here.
class NoExchange final : public D3Exchange {
 public:
  void complete(std::span<double>) override {}
};

enum class D3Virials { none, total, per_atom };

/// Of the atoms computed here; those of others are 0. Lives until the next evaluation.
struct D3Result {
  double energy = 0.0;               ///< eV
  std::array<double, 6> virial{};    ///< xx yy zz xy xz yz, eV: sum of x (x) F, as in LAMMPS; 0
                                     ///< unless asked for
  std::span<const double> energies;  ///< [atoms] eV
  std::span<const double> forces;    ///< [atoms * 3] eV/Angstrom
  std::span<const double> virials;   ///< [atoms * 6] eV; empty unless per atom
};

/// Since the object was made, or the last reset, which leaves `pairs`.
struct D3Statistics {
  std::int64_t evaluations = 0, builds = 0;
  /// Builds that the skin needed before `every` and `delay` would have allowed them.
  std::int64_t dangerous_builds = 0;
  double list_seconds = 0.0, evaluation_seconds = 0.0;
  double pairs = 0.0;  ///< in the list of this rank, at the last build
};

/// D3 dispersion. Not thread-safe: one thread at a time may call it.
class D3 {
 public:
  virtual ~D3() = default;
  virtual const D3Settings& settings() const = 0;
  /// @throws Error on atoms without reference data, at the same place, or not at finite places.
  virtual const D3Result& evaluate(const D3Atoms& atoms, D3Exchange& exchange,
                                   D3Virials virials) = 0;
  virtual const D3Statistics& statistics() const = 0;
  virtual void reset_statistics() = 0;
  virtual double memory_usage() const = 0;  ///< bytes
};

/// The implementation for the best instruction set of this processor.
/// @param threads 0: OpenMP's choice
std::unique_ptr<D3> make_d3(const D3Settings& settings, int threads);

/// Entry point that the libraries of the instruction sets export under `kD3Symbol`.
using D3Factory = D3* (*)(const D3Settings&, int threads);
inline constexpr char kD3Symbol[] = "mdbench_d3_v1";

}  // namespace mdbench
