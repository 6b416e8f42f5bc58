#include "mqtt/topic.h"

#include <gtest/gtest.h>

namespace sallyport::mqtt {
namespace {

bool fits(const char* filter, const char* topic) {
  const auto wanted = parse_topic_filter(filter);
  const auto there = parse_topic(topic);
  EXPECT_TRUE(wanted && there) << filter << " " << topic;
  return wanted && there && matches(*wanted, *there);
}

TEST(Topic, TakesWhatTheStandardTakes) {
  for (const char* good : {"a", "/", "a/b", "/a", "a/", "a//b", "$SYS/x", "größe/温度", "a b/c"}) {
    EXPECT_TRUE(parse_topic(good)) << good;
  }
}

TEST(Topic, RefusesWildcardsControlCharactersAndWhatIsNotUtf8) {
  const std::string nul("a\0b", 3);
  for (const std::string& bad :
       {std::string(), std::string("a/+"), std::string("#"), std::string("a+b"), nul, std::string("a\nb"),
        std::string("a\x7f"), std::string("\xc2\x80"), std::string("\xff"), std::string("\xc0\xaf"),
        std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xe2\x82"),
        std::string("\xe0\x80\xaf")}) {
    const auto parsed = parse_topic(bad);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::malformed);
  }
}

TEST(Topic, RefusesMoreBytesOrLevelsThanTheLimits) {
  EXPECT_TRUE(parse_topic(std::string(kMaxTopicBytes, 'a')));
  EXPECT_TRUE(parse_topic(std::string(kMaxTopicLevels - 1, '/')));
  for (const std::string& big : {std::string(kMaxTopicBytes + 1, 'a'), std::string(kMaxTopicLevels, '/')}) {
    const auto topic = parse_topic(big);
    const auto filter = parse_topic_filter(big);
    EXPECT_TRUE(!topic && topic.error().code == Errc::overloaded);
    EXPECT_TRUE(!filter && filter.error().code == Errc::overloaded);
  }
}

TEST(TopicFilter, RefusesAWildcardThatIsNotAWholeLevelOrNotTheLast) {
  for (const char* bad : {"", "a+", "+a/b", "a#", "#/a", "a/#/b", "##", "++", "a/#/", "$share/g/a", "a\tb"}) {
    EXPECT_FALSE(parse_topic_filter(bad)) << bad;
  }
  for (const char* good : {"#", "+", "a/+/b", "+/+", "a/#", "/+", "+/#", "$SYS/#", "a"}) {
    EXPECT_TRUE(parse_topic_filter(good)) << good;
  }
}

TEST(TopicFilter, MatchesAsTheExamplesOfTheStandardSay) {
  EXPECT_TRUE(fits("sport/tennis/player1/#", "sport/tennis/player1"));
  EXPECT_TRUE(fits("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
  EXPECT_TRUE(fits("sport/+", "sport/"));
  EXPECT_TRUE(fits("+/+", "/finance"));
  EXPECT_TRUE(fits("/+", "/finance"));
  EXPECT_TRUE(fits("#", "a/b/c"));
  EXPECT_TRUE(fits("$SYS/#", "$SYS/x"));
  EXPECT_TRUE(fits("$SYS/monitor/+", "$SYS/monitor/Clients"));
}

TEST(TopicFilter, DoesNotMatchMoreLevelsFewerLevelsOrDollarByWildcard) {
  EXPECT_FALSE(fits("+", "/finance"));
  EXPECT_FALSE(fits("sport/+", "sport"));
  EXPECT_FALSE(fits("sport/tennis/+", "sport/tennis/player1/ranking"));
  EXPECT_FALSE(fits("a/b", "a"));
  EXPECT_FALSE(fits("a", "a/b"));
  EXPECT_FALSE(fits("a", "A"));
  EXPECT_FALSE(fits("#", "$SYS/x"));
  EXPECT_FALSE(fits("+/monitor/Clients", "$SYS/monitor/Clients"));
  EXPECT_FALSE(fits("a/+/#", "a"));
}

}  // namespace
}  // namespace sallyport::mqtt
