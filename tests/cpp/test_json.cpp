// SPDX-License-Identifier: MIT
#include <functional>

#include "check.hpp"
#include "error.hpp"
#include "json.hpp"
#include "numeric.hpp"

using namespace mdbench;

TEST(json_values) {
  const Json v = Json::parse(
      " {\"a\" : [1, -2.5e1 ,true,null ,false], \"b\\u00e9\\n\\\"\":\"\\u20ac\\/\" , \"\":{}}\r\n");
  CHECK(v["a"].items().size() == 5 && v["a"].items()[1].number() == -25.0);
  CHECK(v["a"].items()[2].boolean() && !v["a"].items()[4].boolean());
  CHECK(v["a"].items()[3].kind() == Json::Kind::null);
  CHECK(v["b\xc3\xa9\n\""].text() == "\xe2\x82\xac/");
  CHECK(v.has("") && v[""].members().empty() && !v.has("c"));
  CHECK(v["a"].items()[0].integer(1, 1) == 1);
  CHECK(Json::parse("[]").items().empty());
  const std::vector<std::function<void()>> wrong = {
      [&] { v["c"]; },
      [&] { v["a"]["a"]; },
      [&] { v["a"].text(); },
      [&] { v.items(); },
      [&] { v["a"].members(); },
      [&] { v[""].number(); },
      [&] { v["a"].boolean(); },
      [&] { v["a"].items()[0].integer(2, 3); },
      [&] { v["a"].items()[0].integer(-3, 0); },
      [&] { Json::parse("1.5").integer(0, 9); },
      [&] { Json::parse("1e300").integer(0, 1LL << 62); }};
  for (const auto& body : wrong) CHECK(!check::thrown<Error>(body).empty());
}

TEST(malformed_json_is_refused) {
  const std::vector<std::string> corpus = {"",
                                           " ",
                                           "{",
                                           "}",
                                           "[",
                                           "]",
                                           "[1",
                                           "[1,",
                                           "[1,]",
                                           "[,1]",
                                           "{\"a\"",
                                           "{\"a\":",
                                           "{\"a\":1",
                                           "{\"a\":1,",
                                           "{\"a\":1,}",
                                           "{,}",
                                           "{a:1}",
                                           "{1:1}",
                                           "{\"a\" 1}",
                                           "{\"a\":1 \"b\":2}",
                                           "{\"a\":1,\"a\":2}",
                                           "tru",
                                           "nul",
                                           "falsey",
                                           "True",
                                           "nan",
                                           "NaN",
                                           "inf",
                                           "-inf",
                                           "Infinity",
                                           "1e999",
                                           "-1e999",
                                           "+1",
                                           "--1",
                                           "-",
                                           ".",
                                           "e5",
                                           "1 2",
                                           "1,",
                                           "[1 2]",
                                           "\"",
                                           "\"a",
                                           "\"\\\"",
                                           "\"\\x\"",
                                           "\"\\u12\"",
                                           "\"\\u12g4\"",
                                           "\"\\u\"",
                                           "\"\\ud800\"",
                                           "\"\\udfff\"",
                                           "\"\n\"",
                                           "\"\t\"",
                                           "'a'",
                                           "//",
                                           "/**/1",
                                           "1//",
                                           "\xef\xbb\xbf{}",
                                           std::string("\0", 1),
                                           std::string("{}\0", 3),
                                           std::string("\"\0\"", 3),
                                           "[1}",
                                           "{\"a\":[}]",
                                           "\x01",
                                           "\xff"};
  for (const auto& text : corpus) {
    const bool refused = !check::thrown<Error>([&] { Json::parse(text); }).empty();
    if (!refused) std::printf("accepted: %s\n", text.c_str());
    CHECK(refused);
  }
  for (const int depth : {40, 100000}) {
    const std::string open(depth, '['), close(depth, ']');
    for (const auto& text : {open, open + close})
      CHECK(check::thrown<Error>([&] { Json::parse(text); }).find("nested") != std::string::npos);
  }
  CHECK(Json::parse(std::string(30, '[') + std::string(30, ']')).items().size() == 1);
}

/// Any bytes end in a value or in an Error.
TEST(json_of_random_edits) {
  check::Random random(1);
  const std::string valid = "{\"a\":[1,2.5e-3,true,null],\"b\":{\"c\":\"x\\u0041y\\n\"},\"d\":-7}";
  const std::string alphabet = "{}[]\",:\\u0123eE+-.tfnrualse \n";
  CHECK(check::thrown<Error>([&] { Json::parse(valid); }).empty());
  for (std::size_t n = 0; n < valid.size(); ++n)
    CHECK(
        !check::thrown<Error>([&] { Json::parse(std::string_view(valid).substr(0, n)); }).empty());
  for (int round = 0; round < 20000; ++round) {
    std::string text = valid;
    for (int edits = 1 + random.below(4); edits > 0; --edits) {
      const std::size_t at = random.below(static_cast<int>(text.size()));
      const char c = alphabet[random.below(static_cast<int>(alphabet.size()))];
      if (random.below(3) == 0)
        text.erase(at, 1);
      else if (random.below(2) == 0)
        text.insert(at, 1, c);
      else
        text[at] = c;
      if (text.empty()) text = " ";
    }
    check::thrown<Error>([&] { Json::parse(text); });
  }
}
