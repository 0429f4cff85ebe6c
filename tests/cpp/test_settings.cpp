// SPDX-License-Identifier: MIT
#include <random>

#include "check.hpp"
#include "dftd3_settings.h"
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

TEST(settings_of_the_gpu) {
  const auto usual = parsed({}, {"*", "*", "model.mace", "C", "O"});
  CHECK(usual.is_deterministic() && usual.workspace_mb() == 0);
  const auto settings = parsed({"deterministic", "no", "workspace", "2048", "device", "cuda:1"},
                               {"*", "*", "model.mace", "C", "O"});
  CHECK(!settings.is_deterministic() && settings.workspace_mb() == 2048);
  for (const auto& given : {usual, settings}) {
    const auto back = MaceSettings::from_text(given.to_text(true));
    CHECK(back.to_text(true) == given.to_text(true) && back.elements == given.elements);
    CHECK(back.is_deterministic() == given.is_deterministic());
    CHECK(back.workspace_mb() == given.workspace_mb() && back.device == given.device);
  }
  for (const char* wrong : {"", "0", "-1", "1.5", "1e3", "many", "0x10", "999999999", "12 "}) {
    const auto text = check::thrown<Error>([&] { parsed({"workspace", wrong}); });
    CHECK(text.find("workspace takes a positive number of MB") != std::string::npos);
  }
  const auto text = check::thrown<Error>([] { parsed({"deterministic", "yess"}); });
  CHECK(text.find("'yess' is not a value of 'deterministic': did you mean 'yes'") != text.npos);
}

TEST(restart_text_of_another_version_is_refused) {
  for (const char* text : {"", "mdbench-pair-mace-2\n0\n", "mdbench-pair-mace-3\n7\n", "\n\n\n"})
    CHECK(!check::thrown<Error>([&] { MaceSettings::from_text(text); }).empty());
}

TEST(d3_words_may_stand_among_those_of_the_model) {
  const auto settings = parsed({"head", "d3", "d3", "bj", "PBE", "cutoff", "9.5", "precision",
                                "double", "cn", "8", "domain_decomposition"},
                               {"*", "*", "model.pt", "C", "NULL"});
  CHECK(settings.head == "d3" && settings.precision == "double" && settings.d3);
  CHECK(settings.decomposition == Decomposition::domain);
  CHECK(settings.d3->cutoff == 9.5 && settings.d3->cn == 8.0 && settings.d3->functional == "pbe");
  const auto back = MaceSettings::from_text(settings.to_text(true));
  CHECK(back.d3 == settings.d3 && back.elements == settings.elements);
  CHECK(MaceSettings::from_text(settings.to_text(false)).d3 == settings.d3);
}

TEST(dftd3_settings_survive_the_restart_text) {
  for (const bool custom : {false, true}) {
    Words words(custom ? std::vector<std::string>{"original", "custom", "rs6", "1.217", "s8", "0.1",
                                                  "triples", "8.25", "skin", "0.1"}
                       : std::vector<std::string>{"bjm", "b3-lyp", "parallel", "ghost"});
    Words coeff({"*", "*", "C", "NULL"});
    auto settings = Dftd3Settings::parse_style(words.pointers);
    settings.parse_coeff(coeff.pointers, 2);
    const auto back = Dftd3Settings::from_text(settings.to_text(true));
    CHECK(back.d3 == settings.d3 && back.parallel == settings.parallel);
    CHECK(back.elements == settings.elements && back.elements.size() == 2);
    CHECK(Dftd3Settings::from_text(settings.to_text(false)).elements.empty());
    CHECK(settings.d3.atm == (custom ? 8.25 : 0.0));
  }
  for (const char* text : {"", "mdbench-pair-dftd3-9\nauto\nbj pbe\n", "mdbench-pair-dftd3-1\n"})
    CHECK(!check::thrown<Error>([&] { Dftd3Settings::from_text(text); }).empty());
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
                                            "d3",
                                            "bj",
                                            "pbe",
                                            "cutoff",
                                            "9",
                                            "workspace",
                                            "deterministic",
                                            "parallel",
                                            "gather"};
  std::mt19937 random(2);
  for (int round = 0; round < 100000; ++round) {
    std::vector<std::string> style(random() % 7), coeff(random() % 6);
    for (auto& word : style) word = vocabulary[random() % vocabulary.size()];
    for (auto& word : coeff) word = vocabulary[random() % vocabulary.size()];
    check::thrown<Error>([&] { parsed(style, coeff); });
    Words words(style);
    check::thrown<Error>([&] { Dftd3Settings::parse_style(words.pointers); });
  }
}
