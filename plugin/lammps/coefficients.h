// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <span>
#include <string>
#include <vector>

#include "settings.hpp"

namespace mdbench {

/// Reads `EL1 EL2 ...` of a pair_coeff line: one element a type; "NULL": none of the style's.
/// @param style "pair_style mace" or the like, for messages. @throws Error
std::vector<std::string> parse_elements(const std::string& style, std::span<char* const> names,
                                        int num_types);

/// Fails unless a pair_coeff line begins with `* *` and is the style's first.
/// @param syntax what follows `pair_coeff * *`. @throws Error
void check_coefficients(const std::string& style, const std::string& syntax,
                        std::span<char* const> args, bool given_before);

/// Atomic numbers of the types, [1 + types], 0 for "NULL". @throws Error on one that D3 lacks.
std::vector<int> d3_numbers(const std::string& style, const std::vector<std::string>& elements);

/// As D3Settings::parse, with `style` in the place of "d3" in messages. `original` stands for the
/// method `zero` and `triples` for `atm`: where LAMMPS's hybrid styles read the name of a pair
/// style, and these are some, they begin another style.
D3Settings parse_d3(const std::string& style, std::span<const std::string> words,
                    std::vector<std::string>& rest);

/// D3's keywords with every functional but "custom".
std::vector<std::string> d3_keywords();

/// "bj pbe cutoff 15 ...": what the user could have written.
std::string d3_text(const D3Settings& settings);

/// The words of a line.
std::vector<std::string> words_of(const std::string& line);

}  // namespace mdbench
