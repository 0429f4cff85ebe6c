// SPDX-License-Identifier: GPL-2.0-only
#include "mace_settings.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "coefficients.h"
#include "error.hpp"
#include "nearest.hpp"

namespace mdbench {
namespace {

constexpr const char* kStyle = "pair_style mace";
constexpr const char* kHeader = "mdbench-pair-mace-3";
constexpr const char* kSyntax =
    "pair_style mace [no_domain_decomposition | domain_decomposition] [evaluator "
    "native|torchscript] [device cpu|cuda|cuda:N] [precision single|double|mixed] [head NAME] "
    "[sha256 HASH] [deterministic yes|no] [workspace MB] [d3 METHOD FUNCTIONAL keyword value ...]";

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
  require_one_of("deterministic", settings.deterministic, {"yes", "no"});
  const auto& memory = settings.workspace;
  const bool digits = memory.find_first_not_of("0123456789") == std::string::npos;
  if (memory != "auto" && (memory.empty() || memory.size() > 8 || memory[0] == '0' || !digits))
    throw Error("pair_style mace: workspace takes a positive number of MB, not '" + memory + "'");
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
  const std::map<std::string, std::string*> values{
      {"evaluator", &settings.evaluator},    {"device", &settings.device},
      {"precision", &settings.precision},    {"head", &settings.head},
      {"sha256", &settings.expected_sha256}, {"deterministic", &settings.deterministic},
      {"workspace", &settings.workspace}};
  std::vector<std::string> words(args.begin(), args.end());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = words[i];
    if (word == "no_domain_decomposition") {
      set_decomposition(settings, Decomposition::none);
    } else if (word == "domain_decomposition") {
      set_decomposition(settings, Decomposition::domain);
    } else if (word == "d3" && !settings.d3) {
      std::vector<std::string> rest;
      settings.d3 = parse_d3("pair_style mace d3", std::span(words).subspan(i + 1), rest);
      words.resize(i + 1);
      words.insert(words.end(), rest.begin(), rest.end());
    } else if (const auto value = values.find(word); value != values.end()) {
      if (i + 1 == words.size())
        throw Error("pair_style mace: '" + word + "' needs a value: " + kSyntax);
      *value->second = words[++i];
    } else {
      std::vector<std::string> known{"no_domain_decomposition", "domain_decomposition", "d3"};
      for (const auto& [name, unused] : values) known.push_back(name);
      if (settings.d3) std::ranges::copy(d3_keywords(), std::back_inserter(known));
      throw Error("pair_style mace: unknown keyword '" + word + "': did you mean '" +
                  nearest(word, known) + "'? Syntax: " + kSyntax);
    }
  }
  check_values(settings);
  return settings;
}

void MaceSettings::parse_coeff(std::span<char* const> args, int num_types) {
  check_coefficients(kStyle, "FILE EL1 EL2 ...", args, !model_path.empty());
  elements = parse_elements(kStyle, args.subspan(3), num_types);
  if (d3) d3_numbers("pair_style mace d3", elements);
  model_path = std::filesystem::absolute(args[2]).lexically_normal().string();
}

std::string MaceSettings::to_text(bool with_coefficients) const {
  std::ostringstream out;
  out << kHeader << '\n'
      << static_cast<int>(decomposition) << '\n'
      << evaluator << '\n'
      << device << '\n'
      << precision << '\n'
      << head << '\n'
      << expected_sha256 << '\n'
      << deterministic << '\n'
      << workspace << '\n'
      << (d3 ? d3_text(*d3) : "") << '\n';
  if (with_coefficients) {
    out << model_path << '\n' << model_sha256 << '\n';
    for (const std::string& name : elements) out << name << ' ';
  }
  return out.str();
}

MaceSettings MaceSettings::from_text(const std::string& text) {
  std::istringstream in(text);
  std::string header, mode, dispersion, elements;
  MaceSettings s;
  std::getline(in, header);
  std::getline(in, mode);
  if (header != kHeader || mode.size() != 1 || mode[0] < '0' || mode[0] > '2')
    throw Error(
        "the restart file was written by another version of mdbench: give pair_style mace "
        "and pair_coeff again after read_restart with the version that wrote it");
  s.decomposition = static_cast<Decomposition>(mode[0] - '0');
  for (std::string* line :
       {&s.evaluator, &s.device, &s.precision, &s.head, &s.expected_sha256, &s.deterministic,
        &s.workspace, &dispersion, &s.model_path, &s.model_sha256})
    std::getline(in, *line);
  if (!dispersion.empty()) s.d3 = D3Settings::parse(words_of(dispersion));
  std::getline(in, elements);
  s.elements = words_of(elements);
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
