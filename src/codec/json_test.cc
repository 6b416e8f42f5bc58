#include "codec/json.h"
#include "codec/json_text.h"

#include <cmath>

#include <gtest/gtest.h>

#include "codec/detail/vectors.h"

namespace sallyport::codec {
namespace {

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(Json, ReadsDocumentsOfPythonAndWritesThemCompactAndSorted) {
  for (const Json& vector : load_vectors("json_documents.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const auto parsed = parse_json(as_text(bytes_of(vector, "text")));
    ASSERT_TRUE(parsed) << parsed.error().detail;
    EXPECT_EQ(parsed->write(), text_of(vector, "expect"));
    EXPECT_EQ(parse_json(parsed->write())->write(), parsed->write());
  }
}

TEST(Json, ReadsNumbersToTheLastBit) {
  for (const Json& vector : load_vectors("json_numbers.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const auto parsed = parse_json(as_text(bytes_of(vector, "text")));
    ASSERT_TRUE(parsed) << parsed.error().detail;
    const double want = std::strtod(text_of(vector, "expect").c_str(), nullptr);
    EXPECT_EQ(parsed->number().value(), want);
    EXPECT_FALSE(parsed->integer()) << "a number with a fraction or exponent is no integer";
    EXPECT_EQ(parse_json(parsed->write())->number().value(), want);
  }
}

TEST(Json, RefusesWhatIsNotStrict) {
  for (const Json& vector : load_vectors("json_refused.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const auto parsed = parse_json(as_text(bytes_of(vector, "text")));
    ASSERT_FALSE(parsed) << parsed->write();
    EXPECT_EQ(parsed.error().code, Errc::malformed);
  }
}

TEST(Json, NestingStopsAtTheLimit) {
  const std::string at_limit = repeat("[", 32) + repeat("]", 32);
  EXPECT_TRUE(parse_json(at_limit));
  EXPECT_EQ(parse_json("[" + at_limit + "]").error().code, Errc::overloaded);
  EXPECT_EQ(parse_json(repeat("[", 1'000'000)).error().code, Errc::overloaded);
  EXPECT_EQ(parse_json(repeat("{\"a\":", 100'000)).error().code, Errc::overloaded);
  EXPECT_TRUE(parse_json("[[]]", {.depth = 2}));
  EXPECT_EQ(parse_json("[[]]", {.depth = 1}).error().code, Errc::overloaded);
}

TEST(Json, SizeIsCheckedBeforeAnythingElse) {
  EXPECT_EQ(parse_json(std::string((1U << 20U) + 1, '\xFF')).error().code, Errc::overloaded);
  EXPECT_TRUE(parse_json("[1]", {.size = 3}));
  EXPECT_EQ(parse_json("[1]", {.size = 2}).error().code, Errc::overloaded);
}

TEST(Json, ValuesAreCounted) {
  EXPECT_EQ(parse_json("[" + repeat("0,", 100'000) + "0]").error().code, Errc::overloaded);
  std::string keys = "{";
  for (int i = 0; i < 50'000; ++i) keys += fmt::format("\"{}\":0,", i);
  EXPECT_EQ(parse_json(keys + "\"\":0}").error().code, Errc::overloaded);
  EXPECT_TRUE(parse_json("[1,2]", {.values = 3}));
  EXPECT_EQ(parse_json("[1,2]", {.values = 2}).error().code, Errc::overloaded);
}

TEST(Json, IntegersAtTheirBoundsStayIntegers) {
  EXPECT_EQ(*parse_json("9223372036854775807")->integer(), INT64_MAX);
  EXPECT_EQ(*parse_json("-9223372036854775808")->integer(), INT64_MIN);
  EXPECT_EQ(*parse_json("9007199254740993")->integer(), 9'007'199'254'740'993);
  EXPECT_EQ(*parse_json("-0")->integer(), 0);
}

TEST(Json, MembersAreFoundAndMissesNamed) {
  const Json json = *parse_json(R"({"name":"x","count":3,"on":true,"none":null})");
  EXPECT_EQ(*json.text_at("name"), "x");
  EXPECT_EQ(*json.integer_at("count"), 3);
  EXPECT_TRUE(*json.boolean_at("on"));
  EXPECT_TRUE(json.at("none")->is_null());
  EXPECT_EQ(json.find("other"), nullptr);
  EXPECT_EQ(json.at("other").error().detail, "json: no member \"other\"");
  EXPECT_EQ(json.integer_at("name").error().detail, "name: json: value of another type, want an integer");
  EXPECT_TRUE(json.only_keys({"name", "count", "on", "none"}));
  EXPECT_EQ(json.only_keys({"name", "count", "on"}).error().code, Errc::malformed);
  EXPECT_EQ(Json(1).only_keys({}).error().code, Errc::malformed);
  EXPECT_FALSE(Json("text").at("name"));
}

TEST(Json, TypesDoNotConvert) {
  EXPECT_FALSE(Json(1).boolean());
  EXPECT_FALSE(Json(1).text());
  EXPECT_FALSE(Json("1").integer());
  EXPECT_FALSE(Json("1").number());
  EXPECT_FALSE(Json().object());
  EXPECT_FALSE(Json(true).integer());
  EXPECT_EQ(*Json(7).number(), 7.0);
}

TEST(Json, WritesEscapesAndDoublesThatStayDoubles) {
  EXPECT_EQ(Json("\"\\\b\x7F/é").write(), "\"\\\"\\\\\\u0008\\u007f/é\"");
  EXPECT_EQ(Json(1.0).write(), "1.0");
  EXPECT_EQ(Json(Json::Object{{"b", Json::Array{1, nullptr}}, {"a", false}}).write(), R"({"a":false,"b":[1,null]})");
}

TEST(Json, ForTerminalsIsTheSameValueWithoutAControlCharacter) {
  const Json value(Json::Object{{"a\u009b", "\x7F\u0080 31m\u009f é \u00a0\u20ac\u0c9b"}});
  const std::string shown = for_terminal(value.write());
  EXPECT_EQ(shown, "{\"a\\u009b\":\"\\u007f\\u0080 31m\\u009f é \u00a0\u20ac\u0c9b\"}");
  EXPECT_EQ(parse_json(shown).value(), value);
  EXPECT_EQ(for_terminal("\"\x7F\""), R"("\u007f")");
  EXPECT_EQ(for_terminal(""), "");
  EXPECT_EQ(for_terminal("\xC2"), "\xC2");
}

TEST(Json, WritesC1AsItIsSinceHashesOfTheAuditLogAreOfIt) {
  EXPECT_EQ(Json("\u009b").write(), "\"\u009b\"");
}

TEST(JsonDeathTest, TextThatIsNotUtf8AndInfinityAreOurFault) {
  EXPECT_DEATH(static_cast<void>(Json("\xFF").write()), "");
  EXPECT_DEATH(static_cast<void>(Json(HUGE_VAL).write()), "");
}

TEST(Utf8, AcceptsTheEdgesOfRfc3629AndNothingBeyond) {
  for (const std::string_view good : {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                      "\xEE\x80\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << encode_hex(as_bytes(good));
  }
  for (const std::string_view bad :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE0\xA0", "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xFE"}) {
    EXPECT_FALSE(is_utf8(bad)) << encode_hex(as_bytes(bad));
  }
}

}  // namespace
}  // namespace sallyport::codec
