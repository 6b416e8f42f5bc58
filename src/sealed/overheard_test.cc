#include "sealed/overheard.h"

#include <gtest/gtest.h>

#include <array>
#include "sealed/detail/test_world.h"

namespace sallyport::sealed {
namespace {

using testing::World;

TEST(Overheard, EachMessageIsToldByItsTypeMarkAndLength) {
  World world;
  world.call_and_run("get", {.idempotent = true});
  world.call_and_run("set");
  const Bytes init = world.last(0x51).payload, accept = world.last(0x53).payload, data = world.last(0x54).payload;
  const auto heard_init = overhear(init);
  ASSERT_TRUE(heard_init);
  EXPECT_EQ(to_string(heard_init->type), "INIT");
  const Hint hint = hint_at(world.node_key(), world.civil);
  EXPECT_TRUE(std::ranges::equal(heard_init->mark, hint));
  EXPECT_EQ(heard_init->sealed_bytes, 21U + 3U) << "a call of three characters";
  EXPECT_EQ(to_string(overhear(accept)->type), "ACCEPT");
  EXPECT_TRUE(overhear(accept)->mark.empty());
  EXPECT_EQ(overhear(data)->mark.size(), 8U);
  EXPECT_EQ(overhear(data)->sealed_bytes, 21U + 3U);
}

TEST(Overheard, WhatIsNoneOfOursIsNothing) {
  World world;
  world.call_and_run("get", {.idempotent = true});
  const Bytes init = world.last(0x51).payload;
  EXPECT_FALSE(overhear({}));
  EXPECT_FALSE(overhear(ByteView(init).first(kInitBytes - 1)));
  EXPECT_FALSE(overhear(Bytes(kMaxMessageBytes + 1, 0x54)));
  for (unsigned type = 0; type < 256; ++type) {
    if (type >= 0x51 && type <= 0x55) continue;
    EXPECT_FALSE(overhear(Bytes(100, static_cast<std::uint8_t>(type)))) << type;
  }
  for (const std::uint8_t type : std::array<std::uint8_t, 4>{0x52, 0x53, 0x54, 0x55})
    EXPECT_FALSE(overhear(Bytes(24, type)));
}

TEST(Overheard, WhoHasTheKeyReadsTheFirstMessageAndKnowsItsInbox) {
  World world;
  const CallId id = world.call("get the level", {.idempotent = true});
  const Bytes init = world.queue.front().payload;
  world.run();
  const auto opened = open_init(world.node_key(), world.prefix, world.node, init);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->body.id, id);
  EXPECT_EQ(opened->body.json, "get the level");
  EXPECT_TRUE(opened->has_clock);
  EXPECT_EQ(opened->reply_topic, world.subscribed.back());
}

TEST(Overheard, AnotherKeyNodeOrTopicAndEveryChangedBitOpenNothing) {
  World world;
  world.call("get", {.idempotent = true});
  const Bytes init = world.queue.front().payload;
  const NodeKey key = world.node_key();
  const ApiKey other = draw_api_key(KeyId("pump"), world.random);
  EXPECT_FALSE(open_init(derive_node_key(other.secret, world.node), world.prefix, world.node, init));
  EXPECT_FALSE(open_init(key, world.prefix, NodeName("pump-8"), init));
  EXPECT_FALSE(open_init(key, TopicPrefix(""), world.node, init));
  for (std::size_t size = 0; size < init.size(); ++size)
    EXPECT_FALSE(open_init(key, world.prefix, world.node, ByteView(init).first(size)));
  for (std::size_t byte = 1; byte < init.size(); ++byte) {
    Bytes changed = init;
    changed[byte] ^= 1;
    EXPECT_FALSE(open_init(key, world.prefix, world.node, changed)) << byte;
  }
}

TEST(Overheard, NothingThatFollowsIsOpenedByTheKey) {
  World world;
  world.call_and_run("get", {.idempotent = true});
  world.call_and_run("set");
  for (const auto& message : world.wire) {
    if (message.payload[0] == 0x51) continue;
    EXPECT_FALSE(open_init(world.node_key(), world.prefix, world.node, message.payload));
    Bytes as_init = message.payload;
    as_init[0] = 0x51;
    EXPECT_FALSE(open_init(world.node_key(), world.prefix, world.node, as_init));
  }
}

}  // namespace
}  // namespace sallyport::sealed
