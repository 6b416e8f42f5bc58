#include "sealed/names.h"

#include <gtest/gtest.h>

namespace sallyport::sealed {
namespace {

TEST(SealedNames, TakesWhatTheGrammarAllows) {
  EXPECT_EQ(parse_node_name("Plant-1.west_2")->get(), "Plant-1.west_2");
  EXPECT_EQ(parse_node_name(std::string(64, 'n'))->get().size(), 64U);
  EXPECT_EQ(parse_key_id("default")->get(), "default");
  EXPECT_EQ(parse_topic_prefix("a/b/c/d")->get(), "a/b/c/d");
  EXPECT_EQ(parse_topic_prefix("")->get(), "");
}

TEST(SealedNames, NoNodeNameReachesAnotherTopic) {
  const std::vector<std::string> bad = {"",    "a/b", "+",    "#",    "a+",      "$SYS",  "a b",
                                        "a\n", "é",   "..//", "a\0b", "plant/#", "a\x7F", std::string(65, 'n')};
  for (const std::string& name : bad) {
    const auto parsed = parse_node_name(name);
    if (name == "a") continue;  // "a\0b" as a literal ends there
    EXPECT_FALSE(parsed) << name;
    if (!parsed) EXPECT_EQ(parsed.error().code, Errc::malformed);
  }
  EXPECT_FALSE(parse_node_name(std::string_view("a\0b", 3)));
}

TEST(SealedNames, KeyIdsAreLowerCaseAndShort) {
  for (const std::string_view id : {"", "Default", "a/b", "a b", "ä"}) EXPECT_FALSE(parse_key_id(id)) << id;
  EXPECT_FALSE(parse_key_id(std::string(33, 'k')));
  EXPECT_TRUE(parse_key_id(std::string(32, 'k')));
}

TEST(SealedNames, PrefixesHaveNoEmptyOrWildLevelsAndFourAtMost) {
  for (const std::string_view prefix : {"/", "a/", "/a", "a//b", "a/+/b", "#", "a/b/c/d/e"})
    EXPECT_FALSE(parse_topic_prefix(prefix)) << prefix;
}

TEST(SealedNames, TopicsAreThoseOfTheSpecification) {
  const NodeName node("pump-7");
  const TopicPrefix plant("plant/west");
  EXPECT_EQ(request_topic(plant, node), "plant/west/pump-7/api/request");
  EXPECT_EQ(request_topic(TopicPrefix(), node), "pump-7/api/request");
  EXPECT_EQ(bundle_topic(plant, node), "plant/west/pump-7/api/bundle");
  EXPECT_EQ(bundle_filter(TopicPrefix()), "+/api/bundle");
  EXPECT_EQ(reply_topic(plant, Inbox{}), "plant/west/r/AAAAAAAAAAAAAAAAAAAAAA");
}

TEST(SealedNames, CallIdsAreUuidsOfVersion7AndReadBack) {
  SeededRandom random(7);
  const CallId id = draw_call_id(UnixTime(1'800'000'000), random);
  const std::string text = to_text(id);
  EXPECT_EQ(text.substr(0, 15), "01a3185c-5000-7");
  EXPECT_EQ(parse_call_id(text).value(), id);
  EXPECT_NE(draw_call_id(UnixTime(1'800'000'000), random), id);
}

TEST(SealedNames, CallIdsHaveOneSpelling) {
  const std::string good = "01a3185c-5000-7123-8456-0123456789ab";
  ASSERT_TRUE(parse_call_id(good));
  for (const std::string_view bad : {"", "01A3185C-5000-7123-8456-0123456789AB", "01a3185c500071238456000123456789ab0a",
                                     "01a3185c-5000-4123-8456-0123456789ab", "01a3185c-5000-7123-c456-0123456789ab",
                                     "01a3185c-5000-7123-8456-0123456789a", "01a3185c-5000-7123-8456-0123456789ab0",
                                     "{1a3185c-5000-7123-8456-0123456789a}"})
    EXPECT_FALSE(parse_call_id(bad)) << bad;
}

}  // namespace
}  // namespace sallyport::sealed
