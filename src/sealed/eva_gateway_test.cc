#include "sealed/eva_gateway.h"

#include <gtest/gtest.h>

#include "sealed/detail/eva_test_support.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

constexpr std::string_view kRequests = "controller/uc/plant1/api/request";

GatewayKey ordinary_key() {
  return {.key = default_key(), .legacy_until = kNoon + hours(24)};
}

// A gateway that has the default key, and requests to it.
struct EvaGatewayTest : ::testing::Test {
  SeededRandom random{1};
  GatewaySettings settings{.self = plant()};
  std::unique_ptr<Gateway> gateway;

  void SetUp() override { start(UnixTime(0)); }

  void start(UnixTime taken_until) {
    gateway = std::make_unique<Gateway>(settings, taken_until, random);
    ASSERT_TRUE(gateway->add_key(ordinary_key()));
  }

  void start_with(GatewayKey key) {
    gateway = std::make_unique<Gateway>(settings, UnixTime(0), random);
    ASSERT_TRUE(gateway->add_key(std::move(key)));
  }

  // As EVA draws it: without a time.
  RequestId eva_id() {
    RequestId out = random.array<16>();
    out[6] = static_cast<std::uint8_t>(0x40U | (out[6] & 0x0FU));
    out[8] = static_cast<std::uint8_t>(0x80U | (out[8] & 0x3FU));
    return out;
  }

  Bytes binary(const RequestId& id, const Key& key, const Call& call = test_call(Json("1"))) {
    return seal_binary_request(key, Packing::plain, id, Body::of_call(call, key.expose()), random.array<16>());
  }
  Bytes binary() { return binary(eva_id(), default_key()); }

  Bytes text(std::string_view call_id, UnixTime made, const Key& key) {
    const Body body = Body::of_call(test_call(Json(1)), key.expose());
    const CallId id = parse_call_id(call_id).value();
    return to_bytes(seal_text_request(key, id, body, made, random.array<16>()));
  }

  GatewayActions send(ByteView payload, seconds after_noon = seconds(0)) {
    return gateway->on_message(kRequests, payload, false, at(after_noon));
  }

  Answer answer_in(const Publish& publish, Packing packing = Packing::plain) {
    const auto body = open_binary_response(publish.payload, default_key(), packing, {});
    EXPECT_TRUE(body) << body.error().detail;
    auto answer = parse_answer(body.value_or(Json()));
    EXPECT_TRUE(answer);
    return answer ? *std::move(answer) : Answer{.id = Json(), .outcome = Json()};
  }
};

void expect_nothing(const GatewayActions& actions) {
  EXPECT_TRUE(actions.execute.empty());
  EXPECT_TRUE(actions.publish.empty());
}

TEST_F(EvaGatewayTest, ExecutesACallAsItsKeyAndAnswersIt) {
  const RequestId id = eva_id();
  Call call{.method = "sum", .params = {{"a", Json(1)}}, .id = Json("x")};
  const auto actions = send(binary(id, default_key(), call));
  ASSERT_EQ(actions.execute.size(), 1U);
  EXPECT_TRUE(actions.publish.empty());
  EXPECT_EQ(actions.execute[0].principal.get(), "default");
  EXPECT_EQ(actions.execute[0].method, "sum");
  EXPECT_EQ(actions.execute[0].params, call.params);  // without the key
  const auto answers = gateway->on_outcome(actions.execute[0].number, Json(3), at(seconds(1)));
  ASSERT_EQ(answers.publish.size(), 1U);
  EXPECT_EQ(answers.publish[0].topic, "controller/uc/plant1/api/response/" + codec::encode_hex(id));
  EXPECT_EQ(answer_in(answers.publish[0]).id, Json("x"));
  EXPECT_EQ(answer_in(answers.publish[0]).outcome, Outcome(Json(3)));
}

TEST_F(EvaGatewayTest, AnswersInThePackingOfTheRequest) {
  const Key key = default_key();
  const Body body = Body::of_call(test_call(Json("1")), key.expose());
  const auto actions = send(seal_binary_request(key, Packing::zlib, eva_id(), body, random.array<16>()));
  ASSERT_EQ(actions.execute.size(), 1U);
  const auto answers = gateway->on_outcome(actions.execute[0].number, Json("done"), at(seconds(1)));
  ASSERT_EQ(answers.publish.size(), 1U);
  EXPECT_EQ(answer_in(answers.publish[0], Packing::zlib).outcome, Outcome(Json("done")));
  EXPECT_FALSE(open_binary_response(answers.publish[0].payload, key, Packing::plain, {}));
}

TEST_F(EvaGatewayTest, AnswersTextInText) {
  const auto actions = send(text("42", kNoon, default_key()));
  ASSERT_EQ(actions.execute.size(), 1U);
  const auto answers = gateway->on_outcome(actions.execute[0].number, Json(true), at(seconds(2)));
  ASSERT_EQ(answers.publish.size(), 1U);
  EXPECT_EQ(answers.publish[0].topic, "controller/uc/plant1/api/response/42");
  const auto body = open_text_response(as_text(answers.publish[0].payload), default_key(), kNoon, {});
  ASSERT_TRUE(body) << body.error().detail;
  EXPECT_EQ(body->write(), R"({"id":1,"jsonrpc":"2.0","result":true})");
}

TEST_F(EvaGatewayTest, RetainedIsIgnored) {
  expect_nothing(gateway->on_message(kRequests, binary(), true, at(seconds(0))));
  expect_nothing(gateway->on_message(kRequests, text("1", kNoon, default_key()), true, at(seconds(0))));
  EXPECT_EQ(gateway->counts().retained, 2U);
}

TEST_F(EvaGatewayTest, OtherTopicsAreIgnored) {
  for (const std::string_view topic : {"", "controller/uc/plant2/api/request", "controller/uc/plant1/api/request/",
                                       "controller/uc/plant1/api/response/1", "s/controller/uc/plant1/api/request"}) {
    expect_nothing(gateway->on_message(topic, binary(), false, at(seconds(0))));
  }
  EXPECT_EQ(gateway->counts().elsewhere, 5U);
}

TEST_F(EvaGatewayTest, SameBytesExecuteOnceForAsLongAsTheyAreRemembered) {
  const Bytes request = binary();
  EXPECT_EQ(send(request).execute.size(), 1U);
  for (const int after : {0, 1, 61, 3600}) expect_nothing(send(request, seconds(after)));
  EXPECT_EQ(gateway->counts().repeated, 4U);
}

TEST_F(EvaGatewayTest, SameIdUnderOtherBytesExecutesOnce) {
  const RequestId id = eva_id();
  EXPECT_EQ(send(binary(id, default_key())).execute.size(), 1U);
  expect_nothing(send(binary(id, default_key(), test_call(Json("other")))));
  EXPECT_EQ(gateway->counts().repeated, 1U);
}

TEST_F(EvaGatewayTest, AnotherPackingOrKeyIdInFrontOfSealedBytesExecutesNothing) {
  Bytes request = binary();
  EXPECT_EQ(send(request).execute.size(), 1U);
  request[1] = 3;
  expect_nothing(send(request));
  ASSERT_TRUE(gateway->add_key({.key = key_of("second", "the-second-api-key"), .legacy_until = kNoExpiry}));
  const auto parsed = parse_binary_request(request);
  ASSERT_TRUE(parsed);
  expect_nothing(send(Writer().u8(0).u8(2).text("second").u8(0).bytes(parsed->block).take()));
  EXPECT_EQ(gateway->counts().unopened, 1U);
}

TEST_F(EvaGatewayTest, SameTokenExecutesOnce) {
  const Bytes request = text("42", kNoon, default_key());
  EXPECT_EQ(send(request).execute.size(), 1U);
  for (const int after : {0, 1, 60}) expect_nothing(send(request, seconds(after)));
  EXPECT_EQ(gateway->counts().repeated, 3U);
  expect_nothing(send(request, seconds(61)));
  EXPECT_EQ(gateway->counts().stale, 1U);
}

TEST_F(EvaGatewayTest, SameCallIdInANewTokenIsANewCall) {
  EXPECT_EQ(send(text("1", kNoon, default_key())).execute.size(), 1U);
  EXPECT_EQ(send(text("1", kNoon, default_key())).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, TokenOfAnotherTimeIsIgnored) {
  for (const UnixTime made : {UnixTime(0), kNoon - seconds(61), kNoon + seconds(61)}) {
    expect_nothing(send(text("42", made, default_key())));
  }
  EXPECT_EQ(gateway->counts().stale, 3U);
}

TEST_F(EvaGatewayTest, IdWithATimeMustBeOfThisMinute) {
  for (const int age : {-61, 61, 86'400}) {
    expect_nothing(send(binary(draw_request_id(kNoon - seconds(age), random), default_key())));
  }
  EXPECT_EQ(gateway->counts().stale, 3U);
  EXPECT_EQ(send(binary(draw_request_id(kNoon - seconds(60), random), default_key())).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, KeyForFreshRequestsAloneTakesNoIdWithoutATime) {
  GatewayKey key = ordinary_key();
  key.only_fresh = true;
  start_with(std::move(key));
  expect_nothing(send(binary()));
  EXPECT_EQ(gateway->counts().stale, 1U);
  EXPECT_EQ(send(binary(draw_request_id(kNoon, random), default_key())).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, WhatAnEarlierRunMayHaveExecutedIsIgnored) {
  start(kNoon + kTokenLife);
  for (const int made : {0, 1, 60}) {
    expect_nothing(send(text("42", kNoon + seconds(made), default_key()), seconds(made)));
    expect_nothing(send(binary(draw_request_id(kNoon + seconds(made), random), default_key()), seconds(made)));
  }
  EXPECT_EQ(gateway->counts().stale, 6U);
  EXPECT_EQ(send(text("42", kNoon + seconds(61), default_key()), seconds(61)).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, RunThatEndedInOrderTellsTheNextWhatItTook) {
  const Bytes early = text("1", kNoon - seconds(5), default_key());
  const Bytes late = text("1", kNoon + seconds(30), default_key());
  EXPECT_EQ(send(late).execute.size(), 1U);
  EXPECT_EQ(send(early).execute.size(), 1U);
  expect_nothing(send(text("1", kNoon + seconds(61), default_key())));
  EXPECT_EQ(gateway->taken_until(), kNoon + seconds(30));
  start(gateway->taken_until());
  EXPECT_EQ(gateway->taken_until(), kNoon + seconds(30));
  expect_nothing(send(late));
  expect_nothing(send(early));
  EXPECT_EQ(send(text("1", kNoon + seconds(31), default_key()), seconds(31)).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, ForeignKeyInsideIsForbiddenAndExecutesNothing) {
  ASSERT_TRUE(gateway->add_key({.key = key_of("master", "the-masters-api-key"), .legacy_until = kNoExpiry}));
  const Key outer = default_key();
  const Body body = Body::of_call(test_call(Json("1")), "the-masters-api-key");
  const auto actions = send(seal_binary_request(outer, Packing::plain, eva_id(), body, random.array<16>()));
  EXPECT_TRUE(actions.execute.empty());
  ASSERT_EQ(actions.publish.size(), 1U);
  EXPECT_EQ(answer_in(actions.publish[0]).outcome.error().code, Code::forbidden);
  EXPECT_EQ(gateway->counts().foreign_key, 1U);
}

TEST_F(EvaGatewayTest, KeyInsideMustBeTheWholeKeyAsText) {
  const Key outer = default_key();
  for (const std::string& inner :
       {std::string(), std::string("my-eva-api-ke"), std::string("my-eva-api-keyx"), std::string("default")}) {
    const Body body = Body::of_call(test_call(Json("1")), inner);
    EXPECT_TRUE(send(seal_binary_request(outer, Packing::plain, eva_id(), body, random.array<16>())).execute.empty())
        << inner;
  }
  const auto by_hand = [&](std::string_view json) {
    const std::string plain = "42|" + std::string(json);
    return to_bytes("|default|" + seal_token(outer.fernet(), kNoon, random.array<16>(), as_bytes(plain)));
  };
  for (const std::string_view params :
       {"{}", R"({"k":null})", R"({"k":["my-eva-api-key"]})", R"({"K":"my-eva-api-key"})"}) {
    const std::string json = R"({"jsonrpc":"2.0","method":"test","id":1,"params":)" + std::string(params) + "}";
    const auto actions = send(by_hand(json));
    EXPECT_TRUE(actions.execute.empty()) << params;
    EXPECT_EQ(actions.publish.size(), 1U) << params;
  }
  const auto without = send(by_hand(R"({"jsonrpc":"2.0","method":"test","id":1})"));
  EXPECT_TRUE(without.execute.empty());
}

TEST_F(EvaGatewayTest, WhatNoKeyOpensIsIgnoredSilently) {
  expect_nothing(send({}));
  expect_nothing(send(as_bytes("hello")));
  expect_nothing(send(Bytes{0x00, 0x02}));
  expect_nothing(send(Bytes(std::size_t{300} << 10U)));
  EXPECT_EQ(gateway->counts().malformed, 4U);
  expect_nothing(send(binary(eva_id(), key_of("nobody", "an-unknown-api-key"))));
  EXPECT_EQ(gateway->counts().unknown_key, 1U);
  expect_nothing(send(binary(eva_id(), key_of("default", "another-api-key"))));
  expect_nothing(send(text("42", kNoon, key_of("default", "another-api-key"))));
  EXPECT_EQ(gateway->counts().unopened, 2U);
}

TEST_F(EvaGatewayTest, WhatIsSealedAndNoCallIsIgnoredSilently) {
  const std::string plain = R"(42|{"jsonrpc":"2.0"})";
  expect_nothing(
      send(to_bytes("|default|" + seal_token(default_key().fernet(), kNoon, random.array<16>(), as_bytes(plain)))));
  EXPECT_EQ(gateway->counts().malformed, 1U);
}

TEST_F(EvaGatewayTest, CallIdOfAnotherTopicIsIgnored) {
  const std::string plain =
      R"(x/../../anything|{"jsonrpc":"2.0","method":"test","params":{"k":"my-eva-api-key"},"id":1})";
  expect_nothing(
      send(to_bytes("|default|" + seal_token(default_key().fernet(), kNoon, random.array<16>(), as_bytes(plain)))));
  EXPECT_EQ(gateway->counts().malformed, 1U);
}

TEST_F(EvaGatewayTest, KeyOpensNothingFromItsDateOn) {
  GatewayKey key = ordinary_key();
  key.legacy_until = kNoon + seconds(10);
  start_with(std::move(key));
  EXPECT_EQ(send(binary(), seconds(9)).execute.size(), 1U);
  expect_nothing(send(binary(), seconds(10)));
  expect_nothing(send(text("42", kNoon, default_key()), seconds(10)));
  EXPECT_EQ(gateway->counts().switched_off, 2U);
}

TEST_F(EvaGatewayTest, TwoKeysOfOneIdOverlapAndAThirdIsRefused) {
  const Key second = key_of("default", "my-next-eva-api-key");
  ASSERT_TRUE(gateway->add_key({.key = second.clone(), .legacy_until = kNoExpiry}));
  EXPECT_EQ(send(binary()).execute.size(), 1U);
  EXPECT_EQ(send(binary(eva_id(), second)).execute.size(), 1U);
  EXPECT_EQ(send(text("1", kNoon, second)).execute.size(), 1U);
  const Body crossed = Body::of_call(test_call(Json("1")), "my-eva-api-key");
  EXPECT_TRUE(send(seal_binary_request(second, Packing::plain, eva_id(), crossed, random.array<16>())).execute.empty());
  EXPECT_EQ(gateway->add_key({.key = key_of("default", "a-third-eva-api-key"), .legacy_until = kNoExpiry}).error().code,
            Errc::conflict);
}

TEST_F(EvaGatewayTest, KeyThatIsTakenAwayAnswersNothingMore) {
  const auto actions = send(binary());
  ASSERT_EQ(actions.execute.size(), 1U);
  gateway->remove_keys(parse_key_id("default").value());
  expect_nothing(gateway->on_outcome(actions.execute[0].number, Json(1), at(seconds(1))));
  EXPECT_EQ(gateway->counts().late, 1U);
  expect_nothing(send(binary()));
  EXPECT_EQ(gateway->counts().unknown_key, 1U);
}

TEST_F(EvaGatewayTest, KeyThatIsAddedAgainExecutesNothingAgain) {
  const Bytes request = binary();
  const Bytes token = text("42", kNoon, default_key());
  EXPECT_EQ(send(request).execute.size(), 1U);
  EXPECT_EQ(send(token).execute.size(), 1U);
  gateway->remove_keys(parse_key_id("default").value());
  ASSERT_TRUE(gateway->add_key(ordinary_key()));
  expect_nothing(send(request));
  expect_nothing(send(token));
  EXPECT_EQ(gateway->counts().repeated, 2U);
}

TEST_F(EvaGatewayTest, CallsOverTheRateAreAnsweredBusyUntilTimeHasPassed) {
  GatewayKey key = ordinary_key();
  key.rate = {.burst = 2, .per_second = 0.5};
  start_with(std::move(key));
  EXPECT_EQ(send(binary()).execute.size(), 1U);
  EXPECT_EQ(send(binary()).execute.size(), 1U);
  const Bytes third = binary();
  const auto refused = send(third);
  EXPECT_TRUE(refused.execute.empty());
  ASSERT_EQ(refused.publish.size(), 1U);
  EXPECT_EQ(answer_in(refused.publish[0]).outcome.error().code, Code::busy);
  EXPECT_TRUE(send(binary(), seconds(1)).execute.empty());
  expect_nothing(send(third, seconds(4)));  // it was answered
  EXPECT_EQ(send(binary(), seconds(4)).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, RepeatsOfOthersTakeNothingFromARate) {
  GatewayKey key = ordinary_key();
  key.rate = {.burst = 2, .per_second = 0};
  start_with(std::move(key));
  const Bytes first = binary();
  EXPECT_EQ(send(first).execute.size(), 1U);
  for (int i = 0; i < 100; ++i) expect_nothing(send(first));
  EXPECT_EQ(send(binary()).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, CallsUnderWayAreLimitedForEachKeyAndInAll) {
  settings.under_way_of_one_key = 2;
  settings.under_way = 3;
  start(UnixTime(0));
  const Key second = key_of("second", "the-second-api-key");
  ASSERT_TRUE(gateway->add_key({.key = second.clone(), .legacy_until = kNoExpiry}));
  const auto first = send(binary());
  EXPECT_EQ(send(binary()).execute.size(), 1U);
  EXPECT_TRUE(send(binary()).execute.empty());
  EXPECT_EQ(send(binary(eva_id(), second)).execute.size(), 1U);
  EXPECT_TRUE(send(binary(eva_id(), second)).execute.empty());
  EXPECT_EQ(gateway->counts().busy, 2U);
  gateway->on_outcome(first.execute.at(0).number, Json(1), at(seconds(0)));
  EXPECT_EQ(send(binary()).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, CallThatIsNotDoneInTimeIsAnsweredOnce) {
  const auto actions = send(binary());
  ASSERT_EQ(actions.execute.size(), 1U);
  ASSERT_EQ(gateway->next_tick(), at(seconds(5)).steady);
  expect_nothing(gateway->on_tick(at(seconds(4))));
  const auto answers = gateway->on_tick(at(seconds(5)));
  ASSERT_EQ(answers.publish.size(), 1U);
  EXPECT_EQ(answer_in(answers.publish[0]).outcome.error().code, Code::server_timeout);
  EXPECT_FALSE(gateway->next_tick());
  expect_nothing(gateway->on_outcome(actions.execute[0].number, Json(1), at(seconds(6))));
  expect_nothing(gateway->on_outcome({.message = 99, .place = 0}, Json(1), at(seconds(6))));
  EXPECT_EQ(gateway->counts().late, 2U);
}

TEST_F(EvaGatewayTest, BatchIsAnsweredWholeAndWithoutItsNotifications) {
  const auto by_hand = [&](std::string_view json) {
    const std::string plain = "42|" + std::string(json);
    return to_bytes("|default|" + seal_token(default_key().fernet(), kNoon, random.array<16>(), as_bytes(plain)));
  };
  const auto actions = send(by_hand(R"([{"jsonrpc":"2.0","method":"a","params":{"k":"my-eva-api-key"},"id":1},)"
                                    R"({"jsonrpc":"2.0","method":"b","params":{"k":"my-eva-api-key"}},)"
                                    R"({"jsonrpc":"2.0","method":"c","params":{"k":"foreign"},"id":3}])"));
  ASSERT_EQ(actions.execute.size(), 2U);
  EXPECT_EQ(actions.execute[1].method, "b");
  expect_nothing(gateway->on_outcome(actions.execute[1].number, Json("ignored"), at(seconds(0))));
  expect_nothing(gateway->on_outcome(actions.execute[1].number, Json("twice"), at(seconds(0))));
  expect_nothing(
      gateway->on_outcome({.message = actions.execute[0].number.message, .place = 7}, Json(1), at(seconds(0))));
  const auto answers = gateway->on_outcome(actions.execute[0].number, Json("A"), at(seconds(0)));
  ASSERT_EQ(answers.publish.size(), 1U);
  const auto body = open_text_response(as_text(answers.publish[0].payload), default_key(), kNoon, {});
  ASSERT_TRUE(body) << body.error().detail;
  const Json::Array list = body->array().value_or(Json::Array());
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].text_at("result").value_or(""), "A");
  EXPECT_EQ(parse_answer(list[1])->outcome.error().code, Code::forbidden);
}

TEST_F(EvaGatewayTest, NotificationIsAnsweredWithNothingInASeal) {
  Call call = test_call(Json());
  call.id.reset();
  const auto actions = send(binary(eva_id(), default_key(), call));
  ASSERT_EQ(actions.execute.size(), 1U);
  const auto answers = gateway->on_outcome(actions.execute[0].number, Json(1), at(seconds(0)));
  ASSERT_EQ(answers.publish.size(), 1U);
  EXPECT_EQ(open_binary_response(answers.publish[0].payload, default_key(), Packing::plain, {}).value_or(Json(1)),
            Json());
}

TEST_F(EvaGatewayTest, RemembersAtMostWhatItIsToldAndNeverForgetsAFreshToken) {
  settings.remembered = 4;
  start(UnixTime(0));
  std::vector<Bytes> tokens;
  for (int i = 0; i < 5; ++i) tokens.push_back(text("1", kNoon, default_key()));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(send(tokens[static_cast<std::size_t>(i)]).execute.size(), 1U);
  expect_nothing(send(tokens[4]));
  EXPECT_EQ(gateway->counts().no_room, 1U);
  for (int i = 0; i < 4; ++i) expect_nothing(send(tokens[static_cast<std::size_t>(i)]));
  EXPECT_EQ(send(text("1", kNoon + seconds(61), default_key()), seconds(61)).execute.size(), 1U);
}

TEST_F(EvaGatewayTest, IdsWithoutATimeMakeRoomForNewerOnes) {
  settings.remembered = 4;  // two requests
  start(UnixTime(0));
  const Bytes first = binary();
  EXPECT_EQ(send(first).execute.size(), 1U);
  EXPECT_EQ(send(binary()).execute.size(), 1U);
  expect_nothing(send(first));
  EXPECT_EQ(send(binary()).execute.size(), 1U);
  EXPECT_EQ(send(first).execute.size(), 1U);  // the format's: why a key has a date
}

TEST_F(EvaGatewayTest, AnnouncesItself) {
  EXPECT_EQ(gateway->subscription(), kRequests);
  EXPECT_EQ(gateway->announce().topic, "controller/discovery");
  EXPECT_EQ(as_text(gateway->announce().payload), "uc/plant1");
}

}  // namespace
}  // namespace sallyport::sealed::eva
