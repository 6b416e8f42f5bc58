#include "sealed/json_rpc.h"

#include <gtest/gtest.h>

#include "sealed/body.h"

namespace sallyport::sealed {
namespace {

using codec::Json;

RpcFault fault_of(std::string_view text) {
  const RpcBatch batch = parse_json_rpc(text);
  EXPECT_EQ(batch.elements.size(), 1U);
  const auto* fault = std::get_if<RpcFault>(&batch.elements.at(0));
  EXPECT_NE(fault, nullptr) << text.substr(0, 100);
  return fault == nullptr ? RpcFault{} : *fault;
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

TEST(JsonRpc, ReadsRequestsNotificationsAndBatches) {
  const RpcBatch one = parse_json_rpc(R"({"jsonrpc":"2.0","id":"a","method":"pump.start","params":{"n":1}})");
  EXPECT_FALSE(one.is_batch);
  const auto& request = std::get<RpcRequest>(one.elements.at(0));
  EXPECT_EQ(request.method, "pump.start");
  EXPECT_EQ(request.id, Json("a"));
  EXPECT_EQ(request.params.integer_at("n").value(), 1);
  const RpcBatch many = parse_json_rpc(R"([{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"1.0","id":2,"method":"x"},7])");
  EXPECT_TRUE(many.is_batch);
  ASSERT_EQ(many.elements.size(), 3U);
  EXPECT_FALSE(std::get<RpcRequest>(many.elements[0]).id);
  EXPECT_EQ(std::get<RpcFault>(many.elements[1]).id, Json(2));
  EXPECT_EQ(std::get<RpcFault>(many.elements[2]).code, RpcCode::invalid_request);
}

TEST(JsonRpc, WhatIsNoJsonIsAParseError) {
  for (const std::string_view text :
       {"", "{", "nul", "{\"a\":1}x", "\xEF\xBB\xBF{}", "NaN", "[NaN]", "{\"n\":Infinity}", "{\"n\":1e99999}",
        "\"\\ud800\"", "\"\\udc00\\ud800\"", "{\"a\":1,\"a\":2}", "{'a':1}", "\"\xFF\"", "[1,]", "// x"})
    EXPECT_EQ(fault_of(text).code, RpcCode::parse_error) << text;
}

TEST(JsonRpc, AMillionOfAnythingIsRefusedWithinItsLimits) {
  EXPECT_EQ(fault_of(std::string(1'000'000, '[')).code, RpcCode::invalid_request);
  EXPECT_EQ(fault_of(std::string(100'000, '[')).code, RpcCode::invalid_request);
  EXPECT_EQ(fault_of(repeated("{\"a\":", 50'000)).code, RpcCode::invalid_request);
  std::string keys = "{";
  for (int i = 0; i < 20'000; ++i) keys += "\"" + std::to_string(i) + "\":0,";
  EXPECT_EQ(fault_of(keys + "\"x\":0}").code, RpcCode::invalid_request);
  EXPECT_EQ(fault_of("[" + repeated("0,", 1'000'000) + "0]").code, RpcCode::invalid_request);
  EXPECT_EQ(fault_of("[" + repeated("0,", 100'000) + "0]").code, RpcCode::invalid_request);
  EXPECT_EQ(fault_of("\"" + std::string(kMaxMessageBytes, 'a') + "\"").code, RpcCode::invalid_request);
}

TEST(JsonRpc, ABatchIsNeitherEmptyNorLong) {
  EXPECT_EQ(fault_of("[]").code, RpcCode::invalid_request);
  const std::string one = R"({"jsonrpc":"2.0","method":"x"})";
  EXPECT_EQ(parse_json_rpc("[" + repeated(one + ",", 63) + one + "]").elements.size(), 64U);
  EXPECT_EQ(fault_of("[" + repeated(one + ",", 64) + one + "]").code, RpcCode::invalid_request);
}

TEST(JsonRpc, MethodNamesHaveNoPathsAndAreNeverRepeated) {
  for (const std::string_view name : {"../../etc/passwd", "a/b", "", "a b", "x\\u0000", "<script>", "caf\xC3\xA9"}) {
    const RpcFault fault = fault_of(R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(name) + "\"}");
    EXPECT_EQ(fault.code, RpcCode::method_not_found) << name;
    EXPECT_EQ(fault.id, Json(1));
    if (!name.empty()) EXPECT_EQ(fault.message.find(name), std::string::npos);
  }
  EXPECT_EQ(fault_of(R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(129, 'm') + "\"}").code,
            RpcCode::method_not_found);
  // A name like any other: nothing here has prototypes.
  EXPECT_EQ(std::get<RpcRequest>(parse_json_rpc(R"({"jsonrpc":"2.0","id":1,"method":"__proto__"})").elements[0]).method,
            "__proto__");
}

TEST(JsonRpc, RequestsOfAnotherShapeAreInvalid) {
  for (const std::string_view text :
       {R"({"id":1,"method":"x"})", R"({"jsonrpc":2.0,"id":1,"method":"x"})", R"({"jsonrpc":"2.0","id":1})",
        R"({"jsonrpc":"2.0","id":1.5,"method":"x"})", R"({"jsonrpc":"2.0","id":{},"method":"x"})",
        R"({"jsonrpc":"2.0","id":[1],"method":"x"})", R"({"jsonrpc":"2.0","id":true,"method":"x"})",
        R"({"jsonrpc":"2.0","id":1,"method":7})", R"({"jsonrpc":"2.0","id":1,"method":"x","params":7})",
        R"({"jsonrpc":"2.0","id":1,"method":"x","params":null})", R"({"jsonrpc":"2.0","id":1,"method":"x","k":1})", "7",
        "\"x\"", "null", "true"})
    EXPECT_EQ(fault_of(text).code, RpcCode::invalid_request) << text;
}

TEST(JsonRpc, ResponsesAreReadForTheirOwnRequest) {
  const std::string result = rpc_result(Json(7), Json("fine")).write();
  EXPECT_EQ(parse_rpc_response(result, Json(7))->result, Json("fine"));
  EXPECT_FALSE(parse_rpc_response(result, Json(8)));
  EXPECT_FALSE(parse_rpc_response(result, Json("7")));
  const std::string error = rpc_error(Json(7), RpcCode::failed, "no", Json(3)).write();
  const auto outcome = parse_rpc_response(error, Json(7));
  EXPECT_EQ(outcome->error->code, RpcCode::failed);
  EXPECT_EQ(outcome->error_data, Json(3));
  EXPECT_TRUE(parse_rpc_response(rpc_error(nullptr, RpcCode::too_large, "x").write(), Json(7))->error);
  EXPECT_FALSE(parse_rpc_response(rpc_result(nullptr, Json(1)).write(), Json(7)));
}

TEST(JsonRpc, WhatIsNoResponseIsRefused) {
  for (const std::string_view text :
       {"", "[]", "7", R"({"jsonrpc":"2.0","id":7})", R"({"jsonrpc":"2.0","id":7,"result":1,"error":{}})",
        R"({"id":7,"result":1})", R"({"jsonrpc":"2.0","result":1})", R"({"jsonrpc":"2.0","id":7,"error":1})",
        R"({"jsonrpc":"2.0","id":7,"error":{"code":"x","message":"m"}})",
        R"({"jsonrpc":"2.0","id":7,"error":{"code":99999999999,"message":"m"}})",
        R"({"jsonrpc":"2.0","id":7,"error":{"code":1}})"})
    EXPECT_FALSE(parse_rpc_response(text, Json(7))) << text;
}

TEST(JsonRpc, AWrittenRequestReadsBack) {
  const RpcBatch batch = parse_json_rpc(rpc_request(Json("id"), "a:b", Json::Array{Json(1)}));
  EXPECT_EQ(std::get<RpcRequest>(batch.elements.at(0)).params, Json(Json::Array{Json(1)}));
}

RequestBody body_of(RequestKind kind) {
  RequestBody out;
  out.kind = kind;
  if (kind != RequestKind::nothing) out.id = CallId({1, 2, 3});
  if (kind == RequestKind::call || kind == RequestKind::stored_call) {
    out.deadline = UnixTime(1'800'000'000);
    out.json = "{}";
  }
  return out;
}

TEST(SealedBody, RequestsReadBackAndNothingElseDoes) {
  for (const RequestKind kind :
       {RequestKind::nothing, RequestKind::call, RequestKind::stored_call, RequestKind::ask_result}) {
    const Bytes bytes = encode_request_body(body_of(kind));
    EXPECT_EQ(parse_request_body(bytes).value(), body_of(kind));
    const std::size_t head = kind == RequestKind::nothing ? 1 : kind == RequestKind::ask_result ? 17 : 21;
    for (std::size_t size = 0; size < head; ++size) EXPECT_FALSE(parse_request_body(ByteView(bytes).first(size)));
  }
  EXPECT_FALSE(parse_request_body(Bytes{0, 0}));
  EXPECT_FALSE(parse_request_body(Bytes(18, 3)));
  EXPECT_FALSE(parse_request_body(Bytes(30, 4)));
  Bytes undated = encode_request_body(body_of(RequestKind::call));
  std::fill(undated.begin() + 17, undated.begin() + 21, std::uint8_t{0});
  EXPECT_FALSE(parse_request_body(undated));
}

TEST(SealedBody, RepliesReadBackAndNothingElseDoes) {
  for (std::uint8_t status = 0; status < 8; ++status) {
    ReplyBody body;
    body.status = static_cast<ReplyStatus>(status);
    if (status == 0 || status == 2) body.json = "{}";
    if (status == 1 || status == 5) body.node_time = UnixTime(1'800'000'000);
    if (status == 6) body.after = seconds(17);
    const Bytes bytes = encode_reply_body(body);
    EXPECT_EQ(parse_reply_body(bytes).value(), body);
    Bytes longer = bytes;
    longer.push_back('x');
    EXPECT_EQ(parse_reply_body(longer).has_value(), status == 0 || status == 2);
  }
  EXPECT_FALSE(parse_reply_body({}));
  EXPECT_FALSE(parse_reply_body(Bytes{8}));
  EXPECT_FALSE(parse_reply_body(Bytes{1, 0, 0, 0}));
  EXPECT_FALSE(parse_reply_body(Bytes{6, 0}));
}

}  // namespace
}  // namespace sallyport::sealed
