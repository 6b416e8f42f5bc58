// The frames that the original functions of EVA ICS made and took (tests/vectors/sealed/eva.json).

#include <gtest/gtest.h>

#include "codec/msgpack.h"
#include "crypto/hash.h"
#include "sealed/detail/eva_test_support.h"
#include "sealed/eva_binary.h"
#include "sealed/eva_text.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

Key vector_key(const Json& vector) {
  return key_of(text_in(vector, "key_id"), text_in(vector, "key"));
}

UnixTime vector_time(const Json& vector) {
  return UnixTime(vector.integer_at("time").value_or(0));
}

Answer ok_answer(Json id) {
  return {.id = std::move(id), .outcome = Json::Object{{"ok", Json(true)}}};
}

TEST(EvaVectors, KeysAreDerivedAsThere) {
  const Json binary = eva_vector("binary");
  EXPECT_EQ(codec::encode_hex(crypto::sha512(as_bytes(text_in(binary, "key")))), text_in(binary, "sha512"));
  const Key key = vector_key(binary);
  const std::string half = text_in(binary, "sha512").substr(0, 64);
  EXPECT_EQ(codec::encode_hex(key.binary().cipher.expose()), half);
  EXPECT_EQ(codec::encode_hex(key.binary().mac.expose()), half);
  Bytes fernet = to_bytes(key.fernet().mac.expose());
  append(fernet, key.fernet().cipher.expose());
  EXPECT_EQ(codec::encode_base64url(fernet) + "=", text_in(eva_vector("text"), "fernet_key"));
}

TEST(EvaVectors, BinaryRequestIsMadeAndOpenedToTheByte) {
  const Json vector = eva_vector("binary");
  const Key key = vector_key(vector);
  const Body body = Body::of_call(test_call(text_in(vector, "uuid")), key.expose());
  EXPECT_EQ(codec::encode_hex(body.to_msgpack()), text_in(vector, "request_body"));
  const auto id = array_in<16>(vector, "rid");
  EXPECT_EQ(to_uuid_text(id), text_in(vector, "uuid"));
  const Bytes request = seal_binary_request(key, Packing::plain, id, body, array_in<16>(vector, "request_iv"));
  EXPECT_EQ(codec::encode_hex(request), text_in(vector, "request"));

  const Bytes payload = bytes_in(vector, "request");
  const auto parsed = parse_binary_request(payload);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->key_id, "default");
  const auto opened = open_binary_request(*parsed, key, {});
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->id, id);
  EXPECT_EQ(opened->body, codec::parse_msgpack(bytes_in(vector, "request_body")).value_or(Json()));
}

TEST(EvaVectors, BinaryResponseIsMadeAndOpenedToTheByte) {
  const Json vector = eva_vector("binary");
  const Key key = vector_key(vector);
  const Body body = Body::of_answers({ok_answer(text_in(vector, "uuid"))}, false);
  EXPECT_EQ(codec::encode_hex(body.to_msgpack()), text_in(vector, "response_body"));
  EXPECT_EQ(codec::encode_hex(seal_binary_response(key, Packing::plain, body, array_in<16>(vector, "response_iv"))),
            text_in(vector, "response"));
  const auto opened = open_binary_response(bytes_in(vector, "response"), key, Packing::plain, {});
  ASSERT_TRUE(opened) << opened.error().detail;
  const auto answer = parse_answer(*opened);
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->id, Json(text_in(vector, "uuid")));
  EXPECT_EQ(answer->outcome, Outcome(Json::Object{{"ok", Json(true)}}));
}

TEST(EvaVectors, CompressedRequestIsOpened) {
  const Json vector = eva_vector("binary-zlib");
  const Key key = vector_key(vector);
  const Bytes payload = bytes_in(vector, "request");
  const auto parsed = parse_binary_request(payload);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(parsed->packing, Packing::zlib);
  const auto opened = open_binary_request(*parsed, key, {});
  ASSERT_TRUE(opened) << opened.error().detail;
  const auto list = parse_calls(opened->body);
  ASSERT_TRUE(list) << list.error().detail;
  EXPECT_EQ(list->calls[0].method, "test");
  EXPECT_EQ(list->calls[0].params.at("k"), Json("my-eva-api-key"));
}

TEST(EvaVectors, TextRequestIsMadeAndOpenedToTheByte) {
  const Json vector = eva_vector("text");
  const Key key = vector_key(vector);
  const Body body = Body::of_call(test_call(Json(1)), key.expose());
  const CallId call_id = parse_call_id(text_in(vector, "call_id")).value();
  EXPECT_EQ(call_id.get() + "|" + body.to_json(), text_in(vector, "request_plain"));
  EXPECT_EQ(seal_text_request(key, call_id, body, vector_time(vector), array_in<16>(vector, "request_iv")),
            text_in(vector, "request"));
  const std::string payload = text_in(vector, "request");
  const auto parsed = parse_text_request(payload);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  const auto opened = open_text_request(*parsed, key, vector_time(vector), {});
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->call_id, call_id);
  EXPECT_EQ(opened->made, vector_time(vector));
  EXPECT_EQ(opened->body.write(), R"({"id":1,"jsonrpc":"2.0","method":"test","params":{"k":"my-eva-api-key"}})");
}

TEST(EvaVectors, TextResponseIsMadeAndOpenedToTheByte) {
  const Json vector = eva_vector("text");
  const Key key = vector_key(vector);
  const Body body = Body::of_answers({ok_answer(Json(1))}, false);
  EXPECT_EQ(body.to_json(), text_in(vector, "response_plain"));
  EXPECT_EQ(seal_text_response(key, body, vector_time(vector), array_in<16>(vector, "response_iv")),
            text_in(vector, "response"));
  const auto opened = open_text_response(text_in(vector, "response"), key, vector_time(vector), {});
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->write(), R"({"id":1,"jsonrpc":"2.0","result":{"ok":true}})");
}

TEST(EvaVectors, EveryChangedBitOfABinaryFrameIsRefused) {
  const Json vector = eva_vector("binary");
  const Key key = vector_key(vector);
  const Bytes request = bytes_in(vector, "request");
  const std::size_t head = 2 + std::string_view("default").size() + 1;
  for (std::size_t bit = 0; bit < request.size() * 8; ++bit) {
    Bytes changed = request;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto parsed = parse_binary_request(changed);
    if (bit / 8 < head) {
      // Not sealed: another head opens only as the packing that it was not, which then is no message.
      EXPECT_TRUE(!parsed || parsed->key_id != "default" || !open_binary_request(*parsed, key, {})) << bit;
    } else {
      ASSERT_TRUE(parsed) << bit;
      EXPECT_EQ(open_binary_request(*parsed, key, {}).error().code, Errc::unauthorized) << bit;
    }
  }
  const Bytes response = bytes_in(vector, "response");
  for (std::size_t bit = 0; bit < response.size() * 8; ++bit) {
    Bytes changed = response;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(open_binary_response(changed, key, Packing::plain, {})) << bit;
  }
}

TEST(EvaVectors, EveryBeginningOfAFrameIsRefused) {
  const Json vector = eva_vector("binary");
  const Key key = vector_key(vector);
  const Bytes request = bytes_in(vector, "request");
  for (std::size_t size = 0; size < request.size(); ++size) {
    const auto parsed = parse_binary_request(ByteView(request).first(size));
    EXPECT_TRUE(!parsed || !open_binary_request(*parsed, key, {})) << size;
  }
  const Bytes response = bytes_in(vector, "response");
  for (std::size_t size = 0; size < response.size(); ++size) {
    EXPECT_FALSE(open_binary_response(ByteView(response).first(size), key, Packing::plain, {})) << size;
  }
}

}  // namespace
}  // namespace sallyport::sealed::eva
