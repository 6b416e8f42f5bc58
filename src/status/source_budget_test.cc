#include "status/source_budget.h"

#include <gtest/gtest.h>

namespace sallyport::status {
namespace {

TEST(SourceBudget, CountsANetworkAndNotAnAddress) {
  EXPECT_EQ(source_network("192.0.2.1"), source_network("192.0.2.254"));
  EXPECT_NE(source_network("192.0.2.1"), source_network("192.0.3.1"));
  EXPECT_EQ(source_network("2001:db8:0:1ff::1"), source_network("2001:db8:0:100::2"));
  EXPECT_NE(source_network("2001:db8:0:1ff::1"), source_network("2001:db8:0:200::1"));
}

TEST(SourceBudget, OneNetworkCannotSpendAnothersTokens) {
  SourceBudget budget;
  const Instant start{};
  for (int i = 0; i < static_cast<int>(kSourceBurst); ++i) ASSERT_TRUE(budget.take("192.0.2.1", start));
  EXPECT_FALSE(budget.take("192.0.2.2", start));
  EXPECT_TRUE(budget.take("198.51.100.1", start));
  EXPECT_TRUE(budget.take("192.0.2.1", start + seconds(1)));
}

TEST(SourceBudget, RemembersABoundedNumberOfNetworks) {
  SourceBudget budget;
  const Instant start{};
  for (std::size_t i = 0; i < kMaxSources; ++i) ASSERT_TRUE(budget.take("host-" + std::to_string(i), start));
  EXPECT_FALSE(budget.take("one-more", start));
  EXPECT_TRUE(budget.take("one-more", start + seconds(1))) << "full buckets are forgotten";
}

}  // namespace
}  // namespace sallyport::status
