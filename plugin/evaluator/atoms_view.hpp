// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mdbench {

/// Atoms of one rank as an MD engine holds them: owned atoms first, then images and ghosts.
struct AtomsView {
  std::size_t num_local = 0;
  std::span<const double> positions;      ///< [atoms * 3] Angstrom
  std::span<const std::int32_t> species;  ///< [atoms] index in the model; -1: not ours
  std::span<const std::int32_t> owner;    ///< [atoms] one index for all images of an atom; that of
                                          ///< the owned one where there is one
};

}  // namespace mdbench
