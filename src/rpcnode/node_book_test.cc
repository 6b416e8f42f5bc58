#include "rpcnode/node_book.h"

#include "rpcnode/detail/test_devices.h"

namespace sallyport::rpcnode {
namespace {

class NodeBookTest : public testing::Test {
 protected:
  static std::string topic(const std::string& node) { return node + "/api/bundle"; }
  const FoundNode* find(const std::string& node) const {
    const auto found = book.nodes().find(sealed::NodeName(node));
    return found == book.nodes().end() ? nullptr : &found->second;
  }
  bool take(const std::string& node, ByteView bytes, UnixTime now = kTestNow) {
    return book.take(topic(node), bytes, now);
  }

  TestDevices devices;
  NodeBook book{sealed::TopicPrefix(), {devices.root()}, TestDevices::zone()};
  TestDevice press = devices.make("press22222");
  TestDevice mixer = devices.make("mixer22222");
};

TEST_F(NodeBookTest, ListsWhatADeviceHasSigned) {
  EXPECT_TRUE(take("pump-1", devices.bundle(press, "pump-1")));
  const FoundNode* const found = find("pump-1");
  ASSERT_NE(found, nullptr);
  ASSERT_EQ(found->holders.size(), 1U);
  EXPECT_EQ(found->holders.front().device, press.name);
  EXPECT_EQ(found->since, kTestNow);
  EXPECT_TRUE(found->refusal.empty());
}

TEST_F(NodeBookTest, ABundleOfWhichAByteIsChangedHoldsNothing) {
  const Bytes good = devices.bundle(press, "pump-1");
  for (const std::size_t at : {std::size_t{0}, good.size() / 3, good.size() / 2, good.size() - 1}) {
    Bytes bad = good;
    bad[at] ^= 1;
    take("pump-1", bad);
    ASSERT_NE(find("pump-1"), nullptr) << at;
    EXPECT_TRUE(find("pump-1")->holders.empty()) << at;
    EXPECT_FALSE(find("pump-1")->refusal.empty()) << at;
  }
}

TEST_F(NodeBookTest, ABundleAtAnotherNodesTopicHoldsNothing) {
  take("pump-2", devices.bundle(press, "pump-1"));
  ASSERT_NE(find("pump-2"), nullptr);
  EXPECT_TRUE(find("pump-2")->holders.empty());
  EXPECT_EQ(find("pump-2")->refusal, "another node's topic");
  EXPECT_EQ(find("pump-1"), nullptr);
}

TEST_F(NodeBookTest, ABundleUnderAnotherRootOrOutOfItsTimeHoldsNothing) {
  TestDevices strangers;
  TestDevice stranger = strangers.make("press22222");
  take("pump-1", strangers.bundle(stranger, "pump-1"));
  EXPECT_TRUE(find("pump-1")->holders.empty());
  take("pump-2", devices.bundle(press, "pump-2", 1, kTestNow - 2 * sealed::kBundleLife));
  EXPECT_TRUE(find("pump-2")->holders.empty());
  take("pump-3", devices.bundle(press, "pump-3", 1, kTestNow + kDay));
  EXPECT_TRUE(find("pump-3")->holders.empty());
}

TEST_F(NodeBookTest, WhatDoesNotHoldNeverDisplacesWhatDoes) {
  take("pump-1", devices.bundle(press, "pump-1", 5));
  EXPECT_TRUE(take("pump-1", Bytes(100, 0x55))) << "the refusal is shown";
  ASSERT_EQ(find("pump-1")->holders.size(), 1U);
  EXPECT_FALSE(find("pump-1")->refusal.empty());
  EXPECT_FALSE(take("pump-1", devices.bundle(press, "pump-1", 4))) << "an older one that a broker repeats";
  EXPECT_EQ(find("pump-1")->holders.front().sequence, 5U);
  EXPECT_TRUE(take("pump-1", devices.bundle(press, "pump-1", 6)));
  EXPECT_TRUE(find("pump-1")->refusal.empty());
}

TEST_F(NodeBookTest, TwoDevicesUnderOneNameAreShownAsBoth) {
  take("pump-1", devices.bundle(press, "pump-1"));
  take("pump-1", devices.bundle(mixer, "pump-1"));
  EXPECT_EQ(find("pump-1")->holders.size(), 2U);
}

TEST_F(NodeBookTest, OneDeviceTakesSoManyNamesAndNoMore) {
  for (std::size_t i = 0; i < kMaxNodesOfDevice + 5; ++i) {
    const std::string name = fmt::format("node-{}", i);
    take(name, devices.bundle(press, name));
  }
  EXPECT_EQ(book.nodes().size(), kMaxNodesOfDevice);
  EXPECT_EQ(book.left_out(), 5U);
  take("mixer", devices.bundle(mixer, "mixer"));
  EXPECT_NE(find("mixer"), nullptr) << "another device has its own";
}

TEST_F(NodeBookTest, GarbageTakesABoundedPlaceAndNoneOfTheOthers) {
  take("pump-1", devices.bundle(press, "pump-1"));
  for (std::size_t i = 0; i < 3 * kMaxRefusedNodes; ++i) take(fmt::format("garbage-{}", i), Bytes(40, 0x33));
  EXPECT_EQ(book.nodes().size(), kMaxRefusedNodes + 1);
  EXPECT_EQ(find("pump-1")->holders.size(), 1U);
}

TEST_F(NodeBookTest, TopicsThatAreNoBundlesAreDropped) {
  const Bytes good = devices.bundle(press, "pump-1");
  NodeBook below(sealed::TopicPrefix("hall-1"), {devices.root()}, TestDevices::zone());
  for (const char* other : {"pump-1/api/request", "api/bundle", "/api/bundle", "a/b/api/bundle", "pump 1/api/bundle",
                            "pump-1/api/bundle/x", ""}) {
    EXPECT_FALSE(book.take(other, good, kTestNow)) << other;
    EXPECT_FALSE(below.take(other, good, kTestNow)) << other;
  }
  EXPECT_FALSE(book.take("pump-1/api/bundle", {}, kTestNow)) << "a retained message that was taken away";
  EXPECT_TRUE(book.nodes().empty());
  EXPECT_TRUE(below.take("hall-1/pump-1/api/bundle", good, kTestNow));
}

TEST_F(NodeBookTest, WhatIsOverIsSaidSo) {
  take("pump-1", devices.bundle(press, "pump-1"));
  EXPECT_FALSE(book.on_tick(kTestNow + sealed::kBundleLife - seconds(1)));
  EXPECT_TRUE(book.on_tick(kTestNow + sealed::kBundleLife));
  EXPECT_TRUE(find("pump-1")->holders.empty());
  EXPECT_EQ(find("pump-1")->refusal, "its bundle is over");
}

}  // namespace
}  // namespace sallyport::rpcnode
