// SPDX-License-Identifier: GPL-2.0-only
#include "mace_settings.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>

#include "elements.hpp"
#include "error.hpp"
#include "nearest.hpp"

namespace mdbench {
namespace {

constexpr const char* kSyntax =
    "pair_style mace [no_domain_decomposition | domain_decomposition] [evaluator "
    "native|torchscript] "
    "[device cpu|cuda|cuda:N] [precision single|double|mixed] [head NAME] [sha256 HASH]";

void require_one_of(const std::string& keyword, const std::string& value,
                    const std::vector<std::string>& known) {
  if (std::ranges::find(known, value) != known.end()) return;
  throw Error("pair_style mace: '" + value + "' is not a value of '" + keyword +
              "': did you mean '" + nearest(value, known) + "'?");
}

void check_values(const MaceSettings& settings) {
  require_one_of("evaluator", settings.evaluator, {"auto", "torchscript", "native"});
  require_one_of("precision", settings.precision, {"model", "single", "double", "mixed"});
  if (settings.device.rfind("cuda:", 0) != 0)
    require_one_of("device", settings.device, {"auto", "cpu", "cuda"});
  const auto& hash = settings.expected_sha256;
  const bool hex = hash.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!hash.empty() && (hash.size() != 64 || !hex))
    throw Error(
        "pair_style mace: sha256 takes the 64 lower-case digits that 'sha256sum FILE' prints");
}

void set_decomposition(MaceSettings& settings, Decomposition mode) {
  if (settings.decomposition != Decomposition::automatic && settings.decomposition != mode)
    throw Error("pair_style mace: give either no_domain_decomposition or domain_decomposition");
  settings.decomposition = mode;
}

}  // namespace

MaceSettings MaceSettings::parse_style(std::span<char* const> args) {
  MaceSettings settings;
  const std::map<std::string, std::string*> values{{"evaluator", &settings.evaluator},
                                                   {"device", &settings.device},
                                                   {"precision", &settings.precision},
                                                   {"head", &settings.head},
                                                   {"sha256", &settings.expected_sha256}};
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string word = args[i];
    if (word == "no_domain_decomposition") {
      set_decomposition(settings, Decomposition::none);
    } else if (word == "domain_decomposition") {
      set_decomposition(settings, Decomposition::domain);
    } else if (const auto value = values.find(word); value != values.end()) {
      if (i + 1 == args.size())
        throw Error("pair_style mace: '" + word + "' needs a value: " + kSyntax);
      *value->second = args[++i];
    } else {
      std::vector<std::string> known{"no_domain_decomposition", "domain_decomposition"};
      for (const auto& [name, unused] : values) known.push_back(name);
      throw Error("pair_style mace: unknown keyword '" + word + "': did you mean '" +
                  nearest(word, known) + "'? Syntax: " + kSyntax);
    }
  }
  check_values(settings);
  return settings;
}

void MaceSettings::parse_coeff(std::span<char* const> args, int num_types) {
  if (!model_path.empty())
    throw Error(
        "pair_coeff for pair_style mace was given twice: one line 'pair_coeff * * FILE EL1 "
        "EL2 ...' sets all types; to change the model give pair_style mace again first");
  if (args.size() < 3 || std::strcmp(args[0], "*") != 0 || std::strcmp(args[1], "*") != 0)
    throw Error(
        "pair_style mace takes one line 'pair_coeff * * FILE EL1 EL2 ...' with an element "
        "for each atom type");
  const auto given = static_cast<int>(args.size()) - 3;
  if (given != num_types)
    throw Error("pair_coeff for pair_style mace names " + std::to_string(given) +
                " element(s) and the system has " + std::to_string(num_types) +
                " atom type(s): give one element a type, in the order of the types");
  std::vector<std::string> names(args.begin() + 3, args.end());
  std::vector<std::string> known{"NULL"};
  for (const Element& e : kElements) known.emplace_back(e.symbol);
  for (const std::string& name : names)
    if (name != "NULL" && atomic_number(name) == 0)
      throw Error("pair_coeff for pair_style mace: '" + name +
                  "' is not a chemical element: did you mean '" + nearest(name, known) + "'?");
  elements = std::move(names);
  model_path = std::filesystem::absolute(args[2]).lexically_normal().string();
}

std::string MaceSettings::to_text(bool with_coefficients) const {
  std::ostringstream out;
  out << "mdbench-pair-mace-1\n"
      << static_cast<int>(decomposition) << '\n'
      << evaluator << '\n'
      << device << '\n'
      << precision << '\n'
      << head << '\n'
      << expected_sha256 << '\n';
  if (with_coefficients) {
    out << model_path << '\n' << model_sha256 << '\n';
    for (const std::string& name : elements) out << name << ' ';
  }
  return out.str();
}

MaceSettings MaceSettings::from_text(const std::string& text) {
  std::istringstream in(text);
  std::string header, mode, element;
  MaceSettings s;
  std::getline(in, header);
  std::getline(in, mode);
  if (header != "mdbench-pair-mace-1" || mode.size() != 1 || mode[0] < '0' || mode[0] > '2')
    throw Error(
        "the restart file was written by another version of mdbench: give pair_style mace "
        "and pair_coeff again after read_restart with the version that wrote it");
  s.decomposition = static_cast<Decomposition>(mode[0] - '0');
  for (std::string* line : {&s.evaluator, &s.device, &s.precision, &s.head, &s.expected_sha256,
                            &s.model_path, &s.model_sha256})
    std::getline(in, *line);
  while (in >> element) s.elements.push_back(element);
  return s;
}

void check_sha256(const MaceSettings& settings, const std::string& found) {
  if (!settings.expected_sha256.empty() && settings.expected_sha256 != found)
    throw Error("model file '" + settings.model_path + "' has SHA-256 " + found +
                ", not the one given to pair_style mace: it is another or a damaged file");
  if (!settings.model_sha256.empty() && settings.model_sha256 != found)
    throw Error("model file '" + settings.model_path +
                "' has changed since the restart file was written (SHA-256 " + found +
                "): give pair_style mace and pair_coeff again to use it all the same");
}

}  // namespace mdbench
