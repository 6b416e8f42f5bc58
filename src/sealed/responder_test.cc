#include "sealed/responder.h"

#include <gtest/gtest.h>

#include "sealed/detail/test_world.h"

namespace sallyport::sealed {
namespace {

using testing::kWorldStart;
using testing::WireMessage;
using testing::World;

constexpr CallOptions kIdempotent{.idempotent = true};

const ReplyBody* reply_of(const World& world, const CallId& id) {
  const auto found = world.answers.find(id);
  return found == world.answers.end() || !found->second ? nullptr : &*found->second;
}

TEST(Responder, AnotherPrincipalsCallIdIsAnotherCall) {
  World world;
  const CallId id = world.call_and_run("set first");
  const ApiKey other_key = draw_api_key(KeyId("other"), world.random);
  world.responder->add_key(KeyId("other"), derive_node_key(other_key.secret, world.node));
  Caller* const first = world.caller.get();
  EXPECT_NE(first, nullptr);
  world.start_caller(KeyCredential{derive_node_key(other_key.secret, world.node)});
  world.answers.clear();
  world.take(world.caller->call(id, "set second", seconds(20), {}, world.now()));
  world.run();
  // It gets no result of the other's, and takes none away.
  EXPECT_EQ(world.times_run(id, "key:other"), 1);
  EXPECT_EQ(world.times_run(id), 1);
  ASSERT_NE(reply_of(world, id), nullptr);
  EXPECT_NE(reply_of(world, id)->json.find("second"), std::string::npos);
}

TEST(Responder, AMethodThatIsNotIdempotentNeverRunsFromAHandshake) {
  World world;
  // A caller that says of "set" what is not so.
  const CallId id = world.call("set", kIdempotent);
  const Bytes init = world.queue.front().payload;
  world.to_node(init);
  EXPECT_EQ(world.times_run(id), 0);
  EXPECT_EQ(world.counts().retried, 1U);
  world.queue.pop_front();
  world.run();
  EXPECT_TRUE(world.was_done(id));
  EXPECT_EQ(world.times_run(id), 1);
}

TEST(Responder, ForAMinuteAfterItsStartNothingRidesInAHandshake) {
  World world;
  world.start_node();
  const CallId early = world.call_and_run("get", kIdempotent);
  EXPECT_EQ(world.counts().retried, 1U);
  EXPECT_TRUE(world.was_done(early));
  world.advance(seconds(61));
  world.start_caller(KeyCredential{world.node_key()});
  EXPECT_TRUE(world.was_done(world.call_and_run("get", kIdempotent)));
  EXPECT_EQ(world.counts().retried, 1U);
}

TEST(Responder, WhereTheTableOfSeenHandshakesIsFullAnOldOneExecutesNothing) {
  World world(1, {.seen_handshakes = 8});
  const CallId id = world.call("get", kIdempotent, seconds(300));
  const Bytes init = world.queue.front().payload;
  world.run();
  EXPECT_EQ(world.times_run(id), 1);
  for (int i = 0; i < 8; ++i) {
    world.start_caller(KeyCredential{world.node_key()});
    world.call_and_run("get", kIdempotent);
  }
  // Its result is still known; where it is not, the floor is above its time.
  world.to_node(init);
  world.run();
  EXPECT_EQ(world.times_run(id), 1);
  world.start_caller(KeyCredential{world.node_key()});
  const auto retried = world.counts().retried;
  world.call_and_run("get", kIdempotent);
  EXPECT_EQ(world.counts().retried, retried + 1);
}

TEST(Responder, WhereResultsAreOwedAndTheirPlaceIsFullACallIsRefused) {
  World world(1, {.results_per_principal = 10});
  world.call_and_run();
  world.drops = [](const WireMessage& message) { return message.payload[0] == 0x55; };
  std::vector<CallId> owed;
  for (int i = 0; i < 9; ++i) owed.push_back(world.call_and_run());
  const CallId refused = world.call_and_run();
  EXPECT_EQ(world.times_run(refused), 0);
  EXPECT_EQ(world.counts().overloaded, 1U);
  world.drops = nullptr;
  for (int i = 0; i < 12; ++i) world.tick();
  for (const CallId& id : owed) {
    EXPECT_TRUE(world.was_done(id));
    EXPECT_EQ(world.times_run(id), 1);
  }
}

TEST(Responder, ACallThatIsOverIsNotRunAgainThoughItsResultWasLetGo) {
  World world(1, {.results_per_principal = 70});
  world.call_and_run();
  const CallId id = world.call_and_run("set", {}, seconds(300));
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(world.was_done(world.call_and_run()));
  // Somebody asks for it all the same.
  world.answers.clear();
  world.take(world.caller->call(id, "set", seconds(200), {}, world.now()));
  world.run();
  EXPECT_EQ(world.times_run(id), 1);
  ASSERT_NE(reply_of(world, id), nullptr);
  EXPECT_EQ(reply_of(world, id)->status, ReplyStatus::outcome_unknown);
}

TEST(Responder, ACallThatRunsUnderTheIdOfOneThatWasForgottenIsNotLetGo) {
  World world(1, {.results_per_principal = 70});
  world.call_and_run("set", {}, seconds(600));
  const CallId id = world.call_and_run("set", {}, seconds(2));
  for (int i = 0; i < 20; ++i) world.tick();
  world.answers.clear();
  world.holds = true;
  world.take(world.caller->call(id, "set", seconds(600), {}, world.now()));
  world.run();
  EXPECT_EQ(world.times_run(id), 2);
  const Execute runs = world.executed.back();
  world.holds = false;
  // Whoever asked waits no longer, and room is needed.
  world.caller->forget(id);
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(world.was_done(world.call_and_run("set", {}, seconds(600))));
  world.take(world.caller->call(id, "set", seconds(300), {}, world.now()));
  world.run();
  EXPECT_EQ(world.times_run(id), 2);
  world.finish(runs);
  world.run();
  EXPECT_TRUE(world.was_done(id));
}

TEST(Responder, TooManyCallsUnderWayAreRefused) {
  World world(1, {.running_per_principal = 3}, {.in_flight = 10});
  world.holds = true;
  std::vector<CallId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(world.call_and_run());
  EXPECT_EQ(world.executed.size(), 3U);
  EXPECT_EQ(world.counts().overloaded, 2U);
  EXPECT_EQ(world.answers.at(ids[4]).error().code, Errc::overloaded);
}

TEST(Responder, ARepeatWhileItRunsIsToldSoAndAnsweredOnceAtTheLatestRequest) {
  World world;
  world.call_and_run();
  world.holds = true;
  const CallId id = world.call_and_run();
  for (int i = 0; i < 20; ++i) world.tick();
  EXPECT_GE(world.counts().repeated, 1U);
  EXPECT_EQ(world.times_run(id), 1);
  EXPECT_EQ(world.counts().opened, 1U) << "a session that answers is no reason for another";
  world.finish(world.executed.back());
  world.run();
  EXPECT_TRUE(world.was_done(id));
}

TEST(Responder, ProgressComesInOrderAndWithinItsLimit) {
  World world(1, {.chunks = 4});
  world.call_and_run();
  world.holds = true;
  const CallId id = world.call_and_run();
  for (int i = 0; i < 9; ++i)
    world.take(world.responder->progress(world.executed.back().execution, std::to_string(i), world.civil));
  world.run();
  ASSERT_EQ(world.progress.size(), 3U);
  EXPECT_EQ(world.progress[2].json, "2");
  world.finish(world.executed.back());
  world.run();
  EXPECT_TRUE(world.was_done(id));
}

TEST(Responder, AnAnswerLongerThanAMessageIsAnErrorInItsPlace) {
  World world;
  world.holds = true;
  const CallId id = world.call_and_run();
  ReplyBody answer;
  answer.json = std::string(kMaxMessageBytes, 'x');
  world.take(world.responder->finish(world.executed.back().execution, answer, world.civil));
  world.run();
  ASSERT_NE(reply_of(world, id), nullptr);
  EXPECT_NE(reply_of(world, id)->json.find("-32009"), std::string::npos);
  EXPECT_LE(world.wire.back().payload.size(), kMaxMessageBytes);
}

TEST(Responder, TwoSecretsOfOneKeyAreGoodSideBySide) {
  World world;
  const ApiKey next = draw_api_key(KeyId("pump"), world.random);
  world.responder->add_key(KeyId("pump"), derive_node_key(next.secret, world.node));
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  world.start_caller(KeyCredential{derive_node_key(next.secret, world.node)});
  EXPECT_TRUE(world.was_done(world.call_and_run()));
  EXPECT_EQ(world.executed[0].principal, world.executed[1].principal);
}

TEST(Responder, ARemovedKeyEndsItsSessionsAndOpensNoMore) {
  World world;
  world.call_and_run();
  world.holds = true;
  const CallId under_way = world.call_and_run();
  world.responder->remove_key(KeyId("pump"));
  EXPECT_EQ(world.responder->sessions(), 0U);
  const std::size_t published = world.wire.size();
  world.finish(world.executed.back());
  EXPECT_EQ(world.wire.size(), published) << "what still runs is answered to nobody";
  const CallId after = world.call_and_run();
  for (int i = 0; i < 100; ++i) world.tick();
  EXPECT_EQ(world.times_run(after), 0);
  EXPECT_EQ(world.answers.at(after).error().code, Errc::expired);
  EXPECT_FALSE(world.was_done(under_way));
}

TEST(Responder, SessionsOfAPrincipalAreBoundedAndTheLongestUnusedGivesWay) {
  World world(1, {.sessions_per_principal = 3, .unused_sessions_per_principal = 2});
  for (int i = 0; i < 10; ++i) {
    world.start_caller(KeyCredential{world.node_key()});
    EXPECT_TRUE(world.was_done(world.call_and_run("set")));
    EXPECT_LE(world.responder->sessions(), 3U);
  }
  for (int i = 0; i < 10; ++i) {
    world.start_caller(KeyCredential{world.node_key()});
    world.call_and_run("get", kIdempotent);
  }
  EXPECT_LE(world.responder->sessions(), 3U);
}

TEST(Responder, SessionsOfANodeAreBounded) {
  World world(1, {.sessions = 5});
  for (int i = 0; i < 12; ++i) {
    const ApiKey one = draw_api_key(KeyId("k" + std::to_string(i)), world.random);
    world.responder->add_key(one.id, derive_node_key(one.secret, world.node));
    world.start_caller(KeyCredential{derive_node_key(one.secret, world.node)});
    EXPECT_TRUE(world.was_done(world.call_and_run()));
  }
  EXPECT_EQ(world.responder->sessions(), 5U);
}

TEST(Responder, ASessionEndsAnHourAfterItsHandshake) {
  World world;
  world.call_and_run();
  world.call();
  const Bytes data = world.queue.front().payload;
  world.queue.clear();
  world.advance(seconds(3'631));
  world.to_node(data);
  EXPECT_EQ(world.counts().dropped_unknown, 1U);
  world.responder->on_tick(world.civil);
  EXPECT_EQ(world.responder->sessions(), 0U);
}

TEST(Responder, AClockThatJumpsForthAndBackMakesNothingRunTwice) {
  World world;
  world.call_and_run();
  world.drops = [](const WireMessage& message) { return message.payload[0] == 0x55; };
  const CallId id = world.call_and_run("set", {}, seconds(120));
  world.advance(seconds(2));
  world.take(world.caller->on_tick(world.now()));
  ASSERT_EQ(world.queue.size(), 1U);
  const Bytes repeat = world.queue.front().payload;
  world.queue.clear();
  // The result is forgotten in a year that was not one.
  world.responder->on_message(Bytes{0}, false, world.civil + 365 * kDay);
  world.to_node(repeat);
  EXPECT_EQ(world.times_run(id), 1);
  EXPECT_EQ(world.counts().expired, 1U);
}

TEST(Responder, ADeadlineTooFarAheadIsRefused) {
  World world;
  world.call_and_run();
  const CallId id = world.call_and_run("set", {}, seconds(700));
  EXPECT_EQ(world.times_run(id), 0);
  EXPECT_EQ(world.answers.at(id).error().code, Errc::expired);
}

TEST(Responder, AStoredCallIsTakenDaysLaterAndOnce) {
  World world;
  const CallId id = world.call("set", {.stored = true}, 5 * kDay);
  const Bytes init = world.queue.front().payload;
  world.queue.clear();
  world.advance(3 * kDay);
  world.start_node();
  world.to_node(init);
  EXPECT_EQ(world.times_run(id), 1);
  EXPECT_TRUE(world.executed.back().stored);
  world.run();
  ASSERT_NE(reply_of(world, id), nullptr);
  EXPECT_EQ(reply_of(world, id)->status, ReplyStatus::accepted);
  world.to_node(init);
  EXPECT_EQ(world.counts().dropped_seen, 1U);
  EXPECT_EQ(world.times_run(id), 1);
}

TEST(Responder, AStoredCallAfterItsDeadlineIsNotExecuted) {
  World world;
  const CallId id = world.call("set", {.stored = true}, 2 * kDay);
  const Bytes init = world.queue.front().payload;
  world.queue.clear();
  world.advance(2 * kDay + seconds(2));
  world.to_node(init);
  EXPECT_EQ(world.times_run(id), 0);
  EXPECT_EQ(world.counts().expired, 1U);
}

TEST(Responder, AStoredCallThatComesAgainAfterARestartIsHandedOutToBeJudgedByItsMark) {
  World world;
  const CallId id = world.call("set", {.stored = true}, 5 * kDay);
  const Bytes init = world.queue.front().payload;
  world.run();
  world.start_node();
  world.to_node(init);
  // The mark on disk is the caller's of this layer: it is told that this is a stored call.
  EXPECT_EQ(world.times_run(id), 2);
  EXPECT_TRUE(world.executed.back().stored);
}

TEST(Responder, TheResultOfAStoredCallIsAskedForByItsPrincipal) {
  World world;
  const CallId id = world.call_and_run("set", {.stored = true}, kDay);
  world.answers.clear();
  world.take(world.caller->ask_result(id, seconds(10), world.now()));
  world.run();
  ASSERT_EQ(world.asked.size(), 1U);
  EXPECT_EQ(world.asked[0].id, id);
  EXPECT_EQ(world.asked[0].principal, key_principal(KeyId("pump")));
  ReplyBody none;
  none.status = ReplyStatus::unknown_call;
  world.take(world.responder->finish(world.asked[0].execution, none, world.civil));
  world.run();
  ASSERT_NE(reply_of(world, id), nullptr);
  EXPECT_EQ(reply_of(world, id)->status, ReplyStatus::unknown_call);
}

TEST(Responder, FinishingWhatNeverRanIsNothing) {
  World world;
  EXPECT_TRUE(world.responder->finish(77, {}, world.civil).empty());
  EXPECT_TRUE(world.responder->progress(77, "x", world.civil).empty());
}

}  // namespace
}  // namespace sallyport::sealed
