#include "tunnel/keepalive.h"

#include <gtest/gtest.h>

namespace sallyport::tunnel {
namespace {

void answer(PingInterval& interval, unsigned times) {
  for (unsigned i = 0; i < times; ++i) interval.on_answered();
}

TEST(PingInterval, HalvesOnALossAndGrowsByTheSecondToBelowWhatWasTooLong) {
  PingInterval interval;
  EXPECT_EQ(interval.current(), kMaxPingInterval);
  interval.on_lost();
  EXPECT_EQ(interval.current(), seconds(7));
  answer(interval, 9);
  EXPECT_EQ(interval.current(), seconds(7));
  answer(interval, 1);
  EXPECT_EQ(interval.current(), seconds(8));
  answer(interval, 100);
  EXPECT_EQ(interval.current(), seconds(14));
}

// A NAT that forgets after 9 seconds.
TEST(PingInterval, FindsWhatANatStandsAndStaysThere) {
  constexpr seconds kNat{9};
  PingInterval interval;
  unsigned lost = 0;
  for (int ping = 0; ping < 400; ++ping) {
    if (interval.current() < kNat) {
      interval.on_answered();
    } else {
      ++lost;
      interval.on_lost();
    }
  }
  EXPECT_EQ(interval.current(), seconds(8));
  EXPECT_EQ(lost, 2U);
}

TEST(PingInterval, TriesMoreAgainLaterAndLaterStillWhenThatWasWrong) {
  PingInterval interval(PingInterval::Learnt{.current = seconds(8), .ceiling = seconds(8)});
  answer(interval, kAnswersToForget - 1);
  EXPECT_EQ(interval.current(), seconds(8));
  answer(interval, 1);
  EXPECT_EQ(interval.current(), seconds(9));
  interval.on_lost();
  EXPECT_EQ(interval.learnt(), (PingInterval::Learnt{.current = seconds(5), .ceiling = seconds(8)}));
  answer(interval, 30);
  EXPECT_EQ(interval.current(), seconds(8));
  answer(interval, 2 * kAnswersToForget - 1);
  EXPECT_EQ(interval.current(), seconds(8));
  answer(interval, 1);
  EXPECT_EQ(interval.current(), seconds(9));
}

TEST(PingInterval, ComesBackToTheLongestOnceNothingIsLost) {
  PingInterval interval(PingInterval::Learnt{.current = seconds(5), .ceiling = seconds(5)});
  answer(interval, 64 * 10 * kAnswersToForget);
  EXPECT_EQ(interval.current(), kMaxPingInterval);
}

TEST(PingInterval, StaysWithinItsBoundsWhateverIsRemembered) {
  for (const long long current : {-1LL, 0LL, 4LL, 7LL, 16LL, 1LL << 40U}) {
    for (const long long ceiling : {-5LL, 0LL, 6LL, 15LL, 99LL}) {
      PingInterval interval(PingInterval::Learnt{.current = seconds(current), .ceiling = seconds(ceiling)});
      for (int i = 0; i < 3; ++i) {
        EXPECT_GE(interval.current(), kMinPingInterval);
        EXPECT_LE(interval.current(), interval.learnt().ceiling);
        EXPECT_LE(interval.learnt().ceiling, kMaxPingInterval);
        interval.on_lost();
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::tunnel
