#include "authority/site_alarm_limiter.h"

#include <gtest/gtest.h>

namespace sallyport::authority {
namespace {

TEST(SiteAlarmLimiterTest, TheSameIsToldOnceAnHour) {
  SiteAlarmLimiter limiter;
  const Instant start{};
  EXPECT_TRUE(limiter.take("acme", "fork", start));
  EXPECT_FALSE(limiter.take("acme", "fork", start + std::chrono::minutes(59)));
  EXPECT_TRUE(limiter.take("acme", "gap", start));
  EXPECT_TRUE(limiter.take("other", "fork", start));
  EXPECT_TRUE(limiter.take("acme", "fork", start + std::chrono::minutes(60)));
}

TEST(SiteAlarmLimiterTest, ASiteCannotFillTheLog) {
  SiteAlarmLimiter limiter;
  const Instant start{};
  for (std::size_t i = 0; i < kSiteAlarmsPerHour; ++i) EXPECT_TRUE(limiter.take("acme", std::to_string(i), start));
  EXPECT_FALSE(limiter.take("acme", "one more", start));
  EXPECT_TRUE(limiter.take("other", "one more", start)) << "another site is not silenced by it";
  EXPECT_TRUE(limiter.take("acme", "one more", start + std::chrono::hours(1)));
}

}  // namespace
}  // namespace sallyport::authority
