#include "rpcnode/states.h"

#include <gtest/gtest.h>

#include "net/run.h"

namespace sallyport::rpcnode {
namespace {

const StateMessage kState{.boot = "0a0b0c0d", .number = 7, .time = UnixTime(1'800'000'000), .value = codec::Json(21.5)};

TEST(StateMessages, WhatIsWrittenIsRead) {
  const auto read = parse_state(encode_state(kState));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, kState);
}

TEST(StateMessages, WhatIsNotOneIsRefused) {
  for (const std::string_view bad :
       {"", "{}", "1", R"({"boot":"0a0b0c0d","n":0,"time":"2027-01-15T08:00:00Z","value":1})",
        R"({"boot":"0a","n":1,"time":"2027-01-15T08:00:00Z","value":1})",
        R"({"boot":"0a0b0c0d","n":1,"time":"yesterday","value":1})",
        R"({"boot":"0a0b0c0d","n":1,"time":"2027-01-15T08:00:00Z"})"})
    EXPECT_FALSE(parse_state(bad)) << bad;
}

TEST(StateMessages, AnOlderOneOfTheSameRunIsNotNewer) {
  StateMessage next = kState;
  EXPECT_FALSE(is_newer(kState, next));
  next.number = 6;
  EXPECT_FALSE(is_newer(kState, next));
  next.number = 8;
  EXPECT_TRUE(is_newer(kState, next));
  next.boot = "ffffffff";
  next.number = 1;
  EXPECT_TRUE(is_newer(kState, next));
  next.time = kState.time - seconds(1);
  EXPECT_FALSE(is_newer(kState, next));
}

TEST(StateMessages, TopicsAreOfTheNode) {
  EXPECT_EQ(state_topic({}, sealed::NodeName("a"), "unit/pump"), "a/state/unit/pump");
  EXPECT_EQ(state_filter(sealed::TopicPrefix("p/q"), sealed::NodeName("a")), "p/q/a/state/#");
}

TEST(StateAnnouncements, WhatHasNotChangedIsNotToldAgainAndAFaultOnce) {
  net::Io io;
  net::TaskGroup tasks(io.executor());
  ManualClock clock(UnixTime(1'800'000'000));
  SeededRandom random(1);
  NodeSettings settings;
  settings.node = sealed::NodeName("a");
  settings.states = {{.item = "x", .command = {"/bin/echo", "1"}, .endpoint = {}, .every = milliseconds(20)},
                     {.item = "y", .command = {"/bin/false"}, .endpoint = {}, .every = milliseconds(20)}};
  std::vector<std::string> told, faults;
  StateAnnouncer announcer(
      tasks, clock, random, settings, [&](std::string topic, std::string) { told.push_back(std::move(topic)); },
      [&](const std::string& item, const std::string&) { faults.push_back(item); });
  io.run_for(milliseconds(400));
  EXPECT_EQ(told, std::vector<std::string>{"a/state/x"});
  EXPECT_EQ(faults, std::vector<std::string>{"y"});
  announcer.tell_all();
  EXPECT_EQ(told.size(), 2U);
  io.restart();
  net::run(io, tasks.stop());
}

}  // namespace
}  // namespace sallyport::rpcnode
