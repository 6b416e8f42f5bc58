#include "sealed/eva_message.h"

#include <gtest/gtest.h>

#include "codec/msgpack.h"
#include "sealed/detail/eva_test_support.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

Json json_of(std::string_view text) {
  return codec::parse_json(text).value_or(Json("no JSON"));
}

TEST(EvaMessage, ReadsACallABatchAndANotification) {
  const auto one =
      parse_calls(json_of(R"({"jsonrpc":"2.0","method":"state","params":{"i":"unit:a/b"},"id":7,"extra":1})"));
  ASSERT_TRUE(one) << one.error().detail;
  EXPECT_FALSE(one->is_batch);
  EXPECT_EQ(one->calls[0].method, "state");
  EXPECT_EQ(one->calls[0].params.at("i"), Json("unit:a/b"));
  EXPECT_EQ(one->calls[0].id, Json(7));
  const auto two =
      parse_calls(json_of(R"([{"jsonrpc":"2.0","method":"a","id":null},{"jsonrpc":"2.0","method":"b","id":"x"}])"));
  ASSERT_TRUE(two) << two.error().detail;
  EXPECT_TRUE(two->is_batch);
  EXPECT_FALSE(two->calls[0].id);
  EXPECT_EQ(two->calls[1].id, Json("x"));
}

TEST(EvaMessage, RefusesWhatIsNoCall) {
  for (const std::string_view text :
       {"null", "1", "\"x\"", "[]", "[1]", "[[]]", "{}", R"({"method":"a","id":1})",
        R"({"jsonrpc":"1.0","method":"a"})", R"({"jsonrpc":2.0,"method":"a"})", R"({"jsonrpc":"2.0"})",
        R"({"jsonrpc":"2.0","method":""})", R"({"jsonrpc":"2.0","method":1})",
        R"({"jsonrpc":"2.0","method":"a","params":[1]})", R"({"jsonrpc":"2.0","method":"a","params":null})",
        R"({"jsonrpc":"2.0","method":"a","id":1.5})", R"({"jsonrpc":"2.0","method":"a","id":[]})",
        R"({"jsonrpc":"2.0","method":"a","id":true})", R"([{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0"}])"}) {
    EXPECT_EQ(parse_calls(json_of(text)).error().code, Errc::malformed) << text;
  }
  const Json call = json_of(R"({"jsonrpc":"2.0","method":"a"})");
  EXPECT_TRUE(parse_calls(Json(Json::Array(kMostCalls, call))));
  EXPECT_FALSE(parse_calls(Json(Json::Array(kMostCalls + 1, call))));
  const auto with = [](std::string_view member, std::string value) {
    Json::Object out{{"jsonrpc", Json("2.0")}, {"method", Json("a")}};
    out.insert_or_assign(std::string(member), Json(std::move(value)));
    return Json(std::move(out));
  };
  EXPECT_FALSE(parse_calls(with("method", std::string(kMostMethodBytes + 1, 'm'))));
  EXPECT_FALSE(parse_calls(with("id", std::string(kMostIdBytes + 1, 'i'))));
  EXPECT_TRUE(parse_calls(with("id", std::string(kMostIdBytes, 'i'))));
}

TEST(EvaMessage, AnswersAreReadAsTheyAreWritten) {
  const std::vector<Answer> answers{{.id = Json("a"), .outcome = Json(Json::Array{Json(1)})},
                                    {.id = Json(2), .outcome = std::unexpected(Failure{Code::busy, "later"})}};
  const Body body = Body::of_answers(answers, true);
  EXPECT_EQ(
      body.to_json(),
      R"([{"jsonrpc":"2.0","result":[1],"id":"a"},{"jsonrpc":"2.0","error":{"code":13,"message":"later"},"id":2}])");
  EXPECT_EQ(codec::parse_msgpack(body.to_msgpack()).value_or(Json()), json_of(body.to_json()));
  const Json::Array list = json_of(body.to_json()).array().value_or(Json::Array());
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(parse_answer(list[0])->outcome, Outcome(Json(Json::Array{Json(1)})));
  EXPECT_EQ(parse_answer(list[1])->outcome, Outcome(std::unexpected(Failure{Code::busy, "later"})));
}

TEST(EvaMessage, NotificationsAloneAreAnsweredWithNull) {
  for (const bool is_batch : {false, true}) {
    EXPECT_EQ(Body::of_answers({}, is_batch).to_msgpack(), Bytes{0xC0});
    EXPECT_EQ(Body::of_answers({}, is_batch).to_json(), "null");
  }
}

TEST(EvaMessage, CallAlwaysCarriesItsOwnKey) {
  Call call = test_call(Json(1));
  call.params["k"] = Json("somebody else's");
  EXPECT_EQ(Body::of_call(call, "mine").to_json(), R"({"jsonrpc":"2.0","method":"test","params":{"k":"mine"},"id":1})");
  call.id.reset();
  EXPECT_EQ(Body::of_call(call, "mine").to_json(), R"({"jsonrpc":"2.0","method":"test","params":{"k":"mine"}})");
}

TEST(EvaMessage, RefusesWhatIsNoAnswer) {
  for (const std::string_view text :
       {"null", "[]", "{}", R"({"jsonrpc":"2.0","id":1})", R"({"jsonrpc":"2.0","result":1,"error":{"code":1},"id":1})",
        R"({"jsonrpc":"2.0","error":1,"id":1})", R"({"jsonrpc":"2.0","error":{},"id":1})",
        R"({"jsonrpc":"2.0","error":{"code":"1"},"id":1})",
        R"({"jsonrpc":"2.0","error":{"code":1,"message":2},"id":1})", R"({"result":1,"id":1})",
        R"({"jsonrpc":"2.0","result":1,"id":{}})"}) {
    EXPECT_EQ(parse_answer(json_of(text)).error().code, Errc::malformed) << text;
  }
}

TEST(EvaMessage, CodesBeyondThoseKnownAreUnknown) {
  for (const int code : {0, -1, 16, 255, -32'601}) {
    const Json body =
        Json::Object{{"jsonrpc", Json("2.0")}, {"id", Json(1)}, {"error", Json(Json::Object{{"code", Json(code)}})}};
    EXPECT_EQ(parse_answer(body)->outcome.error().code, Code::unknown_error) << code;
  }
}

TEST(EvaMessage, CodesMapToJsonRpcAndBack) {
  std::set<std::int64_t> seen;
  for (int i = 1; i <= 15; ++i) {
    const auto code = static_cast<Code>(i);
    EXPECT_EQ(from_json_rpc(to_json_rpc(code)), code) << i;
    EXPECT_TRUE(seen.insert(to_json_rpc(code)).second) << i;
  }
  EXPECT_EQ(to_json_rpc(Code::not_found), -32'001);
  EXPECT_EQ(to_json_rpc(Code::forbidden), -32'002);
  EXPECT_EQ(to_json_rpc(Code::server_timeout), -32'008);
  EXPECT_EQ(to_json_rpc(Code::method_unknown), -32'601);
  EXPECT_EQ(to_json_rpc(Code::invalid_params), -32'602);
  EXPECT_EQ(from_json_rpc(-32'700), Code::bad_data);
  EXPECT_EQ(from_json_rpc(-32'600), Code::bad_data);
  for (const std::int64_t other : {-32'603, -32'000, -32'016, 0, 1, 42}) {
    EXPECT_EQ(from_json_rpc(other), Code::function_failed) << other;
  }
}

TEST(EvaMessage, RequestIdsAreUuidsOfTheirSecond) {
  SeededRandom random(1);
  const RequestId id = draw_request_id(kNoon, random);
  EXPECT_EQ(time_of(id), kNoon);
  EXPECT_NE(draw_request_id(kNoon, random), id);
  EXPECT_EQ(to_uuid_text(id)[14], '7');
  RequestId version_4 = id;
  version_4[6] = static_cast<std::uint8_t>(0x40U | (id[6] & 0x0FU));
  EXPECT_FALSE(time_of(version_4));
  RequestId other_variant = id;
  other_variant[8] |= 0xC0U;
  EXPECT_FALSE(time_of(other_variant));
}

}  // namespace
}  // namespace sallyport::sealed::eva
