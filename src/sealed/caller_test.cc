#include "sealed/caller.h"

#include <gtest/gtest.h>

#include "sealed/detail/test_world.h"

namespace sallyport::sealed {
namespace {

using testing::WireMessage;
using testing::World;

constexpr CallOptions kSafe{.idempotent = true};

TEST(Caller, AnIdempotentCallNeedsNoRoundTripBeforeIt) {
  World world;
  const CallId id = world.call("get", kSafe);
  ASSERT_EQ(world.queue.size(), 1U);
  world.to_node(world.queue.front().payload);
  EXPECT_EQ(world.times_run(id), 1);
}

TEST(Caller, WithoutAClockNothingRidesAndTheNodesClockDatesTheCalls) {
  World world;
  world.skew = -seconds(1'000'000'000);
  world.caller->set_clock(false);
  const CallId id = world.call_and_run("get", kSafe);
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.executed.at(0).deadline, world.civil + seconds(20));
  EXPECT_EQ(world.counts().retried, 0U) << "the handshake was empty";
}

TEST(Caller, AClockThatIsOffByMinutesIsSetRightByTheNodes) {
  for (const seconds skew : {seconds(-400), seconds(400)}) {
    World world;
    world.skew = skew;
    const CallId id = world.call_and_run("get", kSafe);
    EXPECT_TRUE(world.was_done(id)) << skew.count();
    EXPECT_TRUE(world.was_done(world.call_and_run()));
    EXPECT_EQ(world.times_run(id), 1);
  }
}

TEST(Caller, AClockThatIsOffByDaysFindsTheNodeByTheHintWithoutAClock) {
  World world;
  world.skew = 3 * kDay;
  const CallId id = world.call_and_run("set", {}, seconds(60));
  EXPECT_EQ(world.counts().dropped_unknown, 1U);
  for (int i = 0; i < 100 && !world.answers.contains(id); ++i) world.tick();
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.times_run(id), 1);
}

TEST(Caller, WhatTheNodeNeverAnswersEndsAtItsDeadline) {
  World world;
  world.drops = [](const WireMessage&) { return true; };
  const CallId id = world.call("get", kSafe, seconds(5));
  for (int i = 0; i < 19; ++i) world.tick();
  EXPECT_FALSE(world.answers.contains(id));
  world.tick();
  EXPECT_EQ(world.answers.at(id).error().code, Errc::expired);
  EXPECT_EQ(world.caller->pending(), 0U);
}

TEST(Caller, ANodeThatWasRestartedIsFoundAgain) {
  World world;
  world.call_and_run();
  world.start_node();
  const CallId id = world.call_and_run();
  for (int i = 0; i < 40 && !world.answers.contains(id); ++i) world.tick();
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.caller->counts().sessions, 2U);
}

TEST(Caller, ALostAcceptCostsAnotherHandshakeAndNoSecondRun) {
  World world;
  int lost = 0;
  world.drops = [&](const WireMessage& message) { return message.payload[0] == 0x53 && lost++ == 0; };
  const CallId id = world.call_and_run("get", kSafe);
  for (int i = 0; i < 40 && !world.answers.contains(id); ++i) world.tick();
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.times_run(id), 1);
}

TEST(Caller, HandshakesInTheDarkAreBounded) {
  World world;
  world.drops = [](const WireMessage&) { return true; };
  world.call("get", kSafe, seconds(600));
  for (int i = 0; i < 2'000; ++i) world.tick();
  EXPECT_LE(world.subscribed.size(), 3U);
  EXPECT_LT(world.wire.size(), 60U) << "resends grow apart";
}

TEST(Caller, ADisconnectionEndsThoseThatAskedForItAndHoldsTheOthers) {
  World world;
  world.call_and_run();
  world.holds = true;
  const CallId fails = world.call_and_run("set", {.fail_on_disconnect = true});
  const CallId waits = world.call_and_run();
  world.take(world.caller->on_disconnected(world.now()));
  EXPECT_EQ(world.answers.at(fails).error().code, Errc::unavailable);
  EXPECT_FALSE(world.answers.contains(waits));
  const CallId refused = world.call("set", {.fail_on_disconnect = true});
  EXPECT_EQ(world.answers.at(refused).error().code, Errc::unavailable);
  world.finish(world.executed.back());
  world.queue.clear();
  world.take(world.caller->on_connected(world.now()));
  world.run();
  EXPECT_TRUE(world.was_done(waits));
  EXPECT_EQ(world.times_run(waits), 1);
}

TEST(Caller, AReplyThatComesAfterTheEndIsNobodys) {
  World world;
  world.call_and_run();
  world.holds = true;
  const CallId id = world.call_and_run("set", {}, seconds(1));
  for (int i = 0; i < 5; ++i) world.tick();
  EXPECT_EQ(world.answers.at(id).error().code, Errc::expired);
  world.finish(world.executed.back());
  world.run();
  EXPECT_EQ(world.caller->counts().dropped, 1U);
}

TEST(Caller, AForgottenCallIsNotAnswered) {
  World world;
  world.call_and_run();
  const CallId id = world.call();
  world.caller->forget(id);
  world.run();
  EXPECT_FALSE(world.answers.contains(id));
  EXPECT_EQ(world.caller->pending(), 0U);
}

TEST(Caller, TooManyThatWaitAreRefusedAndTheRestTakeTurns) {
  World world(1, {}, {.pending = 100, .in_flight = 8});
  world.holds = true;
  std::vector<CallId> ids;
  for (int i = 0; i < 101; ++i) ids.push_back(world.call());
  EXPECT_EQ(world.answers.at(ids.back()).error().code, Errc::overloaded);
  world.run();
  EXPECT_EQ(world.executed.size(), 8U);
  for (std::size_t i = 0; i < world.executed.size(); ++i) {
    world.finish(Execute(world.executed[i]));
    world.run();
  }
  for (std::size_t i = 0; i < 100; ++i) EXPECT_TRUE(world.was_done(ids[i]));
}

TEST(Caller, ASlowCallDoesNotHoldBackTheWindow) {
  World world;
  world.call_and_run();
  world.holds = true;
  const CallId slow = world.call_and_run("set", {}, seconds(60));
  const Execute held = world.executed.back();
  world.holds = false;
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(world.was_done(world.call_and_run()));
  world.finish(held);
  world.run();
  EXPECT_TRUE(world.was_done(slow));
  EXPECT_EQ(world.times_run(slow), 1);
  EXPECT_EQ(world.caller->counts().sessions, 1U);
}

TEST(Caller, ASessionIsReplacedBeforeItEnds) {
  World world;
  world.call_and_run();
  world.advance(seconds(3'301));
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  EXPECT_EQ(world.caller->counts().sessions, 2U);
  for (int i = 0; i < 130; ++i) world.tick();
  EXPECT_EQ(world.subscribed.size(), 1U) << "the old inbox is given up";
}

TEST(Caller, TooLongACallIsRefused) {
  World world;
  const CallId id = world.call(std::string(kMaxMessageBytes, 'x'));
  EXPECT_EQ(world.answers.at(id).error().code, Errc::malformed);
  const CallId longest = world.call_and_run(std::string(kMaxMessageBytes - 46 - 100, 'x'));
  EXPECT_TRUE(world.answers.contains(longest));
}

TEST(Caller, AStoredCallSurvivesAReconnection) {
  World world;
  const CallId id = world.call("set", {.stored = true}, kDay);
  world.queue.clear();
  world.take(world.caller->on_disconnected(world.now()));
  world.take(world.caller->on_connected(world.now()));
  world.run();
  EXPECT_EQ(world.times_run(id), 1);
  EXPECT_EQ(world.answers.at(id)->status, ReplyStatus::accepted);
}

TEST(Caller, ACallIsNotStoredBeforeTheTimeIsKnown) {
  World world;
  world.caller->set_clock(false);
  const CallId refused = world.call_and_run("set", {.stored = true}, kDay);
  ASSERT_TRUE(world.answers.contains(refused));
  EXPECT_EQ(world.answers.at(refused).error().code, Errc::not_yet);
  EXPECT_EQ(world.caller->pending(), 0U);
  EXPECT_EQ(world.times_run(refused), 0);
  EXPECT_TRUE(world.was_done(world.call_and_run())) << "whose answer tells the time";
  const CallId stored = world.call_and_run("set", {.stored = true}, kDay);
  ASSERT_TRUE(world.answers.contains(stored));
  ASSERT_TRUE(world.answers.at(stored)) << world.answers.at(stored).error().detail;
  EXPECT_EQ(world.answers.at(stored)->status, ReplyStatus::accepted);
  EXPECT_EQ(world.times_run(stored), 1);
}

TEST(Caller, ANewKeyServesTheNextHandshake) {
  World world;
  const ApiKey next = draw_api_key(KeyId("next"), world.random);
  world.responder->add_key(KeyId("next"), derive_node_key(next.secret, world.node));
  world.call_and_run();
  world.caller->set_credential(KeyCredential{derive_node_key(next.secret, world.node)});
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  EXPECT_EQ(world.executed.back().principal, key_principal(KeyId("pump"))) << "the open session stays";
  world.responder->remove_key(KeyId("pump"));
  const CallId id = world.call_and_run();
  for (int i = 0; i < 40 && !world.answers.contains(id); ++i) world.tick();
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.executed.back().principal, key_principal(KeyId("next")));
}

}  // namespace
}  // namespace sallyport::sealed
