// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "settings.hpp"

namespace mdbench {

enum class Decomposition { automatic, none, domain };

/// Arguments of `pair_style mace` and `pair_coeff`, as given. Reads and writes itself as text so
/// that a restart file can carry it.
struct MaceSettings {
  Decomposition decomposition = Decomposition::automatic;
  std::string evaluator = "auto", device = "auto", precision = "model", head;
  std::string deterministic = "yes";  ///< yes | no
  std::string workspace = "auto";     ///< MB; auto: by what is free
  std::optional<D3Settings> d3;       ///< of `pair_style ... d3`
  std::string expected_sha256;        ///< of `pair_style ... sha256`, empty: not asked for
  std::string model_path;             ///< of `pair_coeff`, absolute; empty: not given yet
  std::string model_sha256;           ///< of the file that was read
  std::vector<std::string> elements;  ///< one a type; "NULL": not ours

  bool is_deterministic() const { return deterministic == "yes"; }
  std::size_t workspace_mb() const { return workspace == "auto" ? 0 : std::stoul(workspace); }

  /// @throws Error on an unknown keyword (naming the nearest), a missing or a wrong value.
  static MaceSettings parse_style(std::span<char* const> args);
  /// Takes `* * FILE EL1 EL2 ...`. @throws Error
  void parse_coeff(std::span<char* const> args, int num_types);

  /// The style's arguments alone (what a hybrid style stores), or with the coefficients.
  std::string to_text(bool with_coefficients) const;
  /// @throws Error when the text is not of this version.
  static MaceSettings from_text(const std::string& text);
};

/// Fails unless the file's hash is the one that the settings ask for. @throws Error
void check_sha256(const MaceSettings& settings, const std::string& found);

}  // namespace mdbench
