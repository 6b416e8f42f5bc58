#include "sealed/eva_client.h"

#include <gtest/gtest.h>

#include "sealed/detail/eva_test_support.h"
#include "sealed/eva_gateway.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

struct EvaClientTest : ::testing::TestWithParam<Format> {
  SeededRandom random{2};
  Client client{{.format = GetParam()}, default_key(), random};

  Started begin(seconds after_noon = seconds(0)) {
    auto started = client.call(plant(), "test", {{"a", Json(1)}}, at(after_noon));
    EXPECT_TRUE(started) << started.error().detail;
    return *std::move(started);
  }

  // What a server with `key` answers to a call of the id that `started` has.
  Bytes response(const Started& started, const Key& key, Outcome outcome = Json(5)) {
    return response_to(uuid_of(started), key, std::move(outcome));
  }
  Bytes response_to(std::string id, const Key& key, Outcome outcome = Json(5)) {
    const Body body = Body::of_answers({{.id = Json(std::move(id)), .outcome = std::move(outcome)}}, false);
    const auto iv = random.array<16>();
    if (GetParam() == Format::text) return to_bytes(seal_text_response(key, body, kNoon, iv));
    const Packing packing = GetParam() == Format::binary_zlib ? Packing::zlib : Packing::plain;
    return seal_binary_response(key, packing, body, iv);
  }

  static std::string uuid_of(const Started& started) {
    RequestId id{};
    std::ranges::copy(codec::decode_hex(started.call.get()).value(), id.begin());
    return to_uuid_text(id);
  }
};

TEST_P(EvaClientTest, CallIsExecutedByAGatewayAndItsOutcomeComesBack) {
  Gateway gateway({.self = plant()}, UnixTime(0), random);
  ASSERT_TRUE(gateway.add_key({.key = default_key(), .legacy_until = kNoExpiry, .only_fresh = true}));
  const Started started = begin();
  EXPECT_EQ(started.reply_topic, "controller/uc/plant1/api/response/" + started.call.get());
  const auto actions = gateway.on_message(started.request.topic, started.request.payload, false, at(seconds(1)));
  ASSERT_EQ(actions.execute.size(), 1U);
  EXPECT_EQ(actions.execute[0].params, (Json::Object{{"a", Json(1)}}));
  const auto answers = gateway.on_outcome(actions.execute[0].number, Json("done"), at(seconds(1)));
  ASSERT_EQ(answers.publish.size(), 1U);
  const auto finished = client.on_message(answers.publish[0].topic, answers.publish[0].payload, false, at(seconds(2)));
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->call, started.call);
  EXPECT_EQ(finished->outcome, Outcome(Json("done")));
  EXPECT_EQ(client.under_way(), 0U);
}

TEST_P(EvaClientTest, FailureComesBackWithItsCode) {
  const Started started = begin();
  const Outcome busy = std::unexpected(Failure{Code::busy, "later"});
  const auto finished =
      client.on_message(started.reply_topic, response(started, default_key(), busy), false, at(seconds(1)));
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->outcome, busy);
}

TEST_P(EvaClientTest, NothingButItsOwnSealedAnswerEndsACall) {
  const Started started = begin();
  const Bytes right = response(started, default_key());
  const auto ends = [&](ByteView payload, std::string_view topic, bool retained = false) {
    return client.on_message(topic, payload, retained, at(seconds(1))).has_value();
  };
  EXPECT_FALSE(ends(as_bytes("500|"), started.reply_topic));
  EXPECT_FALSE(ends({}, started.reply_topic));
  EXPECT_FALSE(ends(started.request.payload, started.reply_topic));
  EXPECT_FALSE(ends(response(started, key_of("default", "another-api-key")), started.reply_topic));
  EXPECT_FALSE(ends(response_to("another-id", default_key()), started.reply_topic));
  EXPECT_FALSE(ends(right, started.reply_topic + "0"));
  EXPECT_FALSE(ends(right, started.reply_topic, true));
  for (std::size_t i = 0; i < right.size(); ++i) {
    Bytes changed = right;
    changed[i] ^= 1U;
    EXPECT_FALSE(ends(changed, started.reply_topic)) << i;
    EXPECT_FALSE(ends(ByteView(right).first(i), started.reply_topic)) << i;
  }
  EXPECT_EQ(client.under_way(), 1U);
  EXPECT_TRUE(ends(right, started.reply_topic));
  EXPECT_FALSE(ends(right, started.reply_topic));
  EXPECT_EQ(client.counts().retained, 1U);
  EXPECT_EQ(client.counts().elsewhere, 2U);
  EXPECT_EQ(client.counts().another, 1U);
}

TEST_P(EvaClientTest, AnswersOfTwoCallsThatAreSwappedEndNeither) {
  const Started first = begin();
  const Started second = begin();
  EXPECT_FALSE(client.on_message(first.reply_topic, response(second, default_key()), false, at(seconds(0))));
  EXPECT_FALSE(client.on_message(second.reply_topic, response(first, default_key()), false, at(seconds(0))));
  EXPECT_TRUE(client.on_message(first.reply_topic, response(first, default_key()), false, at(seconds(0))));
  EXPECT_TRUE(client.on_message(second.reply_topic, response(second, default_key()), false, at(seconds(0))));
}

TEST_P(EvaClientTest, CallEndsAtItsDeadlineAndNamesAFailureThatNobodySealed) {
  const Started plain = begin();
  const auto raised = client.call(plant(), "test", {}, at(seconds(0)), seconds(2));
  ASSERT_TRUE(raised);
  EXPECT_EQ(client.next_tick(), at(seconds(2)).steady);
  EXPECT_FALSE(client.on_message(raised->reply_topic, as_bytes("500|"), false, at(seconds(1))));
  EXPECT_TRUE(client.on_tick(at(seconds(1)).steady).empty());
  const auto early = client.on_tick(at(seconds(2)).steady);
  ASSERT_EQ(early.size(), 1U);
  EXPECT_EQ(early[0].call, raised->call);
  EXPECT_EQ(early[0].outcome.error().code, Code::server_timeout);
  EXPECT_NE(early[0].outcome.error().message.find("500"), std::string::npos);
  const auto late = client.on_tick(at(seconds(5)).steady);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].outcome.error().message.find("500"), std::string::npos);
  EXPECT_FALSE(client.on_message(plain.reply_topic, response(plain, default_key()), false, at(seconds(5))));
  EXPECT_FALSE(client.next_tick());
}

TEST_P(EvaClientTest, CallsEndAtOnceWithTheConnectionOrWhenTheyAreCancelled) {
  const Started first = begin();
  const Started second = begin();
  EXPECT_TRUE(client.cancel(first.call));
  EXPECT_FALSE(client.cancel(first.call));
  const auto ended = client.on_disconnect();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].call, second.call);
  EXPECT_EQ(ended[0].outcome.error().code, Code::server_error);
  EXPECT_TRUE(client.on_disconnect().empty());
}

TEST_P(EvaClientTest, CallsOverTheLimitsAreRefused) {
  Client small({.format = GetParam(), .limits = {.message = 1024}, .under_way = 1}, default_key(), random);
  std::string noise;
  while (noise.size() < 4096) noise += codec::encode_hex(random.array<16>());
  EXPECT_EQ(small.call(plant(), "test", {{"x", Json(noise)}}, at(seconds(0))).error().code, Errc::overloaded);
  EXPECT_EQ(small.under_way(), 0U);
  EXPECT_TRUE(small.call(plant(), "test", {}, at(seconds(0))));
  EXPECT_EQ(small.call(plant(), "test", {}, at(seconds(0))).error().code, Errc::overloaded);
}

INSTANTIATE_TEST_SUITE_P(Formats, EvaClientTest, ::testing::Values(Format::binary, Format::binary_zlib, Format::text));

}  // namespace
}  // namespace sallyport::sealed::eva
