// SPDX-License-Identifier: MIT
#include <random>

#include "check.hpp"
#include "error.hpp"
#include "mace_settings.h"

using namespace mdbench;

namespace {

/// Words as LAMMPS hands them over.
struct Words {
  explicit Words(std::vector<std::string> given) : text(std::move(given)) {
    for (std::string& word : text) pointers.push_back(word.data());
  }
  std::vector<std::string> text;
  std::vector<char*> pointers;
};

MaceSettings parsed(std::vector<std::string> style, std::vector<std::string> coeff = {}) {
  Words words(std::move(style)), more(std::move(coeff));
  auto settings = MaceSettings::parse_style(words.pointers);
  if (!more.text.empty()) settings.parse_coeff(more.pointers, 2);
  return settings;
}

}  // namespace

TEST(settings_survive_the_restart_text) {
  auto settings = parsed({"domain_decomposition", "precision", "single", "head", "pbe"},
                         {"*", "*", "a folder/model.pt", "C", "NULL"});
  settings.model_sha256 = std::string(64, 'a');
  const auto back = MaceSettings::from_text(settings.to_text(true));
  CHECK(back.to_text(true) == settings.to_text(true));
  CHECK(back.decomposition == Decomposition::domain && back.precision == "single");
  CHECK(back.elements == settings.elements && back.model_path == settings.model_path);
  CHECK(MaceSettings::from_text(settings.to_text(false)).model_path.empty());
}

TEST(restart_text_of_another_version_is_refused) {
  for (const char* text : {"", "mdbench-pair-mace-9\n0\n", "mdbench-pair-mace-1\n7\n", "\n\n\n"})
    CHECK(!check::thrown<Error>([&] { MaceSettings::from_text(text); }).empty());
}

TEST(nearest_words_are_named) {
  const auto text = check::thrown<Error>([] { parsed({"devise", "cpu"}); });
  CHECK(text.find("'device'") != std::string::npos);
  const auto symbol = check::thrown<Error>([] { parsed({}, {"*", "*", "m.pt", "C", "Oo"}); });
  CHECK(symbol.find("'O'") != std::string::npos || symbol.find("'Os'") != std::string::npos ||
        symbol.find("'Co'") != std::string::npos || symbol.find("'Mo'") != std::string::npos);
}

TEST(any_words_end_in_settings_or_an_error) {
  const std::vector<std::string> vocabulary{"precision",
                                            "single",
                                            "head",
                                            "",
                                            "device",
                                            "cuda:",
                                            "cuda:99999999999",
                                            "sha256",
                                            "no_domain_decomposition",
                                            "*",
                                            "evaluator",
                                            "\xff\xfe",
                                            "d3"};
  std::mt19937 random(2);
  for (int round = 0; round < 100000; ++round) {
    std::vector<std::string> style(random() % 5), coeff(random() % 6);
    for (auto& word : style) word = vocabulary[random() % vocabulary.size()];
    for (auto& word : coeff) word = vocabulary[random() % vocabulary.size()];
    check::thrown<Error>([&] { parsed(style, coeff); });
  }
}
