#include "authority/failure_pause.h"

#include <gtest/gtest.h>

namespace sallyport::authority {
namespace {

constexpr Instant kStart{};

void fail_times(FailurePause& pauses, const std::string& client, std::uint32_t count, Instant now) {
  for (std::uint32_t n = 0; n < count; ++n) pauses.failed(client, now);
}

TEST(FailurePause, AClientMayFailAFewTimes) {
  FailurePause pauses;
  EXPECT_FALSE(pauses.find("a", kStart));
  fail_times(pauses, "a", kFreeFailures - 1, kStart);
  EXPECT_EQ(pauses.remaining("a", kStart), seconds(0));
  pauses.failed("a", kStart);
  EXPECT_EQ(pauses.remaining("a", kStart), kFirstPause);
  EXPECT_EQ(pauses.find("a", kStart)->failures, kFreeFailures);
  EXPECT_EQ(pauses.remaining("b", kStart), seconds(0)) << "somebody else";
}

TEST(FailurePause, EachPauseIsTwiceTheOneBeforeUpToALimit) {
  FailurePause pauses;
  fail_times(pauses, "a", kFreeFailures, kStart);
  Instant now = kStart;
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
  fail_times(pauses, "a", kFreeFailures, kStart);
  EXPECT_EQ(pauses.remaining("a", kStart + kFirstPause - milliseconds(1)), seconds(1));
}

TEST(FailurePause, SuccessOrAnOperatorForgives) {
  FailurePause pauses;
  fail_times(pauses, "a", kFreeFailures, kStart);
  EXPECT_TRUE(pauses.forget("a"));
  EXPECT_EQ(pauses.remaining("a", kStart), seconds(0));
  EXPECT_FALSE(pauses.forget("a"));
}

TEST(FailurePause, OldFailuresAreForgotten) {
  FailurePause pauses;
  fail_times(pauses, "a", kFreeFailures, kStart);
  EXPECT_FALSE(pauses.find("a", kStart + kPauseMemory));
  pauses.failed("a", kStart + kPauseMemory);
  EXPECT_EQ(pauses.find("a", kStart + kPauseMemory)->failures, 1U);
}

TEST(FailurePause, RemembersBoundedlyMany) {
  FailurePause pauses;
  for (std::size_t n = 0; n <= kMaxPausedClients; ++n) pauses.failed(std::to_string(n), kStart);
  EXPECT_TRUE(pauses.find(std::to_string(kMaxPausedClients - 1), kStart));
  EXPECT_FALSE(pauses.find(std::to_string(kMaxPausedClients), kStart));
  pauses.failed("later", kStart + kPauseMemory);
  EXPECT_TRUE(pauses.find("later", kStart + kPauseMemory)) << "the old ones made room";
}

}  // namespace
}  // namespace sallyport::authority
