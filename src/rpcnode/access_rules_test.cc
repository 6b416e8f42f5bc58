#include "rpcnode/access_rules.h"

#include <gtest/gtest.h>

namespace sallyport::rpcnode {
namespace {

codec::Json with(std::string_view key, codec::Json value) {
  codec::Json::Object object;
  object.emplace(std::string(key), std::move(value));
  return object;
}

bool may(const AccessRules& rules, std::string_view method, const codec::Json& params = nullptr) {
  return check_access(rules, method, params).has_value();
}

TEST(AccessRules, PatternsMatchWholeTexts) {
  EXPECT_TRUE(matches("pump.start", "pump.start"));
  EXPECT_TRUE(matches("pump.*", "pump.start"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("unit:*/pump*", "unit:hall-1/pump7"));
  EXPECT_TRUE(matches("a*b*c", "aXbXbc"));
  EXPECT_FALSE(matches("pump.*", "pump"));
  EXPECT_FALSE(matches("pump", "pump.start"));
  EXPECT_FALSE(matches("a*b", "aXbX"));
  EXPECT_FALSE(matches("", "a"));
}

TEST(AccessRules, APatternOfManyStarsCostsNoMoreThanItsProduct) {
  std::string pattern;
  for (std::size_t i = 0; i < kMaxPattern / 2; ++i) pattern += "a*";
  EXPECT_FALSE(matches(pattern + "b", std::string(10'000, 'a')));
}

TEST(AccessRules, NothingIsAllowedByDefault) {
  EXPECT_FALSE(may({}, "test"));
}

TEST(AccessRules, ADenialWinsOverAnAllowance) {
  const AccessRules rules{.allow = {"pump.*"}, .deny = {"pump.erase"}, .items = {}, .deny_items = {}};
  EXPECT_TRUE(may(rules, "pump.start"));
  EXPECT_FALSE(may(rules, "pump.erase"));
  EXPECT_FALSE(may(rules, "valve.open"));
}

TEST(AccessRules, TheStarDoesNotReachManagement) {
  const AccessRules all{.allow = {"*"}, .deny = {}, .items = {}, .deny_items = {}};
  EXPECT_FALSE(may(all, "keys.add"));
  EXPECT_FALSE(may({.allow = {"k*"}, .deny = {}, .items = {}, .deny_items = {}}, "keys.add"));
  EXPECT_TRUE(may({.allow = {"keys.*"}, .deny = {}, .items = {}, .deny_items = {}}, "keys.add"));
}

TEST(AccessRules, TheStarDoesNotSwitchServices) {
  const AccessRules all{.allow = {"*"}, .deny = {}, .items = {}, .deny_items = {}};
  EXPECT_TRUE(may(all, "services.list"));
  EXPECT_FALSE(may(all, "services.open"));
  EXPECT_FALSE(may(all, "services.close"));
  EXPECT_FALSE(
      may({.allow = {"s*", "*.close", "keys.*"}, .deny = {}, .items = {}, .deny_items = {}}, "services.close"));
  const AccessRules one{.allow = {"services.*"}, .deny = {"services.open"}, .items = {"panel"}, .deny_items = {}};
  EXPECT_TRUE(may(one, "services.close", with("item", "panel")));
  EXPECT_FALSE(may(one, "services.close", with("item", "ssh")));
  EXPECT_FALSE(may(one, "services.open", with("item", "panel")));
}

TEST(AccessRules, EveryItemThatACallNamesMustBeAllowed) {
  const AccessRules rules{.allow = {"*"}, .deny = {}, .items = {"unit:hall-1/*"}, .deny_items = {"*/secret"}};
  EXPECT_TRUE(may(rules, "action", with("i", "unit:hall-1/pump")));
  EXPECT_FALSE(may(rules, "action", with("i", "unit:hall-2/pump")));
  EXPECT_FALSE(may(rules, "action", with("item", "unit:hall-1/secret")));
  EXPECT_FALSE(may(rules, "action", with("items", codec::Json::Array{"unit:hall-1/a", "unit:hall-2/a"})));
  EXPECT_TRUE(may(rules, "info"));
  EXPECT_FALSE(may(rules, "action", codec::Json::Array{"unit:hall-2/pump"}));
}

TEST(AccessRules, ItemsOfAnotherTypeAreRefusedNotOverlooked) {
  const AccessRules all{.allow = {"*"}, .deny = {}, .items = {}, .deny_items = {"secret"}};
  EXPECT_EQ(check_access(all, "a", with("i", 7)).error().code, Errc::malformed);
  EXPECT_EQ(check_access(all, "a", with("items", codec::Json::Array{with("i", "secret")})).error().code,
            Errc::malformed);
  EXPECT_EQ(check_access(all, "a", with("items", codec::Json::Array(kMaxItemsOfCall + 1, "x"))).error().code,
            Errc::overloaded);
}

TEST(AccessRules, RulesOutsideTheirGrammarAreRefused) {
  EXPECT_TRUE(check_rules({.allow = {"*"}, .deny = {}, .items = {}, .deny_items = {}}));
  EXPECT_FALSE(check_rules({.allow = {""}, .deny = {}, .items = {}, .deny_items = {}}));
  EXPECT_FALSE(check_rules({.allow = {"a b"}, .deny = {}, .items = {}, .deny_items = {}}));
  EXPECT_FALSE(check_rules({.allow = {}, .deny = {std::string(kMaxPattern + 1, 'a')}, .items = {}, .deny_items = {}}));
  EXPECT_FALSE(check_rules(
      {.allow = {}, .deny = {}, .items = std::vector<std::string>(kMaxPatterns + 1, "a"), .deny_items = {}}));
}

}  // namespace
}  // namespace sallyport::rpcnode
