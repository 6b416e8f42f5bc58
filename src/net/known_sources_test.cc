#include "net/known_sources.h"

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

TEST(KnownSources, AreForgottenAfterTheirLife) {
  KnownSources known(10, seconds(60));
  EXPECT_FALSE(known.contains("a", Instant{}));
  known.remember("a", Instant{});
  EXPECT_TRUE(known.contains("a", Instant(seconds(59))));
  EXPECT_FALSE(known.contains("a", Instant(seconds(60))));
  known.remember("a", Instant(seconds(60)));
  EXPECT_TRUE(known.contains("a", Instant(seconds(119))));
}

TEST(KnownSources, TheOneSeenLongestAgoGivesWay) {
  KnownSources known(2, seconds(60));
  known.remember("a", Instant(seconds(0)));
  known.remember("b", Instant(seconds(1)));
  known.remember("a", Instant(seconds(2)));
  known.remember("c", Instant(seconds(3)));
  EXPECT_TRUE(known.contains("a", Instant(seconds(4))));
  EXPECT_FALSE(known.contains("b", Instant(seconds(4))));
  EXPECT_TRUE(known.contains("c", Instant(seconds(4))));
}

}  // namespace
}  // namespace sallyport::net
