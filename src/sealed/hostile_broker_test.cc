// What must fail against a broker that may do anything (docs/threat-model.md, P2; docs/protocol/sealed-rpc.md).
#include <gtest/gtest.h>

#include "sealed/detail/test_world.h"

namespace sallyport::sealed {
namespace {

using testing::WireMessage;
using testing::World;

constexpr std::uint8_t kInitType = 0x51;
constexpr std::uint8_t kAcceptType = 0x53;
constexpr std::uint8_t kDataType = 0x54;
constexpr std::uint8_t kReplyType = 0x55;
constexpr CallOptions kRides{.idempotent = true};

TEST(HostileBroker, ACallIsExecutedAndAnsweredOnce) {
  World world;
  const CallId first = world.call_and_run();
  const CallId second = world.call_and_run("get", kRides);
  EXPECT_TRUE(world.was_done(first));
  EXPECT_TRUE(world.was_done(second));
  EXPECT_EQ(world.times_run(first), 1);
  EXPECT_EQ(world.counts().opened, 1U);
  EXPECT_EQ(world.last(kDataType).payload.size(), 25U + 21U + 3U);
}

TEST(HostileBroker, ARequestThatIsRepeatedIsDropped) {
  World world;
  const CallId id = world.call_and_run();
  const WireMessage data = world.last(kDataType);
  for (const milliseconds later : {milliseconds(0), milliseconds(1'000), milliseconds(86'400'000)}) {
    world.advance(later);
    world.deliver(data);
    world.run();
  }
  EXPECT_EQ(world.times_run(id), 1);
  EXPECT_EQ(world.counts().dropped_unknown, 3U);
}

TEST(HostileBroker, AHandshakeThatIsRepeatedIsDroppedWithoutAnAnswer) {
  World world;
  const CallId id = world.call_and_run("get", kRides);
  EXPECT_TRUE(world.was_done(id));
  const std::size_t published = world.wire.size();
  world.deliver(world.last(kInitType));
  EXPECT_EQ(world.counts().dropped_seen, 1U);
  EXPECT_EQ(world.wire.size(), published);
  EXPECT_EQ(world.responder->sessions(), 1U);
}

TEST(HostileBroker, ARequestMovedToAnotherNodeDoesNotOpen) {
  World world;
  world.call_and_run("get", kRides);
  Responder other(NodeName("pump-8"), world.prefix, world.random, testing::kWorldStart);
  other.add_key(KeyId("pump"), derive_node_key(world.key.secret, NodeName("pump-8")));
  EXPECT_TRUE(other.on_message(world.last(kInitType).payload, false, world.civil).empty());
  EXPECT_EQ(other.counts().dropped_unknown, 1U);
  // Even one that was given the other's key.
  Responder thief(NodeName("pump-8"), world.prefix, world.random, testing::kWorldStart);
  thief.add_key(KeyId("pump"), world.node_key());
  EXPECT_TRUE(thief.on_message(world.last(kInitType).payload, false, world.civil).empty());
  EXPECT_EQ(thief.counts().dropped_forged, 1U);
}

TEST(HostileBroker, ARequestMovedToAnotherTopicDoesNotOpen) {
  World world;
  world.call_and_run("get", kRides);
  Responder elsewhere(world.node, TopicPrefix("west"), world.random, testing::kWorldStart);
  elsewhere.add_key(KeyId("pump"), world.node_key());
  EXPECT_TRUE(elsewhere.on_message(world.last(kInitType).payload, false, world.civil).empty());
  EXPECT_EQ(elsewhere.counts().dropped_forged, 1U);
}

TEST(HostileBroker, RepliesThatAreSwappedAnswerNobody) {
  World world;
  world.call_and_run();
  world.holds = true;
  const CallId first = world.call_and_run();
  const CallId second = world.call_and_run();
  const auto reply_to = [&](const Execute& execute) {
    world.finish(execute);
    WireMessage out = world.queue.back();
    world.queue.clear();
    return out;
  };
  const WireMessage to_first = reply_to(world.executed.at(1));
  const WireMessage to_second = reply_to(world.executed.at(2));
  // The tag of one with the text of the other.
  WireMessage swapped = to_first;
  std::copy(to_second.payload.begin() + 9, to_second.payload.end(), swapped.payload.begin() + 9);
  world.deliver(swapped);
  EXPECT_EQ(world.caller->counts().dropped, 1U);
  EXPECT_EQ(world.caller->pending(), 2U);
  world.deliver(to_second);
  world.deliver(to_first);
  EXPECT_TRUE(world.was_done(first));
  EXPECT_TRUE(world.was_done(second));
}

TEST(HostileBroker, AReplyFromAnotherInboxIsDropped) {
  World world;
  const CallId id = world.call("get", kRides);
  std::vector<WireMessage> replies;
  world.drops = [&](const WireMessage& message) {
    if (message.topic == world.responder->topic()) return false;
    replies.push_back(message);
    return true;
  };
  world.run();
  for (WireMessage reply : replies) {
    reply.topic = "plant/r/AAAAAAAAAAAAAAAAAAAAAA";
    world.deliver(reply);
  }
  EXPECT_FALSE(world.answers.contains(id));
  for (const WireMessage& reply : replies) world.deliver(reply);
  EXPECT_TRUE(world.was_done(id));
  replies.clear();
  const CallId next = world.call_and_run();
  ASSERT_EQ(replies.size(), 1U);
  world.deliver({.topic = "plant/r/AAAAAAAAAAAAAAAAAAAAAA", .payload = replies[0].payload});
  EXPECT_FALSE(world.answers.contains(next));
  world.deliver(replies[0]);
  EXPECT_TRUE(world.was_done(next));
}

TEST(HostileBroker, AnAlteredBitAnywhereDoesNotOpen) {
  World world;
  world.call_and_run();
  const CallId id = world.call();
  const WireMessage data = world.queue.back();
  world.queue.clear();
  for (std::size_t bit = 0; bit < 8 * data.payload.size(); ++bit) {
    Bytes altered = data.payload;
    altered[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    world.to_node(altered);
  }
  EXPECT_EQ(world.times_run(id), 0);
  // The message itself is still good: what was forged took nothing from it.
  world.to_node(data.payload);
  world.run();
  EXPECT_TRUE(world.was_done(id));
}

TEST(HostileBroker, ATruncatedOrExtendedMessageDoesNotOpen) {
  World world;
  world.call("get", kRides);
  const Bytes init = world.queue.front().payload;
  for (std::size_t size = 0; size < init.size(); ++size)
    world.to_node(Bytes(init.begin(), init.begin() + static_cast<std::ptrdiff_t>(size)));
  Bytes longer = init;
  longer.push_back(0);
  world.to_node(longer);
  EXPECT_EQ(world.counts().opened, 0U);
  world.run();
  world.call();
  const Bytes data = world.queue.front().payload;
  for (std::size_t size = 0; size < data.size(); ++size)
    world.to_node(Bytes(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(size)));
  EXPECT_EQ(world.counts().requests, 1U);
}

TEST(HostileBroker, AnotherVersionOrTypeIsNotUnderstood) {
  World world;
  world.call("get", kRides);
  Bytes init = world.queue.front().payload;
  for (unsigned type = 0; type < 256; ++type) {
    if (type == kInitType) continue;
    init[0] = static_cast<std::uint8_t>(type);
    world.to_node(init);
  }
  EXPECT_EQ(world.counts().opened, 0U);
  EXPECT_TRUE(world.executed.empty());
}

TEST(HostileBroker, WhatIsRetainedIsDroppedByBoth) {
  World world;
  const CallId id = world.call("get", kRides);
  const WireMessage init = world.queue.front();
  world.queue.clear();
  world.deliver(init, true);
  EXPECT_EQ(world.counts().dropped_retained, 1U);
  world.deliver(init);
  const WireMessage accept = world.queue.front();
  world.deliver(accept, true);
  EXPECT_FALSE(world.answers.contains(id));
  world.run();
  EXPECT_TRUE(world.was_done(id));
}

TEST(HostileBroker, ADuplicateOfEveryMessageChangesNothing) {
  World world;
  for (int i = 0; i < 20; ++i) {
    const CallId id = world.call(i % 2 == 0 ? "get" : "set", kRides);
    while (!world.queue.empty()) {
      const WireMessage message = world.queue.front();
      world.queue.pop_front();
      world.deliver(message);
      world.deliver(message);
    }
    EXPECT_TRUE(world.was_done(id));
    EXPECT_EQ(world.times_run(id), 1);
  }
}

TEST(HostileBroker, ARequestReflectedIsNoReplyAndAReplyIsNoRequest) {
  World world;
  world.call_and_run();
  const CallId id = world.call();
  const Bytes data = world.queue.front().payload;
  world.queue.clear();
  for (const std::uint8_t type : {kDataType, kReplyType, kAcceptType}) {
    Bytes reflected = data;
    reflected[0] = type;
    world.deliver({.topic = world.subscribed.back(), .payload = reflected});
  }
  EXPECT_FALSE(world.answers.contains(id));
  EXPECT_EQ(world.caller->counts().dropped, 3U);
  Bytes reply = world.last(kReplyType).payload;
  for (const std::uint8_t type : {kDataType, kReplyType, kAcceptType}) {
    reply[0] = type;
    world.to_node(reply);
  }
  EXPECT_EQ(world.times_run(id), 0);
}

TEST(HostileBroker, AHandshakeWithAHintOfLongAgoIsUnknown) {
  World world;
  world.call("get", kRides);
  const Bytes init = world.queue.front().payload;
  world.advance(seconds(2 * 600 + 1));
  world.to_node(init);
  EXPECT_EQ(world.counts().dropped_unknown, 1U);
}

TEST(HostileBroker, AHandshakeOfAMinuteAgoExecutesNothing) {
  World world;
  const CallId id = world.call("get", kRides, seconds(300));
  const Bytes init = world.queue.front().payload;
  world.queue.clear();
  world.advance(seconds(61));
  world.to_node(init);
  EXPECT_EQ(world.times_run(id), 0);
  EXPECT_EQ(world.counts().retried, 1U);
}

TEST(HostileBroker, AfterARestartNothingOfBeforeIsExecuted) {
  World world;
  const CallId rode = world.call_and_run("get", kRides);
  const CallId sent = world.call_and_run();
  const std::vector<WireMessage> recorded = world.wire;
  world.start_node();
  for (int later = 0; later < 3; ++later) {
    for (const WireMessage& message : recorded) {
      if (message.topic == world.responder->topic()) world.deliver(message);
    }
    world.advance(seconds(30));
  }
  EXPECT_EQ(world.times_run(rode), 1);
  EXPECT_EQ(world.times_run(sent), 1);
}

TEST(HostileBroker, ALiveCallerIsServedThroughAFloodOfGarbage) {
  World world;
  world.call_and_run();
  SeededRandom noise(99);
  const Bytes init = world.last(kInitType).payload;
  for (int i = 0; i < 20'000; ++i) {
    Bytes garbage = noise.bytes(1 + noise.below(200));
    garbage[0] = static_cast<std::uint8_t>(kInitType + noise.below(5));
    // Some with a hint that is alive.
    if (i % 16 == 0 && garbage.size() > 60) std::copy(init.begin(), init.begin() + 7, garbage.begin());
    world.to_node(garbage);
    if (i % 1'000 == 0) EXPECT_TRUE(world.was_done(world.call_and_run()));
  }
  EXPECT_EQ(world.responder->sessions(), 1U);
  EXPECT_GT(world.counts().dropped_forged, 500U);
}

TEST(HostileBroker, HugeMessagesAreDroppedUnread) {
  World world;
  world.call_and_run();
  Bytes huge(kMaxMessageBytes + 1, kDataType);
  world.to_node(huge);
  world.deliver({.topic = world.subscribed.back(), .payload = huge});
  EXPECT_EQ(world.counts().dropped_malformed, 1U);
  EXPECT_EQ(world.caller->counts().dropped, 1U);
}

TEST(HostileBroker, WhatTheBrokerSawHasNoPlaintextAndNoName) {
  World world;
  world.call_and_run("set marker-of-the-test");
  world.call_and_run("get marker-of-the-test", kRides);
  for (const WireMessage& message : world.wire) {
    for (const std::string_view marker : {"marker", "pump", "ran"})
      EXPECT_EQ(as_text(message.payload).find(marker), std::string_view::npos);
  }
}

TEST(HostileBroker, AnExpiredRequestIsNotExecuted) {
  World world;
  world.call_and_run();
  const CallId id = world.call("set", {}, seconds(5));
  const Bytes data = world.queue.front().payload;
  world.queue.clear();
  world.advance(seconds(7));
  world.to_node(data);
  EXPECT_EQ(world.times_run(id), 0);
  EXPECT_EQ(world.counts().expired, 1U);
}

TEST(HostileBroker, ARequestThatWasHeldBackDoesNotTakeTheAnswerFromALaterOne) {
  World world;
  world.call_and_run();
  world.holds = true;
  const CallId id = world.call();
  const WireMessage held = world.queue.front();
  world.queue.clear();
  for (int i = 0; i < 10; ++i) world.tick();
  ASSERT_EQ(world.times_run(id), 1);
  const Execute execute = world.executed.back();
  world.holds = false;
  // Until the caller has given up the earlier request, and the node just still knows its tag.
  for (int i = 0; i < 63; ++i) world.call_and_run();
  const auto repeated = world.counts().repeated;
  world.deliver(held);
  world.run();
  EXPECT_EQ(world.counts().repeated, repeated + 1);
  world.finish(execute);
  world.run();
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.times_run(id), 1);
}

TEST(HostileBroker, ALostAnswerIsHadByAskingAgainWithoutRunningAgain) {
  World world;
  world.call_and_run();
  int dropped = 0;
  world.drops = [&](const WireMessage& message) { return message.payload[0] == kReplyType && dropped++ < 2; };
  const CallId id = world.call_and_run();
  EXPECT_FALSE(world.answers.contains(id));
  for (int i = 0; i < 60 && !world.answers.contains(id); ++i) world.tick();
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.times_run(id), 1);
  EXPECT_GE(world.counts().repeated, 1U);
}

}  // namespace
}  // namespace sallyport::sealed
