// SPDX-License-Identifier: GPL-2.0-only
#include "dftd3_settings.h"

#include <algorithm>
#include <sstream>

#include "coefficients.h"
#include "error.hpp"
#include "nearest.hpp"

namespace mdbench {
namespace {

constexpr const char* kStyle = "pair_style dftd3";
constexpr const char* kHeader = "mdbench-pair-dftd3-1";
const std::vector<std::string> kParallel{"auto", "gather", "ghost"};  ///< as Parallel counts

Dftd3Settings::Parallel parallel_of(const std::string& word) {
  const auto found = std::ranges::find(kParallel, word);
  if (found == kParallel.end())
    throw Error("pair_style dftd3: '" + word + "' is not a value of 'parallel': did you mean '" +
                nearest(word, kParallel) + "'?");
  return static_cast<Dftd3Settings::Parallel>(found - kParallel.begin());
}

}  // namespace

Dftd3Settings Dftd3Settings::parse_style(std::span<char* const> args) {
  Dftd3Settings settings;
  const std::vector<std::string> words(args.begin(), args.end());
  std::vector<std::string> rest;
  settings.d3 = parse_d3(kStyle, words, rest);
  for (std::size_t i = 0; i < rest.size(); i += 2) {
    if (rest[i] != "parallel") {
      std::vector<std::string> known = d3_keywords();
      known.emplace_back("parallel");
      throw Error("pair_style dftd3: unknown keyword '" + rest[i] + "': did you mean '" +
                  nearest(rest[i], known) + "'?");
    }
    if (i + 1 == rest.size())
      throw Error("pair_style dftd3: 'parallel' needs a value: auto, gather or ghost");
    settings.parallel = parallel_of(rest[i + 1]);
  }
  return settings;
}

void Dftd3Settings::parse_coeff(std::span<char* const> args, int num_types) {
  check_coefficients(kStyle, "EL1 EL2 ...", args, !elements.empty());
  auto names = parse_elements(kStyle, args.subspan(2), num_types);
  d3_numbers(kStyle, names);
  elements = std::move(names);
}

std::string Dftd3Settings::to_text(bool with_coefficients) const {
  std::string text = std::string(kHeader) + "\n" + kParallel[static_cast<int>(parallel)] + "\n" +
                     d3_text(d3) + "\n";
  if (with_coefficients)
    for (const std::string& name : elements) text += name + " ";
  return text;
}

Dftd3Settings Dftd3Settings::from_text(const std::string& text) {
  std::istringstream in(text);
  std::string header, parallel, words, names;
  std::getline(in, header);
  std::getline(in, parallel);
  std::getline(in, words);
  std::getline(in, names);
  if (header != kHeader)
    throw Error(
        "the restart file was written by another version of mdbench: give pair_style dftd3 and "
        "pair_coeff again after read_restart with the version that wrote it");
  Dftd3Settings settings;
  settings.parallel = parallel_of(parallel);
  settings.d3 = D3Settings::parse(words_of(words));
  settings.elements = words_of(names);
  return settings;
}

}  // namespace mdbench
