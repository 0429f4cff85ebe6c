// SPDX-License-Identifier: GPL-2.0-only
#include "coefficients.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <sstream>

#include "elements.hpp"
#include "error.hpp"
#include "nearest.hpp"
#include "reference.hpp"

namespace mdbench {

std::vector<std::string> parse_elements(const std::string& style, std::span<char* const> names,
                                        int num_types) {
  if (static_cast<int>(names.size()) != num_types)
    throw Error("pair_coeff for " + style + " names " + std::to_string(names.size()) +
                " element(s) and the system has " + std::to_string(num_types) +
                " atom type(s): give one element a type, in the order of the types");
  std::vector<std::string> known{"NULL"};
  for (const Element& e : kElements) known.emplace_back(e.symbol);
  for (const std::string name : names)
    if (name != "NULL" && atomic_number(name) == 0)
      throw Error("pair_coeff for " + style + ": '" + name +
                  "' is not a chemical element: did you mean '" + nearest(name, known) + "'?");
  return {names.begin(), names.end()};
}

void check_coefficients(const std::string& style, const std::string& syntax,
                        std::span<char* const> args, bool given_before) {
  if (given_before)
    throw Error("pair_coeff for " + style + " was given twice: one line 'pair_coeff * * " + syntax +
                "' sets all types; to change it give " + style + " again first");
  if (args.size() < 3 || std::strcmp(args[0], "*") != 0 || std::strcmp(args[1], "*") != 0)
    throw Error(style + " takes one line 'pair_coeff * * " + syntax +
                "' with an element for each atom type");
}

std::vector<int> d3_numbers(const std::string& style, const std::vector<std::string>& elements) {
  std::vector<int> numbers{0};
  for (const std::string& name : elements) {
    const int z = name == "NULL" ? 0 : atomic_number(name);
    if (z > d3::kD3Elements)
      throw Error(style + ": D3 has no data for " + name + " of atom type " +
                  std::to_string(numbers.size()) + ": it knows hydrogen to plutonium");
    numbers.push_back(z);
  }
  return numbers;
}

D3Settings parse_d3(const std::string& style, std::span<const std::string> words,
                    std::vector<std::string>& rest) {
  if (words.size() < 2)
    throw Error(style +
                " needs a method and a functional, as 'bj pbe'; in 'pair_style hybrid' say "
                "'original' for the method 'zero', which is a pair style of LAMMPS too");
  std::vector<std::string> own(words.begin(), words.end());
  if (own[0] == "original") own[0] = "zero";
  std::ranges::replace(own, std::string("triples"), std::string("atm"));
  try {
    return D3Settings::parse(own, rest);
  } catch (const Error& problem) {
    throw Error(style + std::string(problem.what()).substr(std::strlen("d3")));
  }
}

std::vector<std::string> d3_keywords() {
  const std::vector<std::string> least{"bj", "pbe"}, all = D3Settings::parse(least).words();
  std::vector<std::string> keywords;
  for (std::size_t i = least.size(); i < all.size(); i += 2) keywords.push_back(all[i]);
  return keywords;
}

std::string d3_text(const D3Settings& settings) {
  std::string text;
  for (const std::string& word : settings.words()) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

}  // namespace mdbench
