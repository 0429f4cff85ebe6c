// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <span>
#include <string>
#include <vector>

#include "settings.hpp"

namespace mdbench {

/// Arguments of `pair_style dftd3` and its `pair_coeff`, as given. Reads and writes itself as text
/// so that a restart file can carry it.
struct Dftd3Settings {
  /// How ranks share the atoms: each has all of them, or its own and ghosts.
  enum class Parallel { automatic, gather, ghost };

  D3Settings d3;
  Parallel parallel = Parallel::automatic;
  std::vector<std::string> elements;  ///< one a type; "NULL": without D3; empty: not given yet

  /// Takes `METHOD FUNCTIONAL keyword value ...`. @throws Error
  static Dftd3Settings parse_style(std::span<char* const> args);
  /// Takes `* * EL1 EL2 ...`. @throws Error
  void parse_coeff(std::span<char* const> args, int num_types);

  /// The style's arguments alone (what a hybrid style stores), or with the coefficients.
  std::string to_text(bool with_coefficients) const;
  /// @throws Error when the text is not of this version.
  static Dftd3Settings from_text(const std::string& text);
};

}  // namespace mdbench
