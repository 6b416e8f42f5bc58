#include "rpcnode/waiting_bundles.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace sallyport::rpcnode {
namespace {

const Bytes kBundle(8, 1);

TEST(WaitingBundles, WhoeverTellsAgainOfTheFirstTopicKeepsBackNobody) {
  WaitingBundles waiting;
  for (const char* topic : {"a", "b", "c"}) waiting.put(topic, kBundle);
  std::string taken;
  for (int i = 0; i < 6; ++i) {
    const auto next = waiting.take_next();
    ASSERT_TRUE(next);
    taken += next->first;
    waiting.put("a", kBundle);
    waiting.put("b", kBundle);
  }
  EXPECT_EQ(taken, "abcaba");
}

TEST(WaitingBundles, OfEachTopicTheNewestWaits) {
  WaitingBundles waiting;
  waiting.put("a", kBundle);
  waiting.put("a", Bytes(3, 2));
  EXPECT_EQ(waiting.take_next()->second, Bytes(3, 2));
  EXPECT_FALSE(waiting.take_next());
  waiting.put("a", {});
  EXPECT_TRUE(waiting.empty());
  EXPECT_EQ(waiting.left_out(), 0U);
}

TEST(WaitingBundles, MoreThanThereIsRoomForIsCountedAndLeftOut) {
  WaitingBundles many;
  for (std::size_t i = 0; i <= kMaxWaitingBundles; ++i) many.put(fmt::format("{}", i), kBundle);
  EXPECT_EQ(many.left_out(), 1U);
  many.put("0", Bytes(9, 1));
  EXPECT_EQ(many.left_out(), 1U) << "in place of what waits there is room";
  WaitingBundles large;
  large.put("a", Bytes(kMaxWaitingBundleBytes, 1));
  large.put("b", kBundle);
  EXPECT_EQ(large.left_out(), 1U);
  EXPECT_TRUE(large.take_next());
  large.put("b", kBundle);
  EXPECT_EQ(large.left_out(), 1U) << "there is room again";
}

}  // namespace
}  // namespace sallyport::rpcnode
