#include "rpcnode/node.h"

#include "rpcnode/detail/test_node_story.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;
using story::kName;
using story::NodeStory;

TEST_F(NodeStory, ACallIsRunAndAnswered) {
  call_with(make_key("ann", {"look"}));
  const auto outcome = call("look", Json::Object{{"a", 1}});
  ASSERT_TRUE(outcome) << outcome.error().detail;
  EXPECT_EQ(*outcome->result, Json(Json::Object{{"a", 1}}));
}

TEST_F(NodeStory, WhatNothingAllowsIsForbiddenAndWrittenDown) {
  call_with(make_key("ann", {"look"}));
  EXPECT_EQ(code_of(call("count")), sealed::RpcCode::forbidden);
  EXPECT_EQ(code_of(call("keys.list")), sealed::RpcCode::forbidden);
  EXPECT_EQ(counted_, 0);
  EXPECT_NE(audit().find("\"result\":\"denied\""), std::string::npos);
}

TEST_F(NodeStory, AnUnknownMethodIsToldToWhoMayCallIt) {
  call_with(make_key("ann", {"*"}));
  EXPECT_EQ(code_of(call("nothing.such")), sealed::RpcCode::method_not_found);
  EXPECT_EQ(code_of(call("__proto__")), sealed::RpcCode::method_not_found);
}

TEST_F(NodeStory, ARepeatedCallRunsOnce) {
  call_with(make_key("ann", {"count"}));
  const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
  const auto first = send(id, "count"), second = send(id, "count");
  ASSERT_TRUE(first && second);
  EXPECT_EQ(counted_, 1);
  EXPECT_EQ(first->json, second->json);
}

TEST_F(NodeStory, ACallThatACrashCutOffIsNotRunAgain) {
  const sealed::ApiKey key = make_key("ann", {"count"});
  call_with(key);
  const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
  ASSERT_TRUE(send(id, "count"));
  node_.reset();
  start();
  call_with(key);
  const auto again = send(id, "count");
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->status, sealed::ReplyStatus::outcome_unknown);
  EXPECT_EQ(counted_, 1);
}

TEST_F(NodeStory, WhatTheBrokerKeptIsRunByNobodyAgainAfterARestart) {
  call_with(make_key("ann", {"*"}));
  ASSERT_TRUE(call("count"));
  ASSERT_TRUE(call("look", nullptr, {.idempotent = true}));
  const std::vector<Bytes> seen = seen_;
  node_.reset();
  start();
  for (const Bytes& message : seen) node_->on_message(message, false);
  io_.restart();
  io_.run_for(milliseconds(50));
  EXPECT_EQ(counted_, 1);
  EXPECT_EQ(node_->counts().executed, 0U);
}

TEST_F(NodeStory, AStoredCallsResultOutlivesTheNode) {
  const sealed::ApiKey key = make_key("ann", {"count"});
  call_with(key);
  const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
  const auto taken = send(id, "count", {.timeout = hours(2), .stored = true});
  ASSERT_TRUE(taken) << taken.error().detail;
  EXPECT_EQ(taken->status, sealed::ReplyStatus::accepted);
  const auto done = result_of(id);
  ASSERT_TRUE(done) << done.error().detail;
  ASSERT_EQ(done->status, sealed::ReplyStatus::done);
  node_.reset();
  start();
  call_with(key);
  const auto asked = result_of(id);
  ASSERT_TRUE(asked) << asked.error().detail;
  EXPECT_EQ(asked->status, sealed::ReplyStatus::done);
  EXPECT_EQ(asked->json, done->json);
  const auto unknown = result_of(sealed::draw_call_id(clock_.now(), random_));
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->status, sealed::ReplyStatus::unknown_call);
}

TEST_F(NodeStory, ACallThatEndedIsNotTakenForOneThatRuns) {
  call_with(make_key("ann", {"count"}));
  const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
  ASSERT_TRUE(send(id, "count"));
  const auto asked = result_of(id);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->status, sealed::ReplyStatus::outcome_unknown);
}

TEST_F(NodeStory, ACallRepeatedLongAfterItsDeadlineDoesNotRunAgain) {
  const sealed::ApiKey key = make_key("ann", {"count"});
  for (const auto later : {minutes(5), minutes(70)}) {
    const int before = counted_;
    const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
    call_with(key);
    ASSERT_TRUE(send(id, "count"));
    clock_.advance(later);
    node_->on_tick();
    call_with(key);
    const auto again = send(id, "count", {.timeout = seconds(3)});
    EXPECT_TRUE(!again || again->status == sealed::ReplyStatus::outcome_unknown);
    EXPECT_EQ(counted_, before + 1);
  }
}

// Where the caller waits shorter than the node knows the call, it learns what came of the run that was.
TEST_F(NodeStory, ACallAskedForAgainWhileItIsKnownBringsTheAnswerOfItsRun) {
  call_with(make_key("ann", {"slow"}));
  const auto id = sealed::draw_call_id(clock_.now(), random_);
  const CallChoices choices{.timeout = milliseconds(800), .known_for = seconds(300)};
  const auto first = send(id, "slow", choices);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, Errc::expired);
  gate_.set();
  clock_.advance(seconds(60));
  const auto again = send(id, "slow", choices);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->status, sealed::ReplyStatus::done) << sealed::to_string(again->status);
  EXPECT_TRUE(again->json.contains("late")) << again->json;
  clock_.advance(seconds(300));
  const auto too_late = send(id, "slow", choices);
  ASSERT_TRUE(too_late) << too_late.error().detail;
  EXPECT_EQ(too_late->status, sealed::ReplyStatus::outcome_unknown) << "and never a second run";
}

TEST_F(NodeStory, WhoMayRunNothingLeavesNoMark) {
  call_with(make_key("ann", {"look"}));
  EXPECT_EQ(code_of(call("count")), sealed::RpcCode::forbidden);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "started-calls"), 0U);
}

TEST_F(NodeStory, NoNewKeyIsOnDisk) {
  call_with(make_key("admin", {"keys.*"}));
  const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
  const auto reply = net::run(
      io_,
      node_->call(sealed::Principal("key:admin"), id, clock_.now() + seconds(10),
                  R"({"jsonrpc":"2.0","id":1,"method":"keys.add","params":{"id":"new","allow":["look"]}})", "https"));
  ASSERT_TRUE(reply);
  ASSERT_NE(reply->json.find("spk1_new_"), std::string::npos) << reply->json;
  const Bytes file = *keystore::read_file(folder_ / "started-calls", kMaxStartedFile);
  EXPECT_EQ(as_text(file).find("spk1_"), std::string_view::npos);
}

TEST_F(NodeStory, AnotherPrincipalsCallIdIsAnotherCall) {
  const sealed::ApiKey ann = make_key("ann", {"count"}), bob = make_key("bob", {"count"});
  const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
  call_with(ann);
  ASSERT_TRUE(send(id, "count"));
  call_with(bob);
  const auto asked = result_of(id);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->status, sealed::ReplyStatus::unknown_call);
  ASSERT_TRUE(send(id, "count"));
  EXPECT_EQ(counted_, 2);
}

TEST_F(NodeStory, ARemovedKeyIsNoLongerAnswered) {
  call_with(make_key("ann", {"look"}));
  ASSERT_TRUE(call("look"));
  auto keys = NodeKeys::open(folder_ / "keys.json", kName);
  ASSERT_TRUE(keys->remove(*sealed::parse_key_id("ann"), clock_.now()));
  node_->on_tick();
  const auto outcome = call("look", nullptr, {.timeout = milliseconds(800)});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::expired);
}

TEST_F(NodeStory, TheOldSecretIsGoodDuringARotationAndNotAfter) {
  const sealed::ApiKey before = make_key("ann", {"look"});
  auto keys = NodeKeys::open(folder_ / "keys.json", kName);
  const auto after = keys->rotate(before.id, minutes(10), clock_.now(), random_);
  ASSERT_TRUE(after);
  node_->on_tick();
  call_with(before);
  EXPECT_TRUE(call("look"));
  call_with(*after);
  EXPECT_TRUE(call("look"));
  clock_.advance(minutes(11));
  node_->on_tick();
  call_with(before);
  EXPECT_FALSE(call("look", nullptr, {.timeout = milliseconds(800)}));
  call_with(*after);
  EXPECT_TRUE(call("look"));
}

// Whoever has just been told a secret uses it now, and whoever still has the one before goes on in his session.
TEST_F(NodeStory, ANewSecretIsGoodAtOnceAndEndsNoSessionOfTheOldOne) {
  const sealed::ApiKey before = make_key("ann", {"look", "keys.*"});
  call_with(before);
  const auto rotated = call("keys.rotate", Json::Object{{"id", "ann"}, {"overlap_s", 600}});
  ASSERT_TRUE(rotated && rotated->result);
  const auto after = sealed::parse_api_key(rotated->result->text_at("key").value());
  ASSERT_TRUE(after);
  const auto sessions = caller_->core().counts().sessions;
  node_->on_tick();
  EXPECT_TRUE(call("look", nullptr, {.timeout = milliseconds(800)}));
  EXPECT_EQ(caller_->core().counts().sessions, sessions);
  call_with(*after);
  EXPECT_TRUE(call("look", nullptr, {.timeout = milliseconds(800)}));
}

TEST_F(NodeStory, ANewSecretIsGoodBeforeTheNextTick) {
  call_with(make_key("ann", {"look", "keys.*"}));
  const auto rotated = call("keys.rotate", Json::Object{{"id", "ann"}, {"overlap_s", 600}});
  ASSERT_TRUE(rotated && rotated->result);
  call_with(sealed::parse_api_key(rotated->result->text_at("key").value()).value());
  EXPECT_TRUE(call("look", nullptr, {.timeout = milliseconds(800)}));
}

TEST_F(NodeStory, MoreCallsThanAKeyMayMakeAreToldToComeLater) {
  call_with(make_key("ann", {"look"}, 3));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(call("look"));
  const auto outcome = call("look", nullptr, {.timeout = milliseconds(800)});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::overloaded);
  clock_.advance(minutes(1));
  EXPECT_TRUE(call("look"));
}

TEST_F(NodeStory, ProgressComesBeforeTheResult) {
  call_with(make_key("ann", {"tell"}));
  std::vector<std::string> told;
  CallChoices choices;
  choices.on_progress = [&](const std::string& json) { told.push_back(json); };
  const auto outcome = call("tell", nullptr, choices);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(told, std::vector<std::string>{"\"half\""});
  EXPECT_EQ(*outcome->result, Json("whole"));
}

TEST_F(NodeStory, ABatchIsAnsweredAsOneAndNotificationsAreNot) {
  call_with(make_key("ann", {"*"}));
  const sealed::CallId id = sealed::draw_call_id(clock_.now(), random_);
  const auto reply = run(caller_->send(
      id,
      R"([{"jsonrpc":"2.0","id":1,"method":"look"},{"jsonrpc":"2.0","method":"count"},{"jsonrpc":"2.0","id":2,"method":"no"},7])",
      {}));
  ASSERT_TRUE(reply);
  const auto json = codec::parse_json(reply->json);
  ASSERT_TRUE(json);
  EXPECT_EQ(json->array()->size(), 3U);
  EXPECT_EQ(counted_, 1);
  const auto silent =
      run(caller_->send(sealed::draw_call_id(clock_.now(), random_), R"({"jsonrpc":"2.0","method":"count"})", {}));
  ASSERT_TRUE(silent);
  EXPECT_EQ(silent->json, "");
  EXPECT_EQ(counted_, 2);
}

TEST_F(NodeStory, KeysAreManagedByWhoIsAllowedTo) {
  call_with(make_key("admin", {"keys.*"}));
  const auto made = call("keys.add", Json::Object{{"id", "new"}, {"allow", Json::Array{"look"}}});
  ASSERT_TRUE(made && made->result) << (made ? made->error->message : made.error().detail);
  const auto key = sealed::parse_api_key(*made->result->text_at("key"));
  ASSERT_TRUE(key);
  EXPECT_EQ(code_of(call("keys.add", Json::Object{{"id", "new"}, {"allow", Json::Array{"look"}}})),
            sealed::RpcCode::failed);
  EXPECT_EQ(code_of(call("keys.add", Json::Object{{"id", "NEW"}})), sealed::RpcCode::invalid_params);
  call_with(*key);
  EXPECT_TRUE(call("look"));
  EXPECT_EQ(code_of(call("keys.list")), sealed::RpcCode::forbidden);
}

TEST_F(NodeStory, InfoTellsWhatTheCallerMayCallAndNoMore) {
  call_with(make_key("ann", {"info", "look"}));
  const auto outcome = call("info");
  ASSERT_TRUE(outcome && outcome->result);
  const std::string text = outcome->result->write();
  EXPECT_NE(text.find("\"name\":\"look\""), std::string::npos);
  EXPECT_EQ(text.find("\"name\":\"count\""), std::string::npos);
  EXPECT_EQ(text.find("keys."), std::string::npos);
}

TEST_F(NodeStory, WhatIsSealedIsSeenByNobody) {
  call_with(make_key("ann", {"*"}));
  for (const bool rides : {true, false}) {
    const auto told = call("look", Json::Object{{"marker", "PLAINTEXT-MARKER"}}, {.idempotent = rides});
    ASSERT_TRUE(told && told->result);
  }
  ASSERT_GE(answers_.size(), 2U);
  std::vector<Bytes> all = seen_;
  all.insert(all.end(), answers_.begin(), answers_.end());
  for (const Bytes& message : all) {
    const std::string_view text = as_text(message);
    EXPECT_EQ(text.find("PLAINTEXT"), std::string_view::npos);
    EXPECT_EQ(text.find("look"), std::string_view::npos);
    EXPECT_EQ(text.find("ann"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace sallyport::rpcnode
