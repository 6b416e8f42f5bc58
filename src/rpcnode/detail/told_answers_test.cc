#include "rpcnode/detail/told_answers.h"

#include <gtest/gtest.h>

#include <functional>

namespace sallyport::rpcnode {
namespace {

using codec::Json;

Json json(std::string_view text) {
  auto parsed = codec::parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Json());
}

constexpr std::string_view kInfo =
    R"({"methods":[{"description":"d","idempotent":true,"limit_ms":5,"name":"test"}],"node":"pump-1","up_s":1,"version":"1","you":"key:a"})";
constexpr std::string_view kKeys =
    R"([{"allow":["test"],"calls_per_minute":5,"comment":"","deny":[],"deny_items":[],"expires":null,"id":"a","items":[],"made":"2026-01-01T00:00:00Z","secrets":1}])";

TEST(ToldAnswers, WhatIsRightPassesAndWhatIsMoreIsLeftOut) {
  EXPECT_EQ(check_told_info(json(kInfo))->write(), kInfo);
  EXPECT_EQ(check_told_keys(json(kKeys))->write(), kKeys);
  EXPECT_EQ(check_told_secret(json(R"({"key":"spk1_a","more":[1]})"))->write(), R"({"key":"spk1_a"})");
}

// Every member once left out, and once of another type.
template <class Check>
void expect_refused_in_every_member(Check check, const Json& good, const std::function<Json(Json::Object)>& wrap) {
  const auto members = *good.object();
  for (const auto& [name, value] : members) {
    Json::Object without = members;
    without.erase(name);
    EXPECT_FALSE(check(wrap(without))) << "without " << name;
    for (const char* other : {"{}", "-1", "1.5", "[[]]"}) {
      Json::Object changed = members;
      changed[name] = json(other);
      EXPECT_FALSE(check(wrap(changed))) << name << " as " << other;
    }
  }
}

TEST(ToldAnswers, WhatIsMissingOrOfAnotherTypeIsRefused) {
  const auto same = [](Json::Object object) { return Json(std::move(object)); };
  const auto listed = [](Json::Object object) { return Json(Json::Array{Json(std::move(object))}); };
  expect_refused_in_every_member(check_told_info, json(kInfo), same);
  expect_refused_in_every_member(check_told_secret, json(R"({"key":"spk1_a"})"), same);
  expect_refused_in_every_member(check_told_keys, json(kKeys).array()->front(), listed);
  expect_refused_in_every_member(check_told_info, json(kInfo).at("methods")->array()->front(), [](Json::Object method) {
    Json::Object info = *json(kInfo).object();
    info["methods"] = Json(Json::Array{Json(std::move(method))});
    return Json(std::move(info));
  });
  for (const char* other : {"null", "1", "\"x\"", "{}", "[1]", "[null]"}) {
    EXPECT_FALSE(check_told_info(json(other))) << other;
    EXPECT_FALSE(check_told_keys(json(other))) << other;
    EXPECT_FALSE(check_told_secret(json(other))) << other;
  }
}

TEST(ToldAnswers, MoreThanAPageShallTakeIsRefused) {
  Json::Object info = *json(kInfo).object();
  info["version"] = Json(std::string(2'000, 'v'));
  EXPECT_FALSE(check_told_info(Json(info)));
  info = *json(kInfo).object();
  info["methods"] = Json(Json::Array(513, json(kInfo).at("methods")->array()->front()));
  EXPECT_FALSE(check_told_info(Json(info)));
}

}  // namespace
}  // namespace sallyport::rpcnode
