// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace mdbench {

/// A damping function with the parameters of a functional, in atomic units.
struct D3Damping {
  enum class Kind { zero, bj, zerom };  ///< bjm is bj with other numbers
  Kind kind = Kind::bj;
  double s6 = 1.0, s8 = 0.0, s9 = 1.0;
  double a1 = 0.0, a2 = 0.0;                ///< bj: R = a1 sqrt(C8/C6) + a2, Bohr
  double rs6 = 1.0, rs8 = 1.0, beta = 0.0;  ///< zero, zerom; beta in 1/Bohr

  bool operator==(const D3Damping&) const = default;
};

/// What `pair_style dftd3`, the `d3` keyword of `pair_style mace` and Python's D3Calculator are
/// told, under the same names.
struct D3Settings {
  std::string method = "bj";       ///< in lower case
  std::string functional = "pbe";  ///< in lower case, without - _ /; "custom": see `words`
  double cutoff = 15.0;            ///< of the pairs, Angstrom
  double switch_width = 2.0;       ///< over which pairs and counts of neighbours fade out; 0: hard
  double cn = 12.0;                ///< cutoff of the coordination numbers, Angstrom
  double skin = 2.0;               ///< Angstrom
  double atm = 0.0;                ///< cutoff of the three-body term, Angstrom; 0: left out
  int every = 1, delay = 0;        ///< as neigh_modify, in evaluations
  bool check = true;
  D3Damping damping;  ///< of method and functional; set by `parse`
  /// What the first pass may keep for the last, in bytes, and is else made twice; no word's value.
  /// More than caches hold makes neither faster.
  std::size_t kept_bytes = std::size_t(16) << 20;

  bool operator==(const D3Settings&) const = default;

  /// Takes `METHOD XC keyword value ...`. The functional `custom` takes the parameters of the
  /// method as keywords. A word that is no keyword where one is due is left in `rest`, in order:
  /// so are the values of such words, unless one of these is spelt like a keyword of D3.
  /// @throws Error that begins with "d3: ", naming the word, its nearest neighbour or the bounds.
  static D3Settings parse(std::span<const std::string> words, std::vector<std::string>& rest);
  /// The same, where no other words are allowed. @throws Error on the first of them.
  static D3Settings parse(std::span<const std::string> words);
  /// What `parse` reads back to the same settings.
  std::vector<std::string> words() const;
};

/// Parameters of a method ("zero", "bj", "zerom", "bjm") and functional, as published. Names are
/// taken in any case, with or without - _ and /.
/// @throws Error naming the nearest functional, and those that the method knows.
D3Damping d3_damping(const std::string& method, const std::string& functional);

/// The functionals of a method, as they are written, in alphabetical order. @throws Error
std::vector<std::string> d3_functionals(const std::string& method);

/// A name as D3Settings keeps it.
std::string d3_name(const std::string& text);

}  // namespace mdbench
