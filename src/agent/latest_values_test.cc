#include "agent/latest_values.h"

#include <gtest/gtest.h>

namespace sallyport::agent {
namespace {

using codec::Json;

telemetry::Sample sample(std::string topic, std::string_view payload, std::int64_t second = 1) {
  return {.time = telemetry::SampleTime(seconds(second)), .topic = std::move(topic), .payload = to_bytes(payload)};
}

class LatestValuesTest : public ::testing::Test {
 protected:
  void take(const telemetry::Sample& one, std::string_view stream = "temp") {
    values.take(telemetry::StreamName(std::string(stream)), std::span(&one, 1));
  }
  Json value_of(std::string_view topic) const {
    const auto list = values.list().array();
    for (const Json& each : *list) {
      if (*each.text_at("topic") == topic) return *each.at("value");
    }
    return nullptr;
  }
  LatestValues values;
};

TEST_F(LatestValuesTest, TheLastOfEachStreamAndTopicIsKept) {
  take(sample("a", "1"));
  take(sample("a", "2"));
  take(sample("b", "3"));
  take(sample("a", "4"), "other");
  EXPECT_EQ(values.size(), 3U);
  EXPECT_EQ(value_of("b"), Json(3));
  EXPECT_EQ(values.list().write(), R"([{"stream":"other","time":"1970-01-01T00:00:01Z","topic":"a","value":4},)"
                                   R"({"stream":"temp","time":"1970-01-01T00:00:01Z","topic":"a","value":2},)"
                                   R"({"stream":"temp","time":"1970-01-01T00:00:01Z","topic":"b","value":3}])");
}

TEST_F(LatestValuesTest, WhatWasTrueBeforeReplacesNothing) {
  take(sample("a", "2", 10));
  take(sample("a", "1", 9));
  EXPECT_EQ(value_of("a"), Json(2));
}

TEST_F(LatestValuesTest, OneThatIsTooLongIsNotKeptAndLeavesNoOlderOne) {
  take(sample("a", "1"));
  take(sample("a", "\"" + std::string(kMaxLatestValue, 'x') + "\"", 2));
  EXPECT_EQ(values.size(), 0U) << "an older value would be told as the last";
}

TEST_F(LatestValuesTest, NoMoreThanTheLimitsAreKept) {
  for (std::size_t i = 0; i < 2 * kMaxLatest; ++i) take(sample("t" + std::to_string(i), "1"));
  EXPECT_EQ(values.size(), kMaxLatest);
  EXPECT_TRUE(value_of("t0").is_null()) << "the oldest went";
  EXPECT_EQ(value_of("t" + std::to_string(2 * kMaxLatest - 1)), Json(1));
  const std::string big = "\"" + std::string(kMaxLatestValue - 2, 'x') + "\"";
  for (std::size_t i = 0; i < 2 * kMaxLatestBytes / kMaxLatestValue; ++i) take(sample("b" + std::to_string(i), big));
  EXPECT_LE(values.list().write().size(), kMaxLatestBytes + values.size() * 128);
}

}  // namespace
}  // namespace sallyport::agent
