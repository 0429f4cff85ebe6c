// SPDX-License-Identifier: MIT
#include <cmath>
#include <random>

#include "check.hpp"
#include "error.hpp"
#include "reference.hpp"
#include "settings.hpp"

using namespace mdbench;

namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

D3Settings parsed(const std::string& text) { return D3Settings::parse(split(text)); }

/// Whether the words are refused with a message that has all these parts.
bool refused(const std::string& text, const std::vector<std::string>& parts) {
  const auto message = check::thrown<Error>([&] { parsed(text); });
  bool all = message.rfind("d3: ", 0) == 0 && message.find('\n') == std::string::npos;
  for (const std::string& part : parts) all = all && message.find(part) != std::string::npos;
  if (!all) std::printf("'%s' gave '%s'\n", text.c_str(), message.c_str());
  return all;
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-12 * std::abs(b); }

}  // namespace

TEST(d3_reference_values_are_the_published_ones) {
  using namespace d3;
  CHECK(num_references(1) == 2 && num_references(2) == 1 && num_references(6) == 5);
  CHECK(reference_cn(6, 0) == 0.0 && near(reference_cn(6, 4), 3.9844));
  CHECK(near(reference_cn(1, 0), 0.9118) && reference_cn(1, 1) == 0.0);
  CHECK(near(reference_c6(6, 0, 6, 0), 49.1130));
  CHECK(near(reference_c6(1, 0, 1, 0), 3.0267) && near(reference_c6(1, 1, 1, 1), 7.5916));
  CHECK(near(reference_c6(2, 0, 2, 0), 1.5583));
  CHECK(near(covalent_radius(1), 0.32 * 4 / 3 / kBohr));
  CHECK(near(covalent_radius(6), 0.75 * 4 / 3 / kBohr));
  CHECK(near(cutoff_radius(1, 1), 2.1823 / kBohr) && near(cutoff_radius(6, 6), 2.9103 / kBohr));
  CHECK(std::abs(sqrt_q(1) - 2.00734898) < 1e-7 && std::abs(sqrt_q(6) - 3.10492822) < 1e-7);
}

TEST(d3_reference_data_are_complete_and_symmetric) {
  using namespace d3;
  int systems = 0;
  for (int z = 1; z <= kD3Elements; ++z) {
    systems += num_references(z);
    CHECK(num_references(z) >= 1 && num_references(z) <= kMaxReferences);
    CHECK(covalent_radius(z) > 0.5 && covalent_radius(z) < 7.0);
    CHECK(sqrt_q(z) > 1.0 && sqrt_q(z) < 13.0);
    for (int a = 0; a < num_references(z); ++a)
      CHECK(reference_cn(z, a) >= 0.0 && reference_cn(z, a) < 12.0);
    for (int y = 1; y <= kD3Elements; ++y) {
      CHECK(cutoff_radius(z, y) == cutoff_radius(y, z));
      CHECK(cutoff_radius(z, y) > 3.0 && cutoff_radius(z, y) < 14.0);
      for (int a = 0; a < num_references(z); ++a)
        for (int b = 0; b < num_references(y); ++b) {
          CHECK(reference_c6(z, a, y, b) == reference_c6(y, b, z, a));
          CHECK(reference_c6(z, a, y, b) > 1.0 && reference_c6(z, a, y, b) < 1e4);
        }
    }
  }
  CHECK(systems == 254);
}

TEST(d3_parameters_are_the_published_ones) {
  const D3Damping zero = d3_damping("zero", "pbe"), bj = d3_damping("bj", "PBE");
  CHECK(zero.kind == D3Damping::Kind::zero && zero.rs6 == 1.217 && zero.s8 == 0.722);
  CHECK(zero.rs8 == 1.0 && zero.s6 == 1.0 && zero.s9 == 1.0);
  CHECK(bj.kind == D3Damping::Kind::bj && bj.a1 == 0.4289 && bj.s8 == 0.7875 && bj.a2 == 4.4407);
  const D3Damping zerom = d3_damping("zerom", "PBE"), bjm = d3_damping("bjm", "PBE");
  CHECK(zerom.kind == D3Damping::Kind::zerom && zerom.rs6 == 2.340218 && zerom.beta == 0.129434);
  CHECK(bjm.kind == D3Damping::Kind::bj && bjm.a1 == 0.012092 && bjm.a2 == 5.938951);
  CHECK(d3_damping("bj", "B2PLYP").s6 == 0.64);
  for (const char* name : {"PBE", "PBEsol", "RPBE", "revPBE", "BLYP", "B3LYP", "PBE0", "TPSS",
                           "SCAN", "B97-D", "HSE06", "BP86"}) {
    CHECK(d3_damping("zero", name).rs6 > 0.8);
    CHECK(d3_damping("bj", name).a2 > 2.0);
  }
}

TEST(d3_names_are_taken_as_people_write_them) {
  for (const char* name : {"B97-D", "b97d", "b97_d", "B-97/D"})
    CHECK(d3_damping("BJ", name) == d3_damping("bj", "b97d"));
  CHECK(d3_damping("bj", "bp") == d3_damping("bj", "bp86"));
  const auto s = parsed("BJ r2-SCAN");
  CHECK(s.method == "bj" && s.functional == "r2scan" && s.damping.a2 == 5.73083694);
}

TEST(d3_names_that_are_not_known_are_refused) {
  CHECK(refused("bj pbesool", {"'pbesool' is not known", "mean 'PBEsol'", "RPBE", "'custom'"}));
  CHECK(refused("zerom SCAN", {"'SCAN' has no published", "'zerom'", "for zero, bj"}));
  CHECK(refused("zero r2SCAN", {"for bj"}));
  CHECK(refused("bjj pbe", {"'bjj' is not a method", "mean 'bj'", "zero, bj, zerom, bjm"}));
  CHECK(refused("bj", {"missing", "[cutoff A]"}) && refused("", {"missing"}));
  CHECK(refused("cutoff 15", {"'cutoff' is not a method"}));
}

TEST(d3_keywords_set_what_they_name) {
  const auto s =
      parsed("zero pbe cutoff 20.5 switch 1.5 cn 11 skin 3 every 2 delay 10 check no atm 8");
  CHECK(s.cutoff == 20.5 && s.switch_width == 1.5 && s.cn == 11.0 && s.skin == 3.0);
  CHECK(s.every == 2 && s.delay == 10 && !s.check && s.atm == 8.0);
  D3Settings expected;
  expected.damping = d3_damping("bj", "pbe");
  CHECK(parsed("bj pbe") == expected);
  CHECK(parsed("bj pbe check yes") == expected);
}

TEST(d3_numbers_are_within_bounds) {
  for (const char* good :
       {"cutoff 200", "cutoff 2 cn 2 switch 1", "switch 0", "switch 11.9", "cn 2 switch 1", "cn 15",
        "skin 0", "skin 20", "every 1", "delay 0", "atm 0", "atm 2", "atm 12"})
    CHECK(check::thrown<Error>([&] { parsed(std::string("bj pbe ") + good); }).empty());
  CHECK(refused("bj pbe cutoff 1.9", {"cutoff 1.9", "2 to 200"}));
  CHECK(refused("bj pbe cutoff 201", {"2 to 200"}));
  CHECK(refused("bj pbe cutoff 1e999", {"2 to 200"}));
  CHECK(refused("bj pbe cutoff 10", {"cn 12 is more than cutoff 10"}));
  CHECK(refused("bj pbe cn 15.1", {"cn 15.1"}) && refused("bj pbe cn 1.9", {"2 to 200"}));
  CHECK(refused("bj pbe switch -1", {"switch -1"}));
  CHECK(refused("bj pbe switch 12", {"switch 12 is not less than cn 12"}));
  CHECK(refused("bj pbe skin -0.1", {"0 to 20"}) && refused("bj pbe skin 20.1", {"0 to 20"}));
  CHECK(refused("bj pbe every 0", {"every 0", "1 to 1000000000"}));
  CHECK(refused("bj pbe delay -1", {"delay -1"}));
  CHECK(refused("bj pbe every 99999999999", {"out of bounds"}));
  CHECK(refused("bj pbe atm 1", {"atm 1"}) && refused("bj pbe atm 12.1", {"2 to cn, 12"}));
  CHECK(refused("bj pbe atm -3", {"atm -3"}));
}

TEST(d3_numbers_are_read_strictly) {
  for (const char* word : {"nan", "-nan", "abc", "1.5x", "15A", "+15", "0x10", "--1", "1,5"})
    CHECK(refused(std::string("bj pbe cutoff ") + word, {"is not a number", "'cutoff'"}));
  for (const char* word : {"inf", "-inf", "infinity"})
    CHECK(refused(std::string("bj pbe cutoff ") + word, {"2 to 200"}));
  const std::vector<std::string> blank{"bj", "pbe", "cutoff", ""};
  CHECK(!check::thrown<Error>([&] { D3Settings::parse(blank); }).empty());
  CHECK(refused("bj pbe every 1.5", {"whole number"}));
  CHECK(refused("bj pbe check maybe", {"'maybe'", "yes or no"}));
  CHECK(refused("bj pbe cutoff", {"'cutoff' needs a value"}));
  CHECK(refused("bj pbe check", {"'check' needs a value"}));
  CHECK(refused("bj pbe skin 1 skin 1", {"'skin' was given twice"}));
  CHECK(refused("bj pbe cuttoff 15", {"'cuttoff'", "mean 'cutoff'", "Syntax"}));
}

TEST(d3_takes_parameters_with_custom_only) {
  const auto bj = parsed("bj custom s8 0.5 a1 -0.1 a2 4.5");
  CHECK(bj.functional == "custom" && bj.damping.kind == D3Damping::Kind::bj);
  CHECK(bj.damping.s6 == 1.0 && bj.damping.s8 == 0.5 && bj.damping.a1 == -0.1);
  CHECK(bj.damping.a2 == 4.5 && parsed("bjm Custom s8 0.5 a1 -0.1 a2 4.5").damping == bj.damping);
  const auto zero = parsed("zero custom rs6 1.1 s8 -1 rs8 0.7 s6 0.9 cutoff 20");
  CHECK(zero.damping.kind == D3Damping::Kind::zero && zero.damping.rs8 == 0.7);
  CHECK(zero.damping.s6 == 0.9 && zero.cutoff == 20.0);
  CHECK(parsed("zero custom rs6 1.1 s8 1").damping.rs8 == 1.0);
  CHECK(parsed("zerom custom rs6 1.1 s8 1 beta 0.1").damping.beta == 0.1);
  for (const char* text : {"bj custom s8 1 a1 1", "zerom custom rs6 1 s8 1", "zero custom s8 1"})
    CHECK(refused(text, {"'custom' needs '"}));
  CHECK(refused("bj custom s8 1 a1 1 a2 1 rs6 1", {"'rs6' is no parameter", "'bj'"}));
  CHECK(refused("zero custom s8 1 rs6 1 beta 0", {"'beta' is no parameter"}));
  CHECK(refused("bj pbe s8 1", {"'s8' goes with", "'custom'", "'pbe'"}));
  CHECK(refused("bj custom s8 11 a1 1 a2 1", {"s8 11", "-10 to 10"}));
  CHECK(refused("zero custom s8 1 rs6 0", {"rs6 0"}));
  CHECK(refused("bj custom s8 1 a1 1 a2 1 a3 1", {"unknown keyword 'a3'", "mean 'a"}));
}

TEST(d3_leaves_other_words_in_their_order) {
  std::vector<std::string> rest{"before"};
  const auto words = split("bj pbe evaluator native cutoff 20 head d3 15 check no mixed");
  const auto s = D3Settings::parse(words, rest);
  CHECK(rest == split("before evaluator native head d3 15 mixed"));
  CHECK(s.cutoff == 20.0 && !s.check);
}

TEST(d3_words_are_read_back_to_the_same_settings) {
  std::mt19937 random(3);
  const auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  const std::vector<std::string> starts{"zero hse06", "bj pbe",      "zerom blyp",  "bjm pbe0",
                                        "bj custom",  "zero custom", "zerom custom"};
  for (int round = 0; round < 2000; ++round) {
    const std::string& start = starts[random() % starts.size()];
    std::string text = start;
    const auto add = [&](const char* keyword, double value) {
      text += ' ' + std::string(keyword) + ' ' + std::to_string(value);
    };
    if (start.find("custom") != std::string::npos) {
      add("s8", 1.0);
      for (const char* word : {"a1", "a2"})
        if (start[0] == 'b') add(word, 1.0);
      if (start[0] == 'z') add("rs6", 1.0);
      if (start[4] == 'm') add("beta", 0.5);
    }
    D3Settings s = parsed(text);
    s.cutoff = between(2.0, 200.0), s.cn = between(2.0, s.cutoff);
    s.switch_width = between(0.0, s.cn), s.skin = between(0.0, 20.0);
    s.atm = round % 2 == 0 ? 0.0 : between(2.0, s.cn);
    s.every = 1 + static_cast<int>(random() % 1000000000),
    s.delay = static_cast<int>(random() % 99);
    s.check = random() % 2 == 0;
    if (s.functional == "custom") {
      s.damping.s6 = between(0.0, 1.0), s.damping.s8 = between(-10.0, 10.0);
      if (start[0] == 'b') s.damping.a1 = between(-1.0, 1.0), s.damping.a2 = between(0.0, 9.0);
      if (start[0] == 'z') s.damping.rs6 = between(0.1, 2.0), s.damping.rs8 = between(0.1, 2.0);
      if (start[4] == 'm') s.damping.beta = between(0.0, 1e-9);
    }
    CHECK(D3Settings::parse(s.words()) == s);
  }
}

TEST(any_d3_words_end_in_settings_or_an_error) {
  const std::vector<std::string> vocabulary{
      "bj",  "zerom", "pbe",    "custom", "cutoff",
      "",    "-",     "switch", "cn",     "check",
      "yes", "\xff",  "1",      "12",     "1e5",
      "-0",  "s8",    "a1",     "a2",     "beta",
      "rs6", "atm",   "every",  "nan",    "999999999999999999"};
  std::mt19937 random(4);
  for (int round = 0; round < 100000; ++round) {
    std::vector<std::string> words(random() % 9), rest;
    for (auto& word : words) word = vocabulary[random() % vocabulary.size()];
    check::thrown<Error>([&] { D3Settings::parse(words, rest); });
  }
}
