#include "rpcnode/call_book.h"

#include <gtest/gtest.h>

#include <array>

#include "crypto/system_random.h"

namespace sallyport::rpcnode {
namespace {

constexpr UnixTime kNoon{1'800'000'000};

class CallBookTest : public testing::Test {
 protected:
  BeginRequest request(const std::string& by = "ann", const std::string& method = "pump.start") {
    BeginRequest out;
    out.by = by;
    out.node = sealed::NodeName("pump-1");
    out.method = method;
    out.id = sealed::draw_call_id(kNoon, random);
    return out;
  }
  // A call that is under way.
  sealed::CallId start(const std::string& by = "ann") {
    const BeginRequest call = request(by);
    EXPECT_TRUE(book.begin(call, key, kNoon, at));
    EXPECT_TRUE(book.run(*call.id, by));
    return *call.id;
  }
  static CallEnd answered(std::string json) {
    return {.outcome = CallOutcome::answered, .detail = {}, .result = std::move(json), .error = {}};
  }
  codec::Json shown(const sealed::CallId& id) {
    auto json = codec::parse_json(call_json(**book.find(id, "ann")));
    EXPECT_TRUE(json);
    return json.value_or(codec::Json());
  }

  crypto::SystemRandom random;
  CallBook book;
  sealed::KeyId key{"plant-a"};
  Instant at{};
};

TEST_F(CallBookTest, ACallGoesItsWayAndIsShownAtEveryStep) {
  const BeginRequest call = request();
  ASSERT_TRUE(book.begin(call, key, kNoon, at));
  EXPECT_EQ(shown(*call.id).text_at("state").value(), "ready");
  ASSERT_TRUE(book.run(*call.id, "ann"));
  book.add_progress(*call.id, R"({"percent":50})");
  EXPECT_EQ(shown(*call.id).at("progress")->write(), R"([{"percent":50}])");
  book.end(*call.id, answered(R"({"rpm":3000})"), at + milliseconds(1'250));
  const codec::Json ended = shown(*call.id);
  EXPECT_EQ(ended.text_at("outcome").value(), "answered");
  EXPECT_EQ(ended.integer_at("took_ms").value(), 1'250);
  EXPECT_EQ(ended.at("result")->write(), R"({"rpm":3000})");
  EXPECT_TRUE(ended.at("error")->is_null());
  EXPECT_EQ(ended.integer_at("asked").value(), 1);
}

TEST_F(CallBookTest, ACallIsSeenByWhoMadeItAlone) {
  const auto id = start("ann");
  EXPECT_EQ(book.find(id, "ben").error().code, Errc::not_found);
  EXPECT_EQ(book.run(id, "ben").error().code, Errc::not_found);
  EXPECT_EQ(book.find(sealed::draw_call_id(kNoon, random), "ann").error().code, Errc::not_found);
}

TEST_F(CallBookTest, ACallThatWasSentIsNotSentTwice) {
  const auto id = start();
  EXPECT_EQ(book.run(id, "ann").error().code, Errc::conflict);
  book.end(id, answered("1"), at);
  EXPECT_EQ(book.run(id, "ann").error().code, Errc::conflict);
}

TEST_F(CallBookTest, AnIdIsAskedForAgainByTheSamePersonForTheSameCallAlone) {
  BeginRequest call = request();
  call.params = codec::Json(codec::Json::Object{{"speed", 3}});
  ASSERT_TRUE(book.begin(call, key, kNoon, at));
  EXPECT_EQ(book.begin(call, key, kNoon, at).error().code, Errc::conflict) << "under way";
  ASSERT_TRUE(book.run(*call.id, "ann"));
  book.end(*call.id, {.outcome = CallOutcome::unknown, .detail = "no answer", .result = {}, .error = {}}, at);
  const auto refused = [&](auto change) {
    BeginRequest other = call;
    change(other);
    const auto verdict = book.begin(other, key, kNoon, at);
    return !verdict && verdict.error().code == Errc::conflict;
  };
  EXPECT_TRUE(refused([](BeginRequest& other) { other.by = "ben"; }));
  EXPECT_TRUE(refused([](BeginRequest& other) { other.node = sealed::NodeName("pump-2"); }));
  EXPECT_TRUE(refused([](BeginRequest& other) { other.method = "pump.stop"; }));
  EXPECT_TRUE(refused([](BeginRequest& other) { other.params = codec::Json(codec::Json::Object{{"speed", 4}}); }));
  ASSERT_TRUE(book.begin(call, key, kNoon, at));
  ASSERT_TRUE(book.run(*call.id, "ann"));
  EXPECT_EQ(shown(*call.id).integer_at("asked").value(), 2);
}

constexpr std::array kOnlyOfLastSending = {CallOutcome::unsent, CallOutcome::unheard, CallOutcome::late,
                                           CallOutcome::overloaded};

TEST_F(CallBookTest, OfACallThatMayHaveLeftBeforeNobodySaysThatItDidNotRun) {
  for (const CallOutcome outcome : kOnlyOfLastSending) {
    const CallEnd end{.outcome = outcome, .detail = "no broker", .result = {}, .error = {}};
    const BeginRequest call = request();
    ASSERT_TRUE(book.begin(call, key, kNoon, at));
    ASSERT_TRUE(book.run(*call.id, "ann"));
    EXPECT_EQ(book.end(*call.id, end, at), outcome) << "of the first sending it is the truth";
    EXPECT_EQ(shown(*call.id).text_at("detail").value(), "no broker");
    ASSERT_TRUE(book.begin(call, key, kNoon, at));
    ASSERT_TRUE(book.run(*call.id, "ann"));
    EXPECT_EQ(book.end(*call.id, end, at), CallOutcome::unknown) << to_string(outcome);
    EXPECT_EQ(shown(*call.id).text_at("outcome").value(), "unknown") << to_string(outcome);
    EXPECT_EQ(shown(*call.id).text_at("detail").value(), "asked again: no broker");
  }
}

TEST_F(CallBookTest, OfACallThatWasSentBeforeARestartNobodySaysThatItDidNotRun) {
  for (const CallOutcome outcome : kOnlyOfLastSending) {
    BeginRequest call = request();
    call.key = key;
    ASSERT_TRUE(book.begin(call, key, kNoon, at));
    ASSERT_TRUE(book.run(*call.id, "ann"));
    EXPECT_EQ(book.end(*call.id, {.outcome = outcome, .detail = "x", .result = {}, .error = {}}, at),
              CallOutcome::unknown)
        << to_string(outcome);
  }
}

TEST_F(CallBookTest, WhatANodeHasAnsweredStaysWhatItIsWhenAskedAgain) {
  for (const CallOutcome outcome :
       {CallOutcome::answered, CallOutcome::failed, CallOutcome::lost, CallOutcome::broken, CallOutcome::unknown}) {
    BeginRequest call = request();
    call.key = key;
    ASSERT_TRUE(book.begin(call, key, kNoon, at));
    ASSERT_TRUE(book.run(*call.id, "ann"));
    EXPECT_EQ(book.end(*call.id, {.outcome = outcome, .detail = "x", .result = {}, .error = {}}, at), outcome);
    EXPECT_EQ(shown(*call.id).text_at("detail").value(), "x");
  }
}

TEST_F(CallBookTest, ByAnotherKeyNothingIsAskedAgainSinceItWouldRunTwice) {
  const sealed::KeyId other("plant-b");
  BeginRequest call = request();
  ASSERT_TRUE(book.begin(call, key, kNoon, at));
  ASSERT_TRUE(book.run(*call.id, "ann"));
  book.end(*call.id, {.outcome = CallOutcome::unknown, .detail = "x", .result = {}, .error = {}}, at);
  EXPECT_EQ(book.begin(call, other, kNoon, at).error().code, Errc::conflict) << "the book knows by which";
  call.key = other;
  EXPECT_EQ(book.begin(call, other, kNoon, at).error().code, Errc::conflict) << "whatever is claimed";
  EXPECT_EQ(book.begin(call, key, kNoon, at).error().code, Errc::conflict);
  BeginRequest unknown = request();
  unknown.key = key;
  const auto refused = book.begin(unknown, other, kNoon, at);
  ASSERT_FALSE(refused) << "and whoever asks says it after a restart";
  EXPECT_EQ(refused.error().detail, "state-conflict: this call was sent by key 'plant-a', and 'plant-b' is kept now");
  EXPECT_EQ(book.find(*unknown.id, "ann").error().code, Errc::not_found);
  call.key = key;
  EXPECT_TRUE(book.begin(call, key, kNoon, at));
}

TEST_F(CallBookTest, SoManyAreUnderWayAndNoMore) {
  for (std::size_t i = 0; i < kMaxRunningCallsOfPerson; ++i) start("ann");
  EXPECT_EQ(book.begin(request("ann"), key, kNoon, at).error().code, Errc::overloaded);
  for (std::size_t i = kMaxRunningCallsOfPerson; i < kMaxRunningCalls; ++i) start(fmt::format("p{}", i));
  EXPECT_EQ(book.begin(request("ben"), key, kNoon, at).error().code, Errc::overloaded);
  EXPECT_EQ(book.running(), kMaxRunningCalls);
}

TEST_F(CallBookTest, WhatHasEndedIsKeptWithinItsBounds) {
  const auto first = start();
  book.end(first, answered("1"), at);
  for (std::size_t i = 0; i < kMaxKeptCalls; ++i) {
    at += milliseconds(1);
    book.end(start(), answered("2"), at);
  }
  EXPECT_EQ(book.size(), kMaxKeptCalls);
  EXPECT_FALSE(book.find(first, "ann")) << "the oldest goes";
  const std::string large = "\"" + std::string(1U << 20U, 'x') + "\"";
  for (std::size_t i = 0; i < 40; ++i) {
    at += milliseconds(1);
    book.end(start(), answered(large), at);
  }
  EXPECT_LE(book.size(), kMaxKeptCallBytes / large.size() + 1);
}

TEST_F(CallBookTest, ProgressIsKeptWithinItsBounds) {
  const auto id = start();
  book.add_progress(id, std::string(kMaxProgressLine + 1, '1'));
  for (std::size_t i = 0; i < kMaxProgressLines + 3; ++i) book.add_progress(id, fmt::format("{}", i));
  const CallRecord& record = **book.find(id, "ann");
  EXPECT_EQ(record.progress.size(), kMaxProgressLines);
  EXPECT_EQ(record.progress.back(), fmt::format("{}", kMaxProgressLines + 2));
  EXPECT_EQ(record.progress_left_out, 4U);
  book.end(id, answered("1"), at);
  book.add_progress(id, "\"late\"");
  EXPECT_EQ((*book.find(id, "ann"))->progress.size(), kMaxProgressLines) << "after the end nothing is told";
  book.add_progress(sealed::draw_call_id(kNoon, random), "1");
}

TEST_F(CallBookTest, CallsAreForgottenWhenTheirIdIsGoodForNothing) {
  const auto running = start();
  const auto ended = start();
  book.end(ended, answered("1"), at);
  const BeginRequest given_up = request();
  ASSERT_TRUE(book.begin(given_up, key, kNoon, at));
  book.on_tick(at + kKeptCallLife - seconds(1));
  EXPECT_TRUE(book.find(ended, "ann"));
  EXPECT_FALSE(book.find(*given_up.id, "ann")) << "never sent";
  book.on_tick(at + kKeptCallLife);
  EXPECT_FALSE(book.find(ended, "ann"));
  EXPECT_TRUE(book.find(running, "ann"));
}

TEST_F(CallBookTest, EveryOutcomeHasItsWord) {
  for (int i = 0; i <= static_cast<int>(CallOutcome::broken); ++i)
    EXPECT_FALSE(to_string(static_cast<CallOutcome>(i)).empty());
  EXPECT_EQ(to_string(CallOutcome::broken), "broken");
}

}  // namespace
}  // namespace sallyport::rpcnode
