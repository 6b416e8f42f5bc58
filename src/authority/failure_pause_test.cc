#include "authority/failure_pause.h"

#include <gtest/gtest.h>

namespace sallyport::authority {
namespace {

constexpr Instant kBegin{};

void fail_times(FailurePause& pauses, const std::string& client, std::uint32_t count, Instant now) {
  for (std::uint32_t n = 0; n < count; ++n) pauses.failed(client, now);
}

TEST(FailurePause, AClientMayFailAFewTimes) {
  FailurePause pauses;
  EXPECT_FALSE(pauses.find("a", kBegin));
  fail_times(pauses, "a", kFreeFailures - 1, kBegin);
  EXPECT_EQ(pauses.remaining("a", kBegin), seconds(0));
  pauses.failed("a", kBegin);
  EXPECT_EQ(pauses.remaining("a", kBegin), kFirstPause);
  EXPECT_EQ(pauses.find("a", kBegin)->failures, kFreeFailures);
  EXPECT_EQ(pauses.remaining("b", kBegin), seconds(0)) << "somebody else";
}

TEST(FailurePause, EachPauseIsTwiceTheOneBeforeUpToALimit) {
  FailurePause pauses;
  fail_times(pauses, "a", kFreeFailures, kBegin);
  Instant now = kBegin;
  for (seconds wanted = kFirstPause; wanted < kLongestPause; wanted *= 2) {
    EXPECT_EQ(pauses.remaining("a", now), wanted);
    now += wanted;
    EXPECT_EQ(pauses.remaining("a", now), seconds(0));
    pauses.failed("a", now);
  }
  EXPECT_EQ(pauses.remaining("a", now), kLongestPause);
  fail_times(pauses, "a", 100, now);
  EXPECT_EQ(pauses.remaining("a", now), kLongestPause);
}

TEST(FailurePause, WhatIsLeftIsRoundedUp) {
  FailurePause pauses;
  fail_times(pauses, "a", kFreeFailures, kBegin);
  EXPECT_EQ(pauses.remaining("a", kBegin + kFirstPause - milliseconds(1)), seconds(1));
}

TEST(FailurePause, SuccessOrAnOperatorForgives) {
  FailurePause pauses;
  fail_times(pauses, "a", kFreeFailures, kBegin);
  EXPECT_TRUE(pauses.forget("a"));
  EXPECT_EQ(pauses.remaining("a", kBegin), seconds(0));
  EXPECT_FALSE(pauses.forget("a"));
}

TEST(FailurePause, OldFailuresAreForgotten) {
  FailurePause pauses;
  fail_times(pauses, "a", kFreeFailures, kBegin);
  EXPECT_FALSE(pauses.find("a", kBegin + kPauseMemory));
  pauses.failed("a", kBegin + kPauseMemory);
  EXPECT_EQ(pauses.find("a", kBegin + kPauseMemory)->failures, 1U);
}

TEST(FailurePause, RemembersBoundedlyMany) {
  FailurePause pauses;
  for (std::size_t n = 0; n <= kMaxPausedClients; ++n) pauses.failed(std::to_string(n), kBegin);
  EXPECT_TRUE(pauses.find(std::to_string(kMaxPausedClients - 1), kBegin));
  EXPECT_FALSE(pauses.find(std::to_string(kMaxPausedClients), kBegin));
  pauses.failed("later", kBegin + kPauseMemory);
  EXPECT_TRUE(pauses.find("later", kBegin + kPauseMemory)) << "the old ones made room";
}

}  // namespace
}  // namespace sallyport::authority
