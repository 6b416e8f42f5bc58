#include "sealed/eva_binary.h"

#include <gtest/gtest.h>

#include "codec/zlib.h"
#include "sealed/detail/eva_test_support.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

const crypto::CbcIv kIv{9, 8, 7};
const RequestId kId{1, 2, 3};

// E of any bytes behind a right head: what only a holder of the key can make.
Bytes sealed_by_hand(const Key& key, Packing packing, ByteView plain) {
  return Writer()
      .u8(0)
      .u8(static_cast<std::uint8_t>(packing))
      .text(key.id().get())
      .u8(0)
      .bytes(crypto::cbc_seal(key.binary(), {}, kIv, plain))
      .take();
}

Errc refusal_of(ByteView payload, const Key& key, const Limits& limits = {}) {
  const auto parsed = parse_binary_request(payload);
  if (!parsed) return parsed.error().code;
  const auto opened = open_binary_request(*parsed, key, limits);
  return opened ? Errc::internal : opened.error().code;
}

TEST(EvaBinary, WhatIsSealedOpensInBothPackings) {
  const Key key = default_key();
  for (const Packing packing : {Packing::plain, Packing::zlib}) {
    const Body body = Body::of_call(test_call(Json("7")), key.expose());
    const Bytes request = seal_binary_request(key, packing, kId, body, kIv);
    const auto parsed = parse_binary_request(request);
    ASSERT_TRUE(parsed);
    const auto opened = open_binary_request(*parsed, key, {});
    ASSERT_TRUE(opened) << opened.error().detail;
    EXPECT_EQ(opened->id, kId);
    EXPECT_EQ(opened->body.text_at("id").value_or(""), "7");
    const Body answer = Body::of_answers({{.id = Json("7"), .outcome = Json(5)}}, false);
    const Bytes response = seal_binary_response(key, packing, answer, kIv);
    EXPECT_EQ(open_binary_response(response, key, packing, {})->integer_at("result").value_or(0), 5);
  }
}

TEST(EvaBinary, HeadsOfOtherFormsAreRefused) {
  const Bytes request = bytes_in(eva_vector("binary"), "request");
  for (const int packing : {0, 1, 4, 0xC8, 0xFF}) {
    Bytes changed = request;
    changed[1] = static_cast<std::uint8_t>(packing);
    EXPECT_FALSE(parse_binary_request(changed)) << packing;
  }
  EXPECT_FALSE(parse_binary_request({}));
  EXPECT_FALSE(parse_binary_request(Bytes{0x00}));
  EXPECT_FALSE(parse_binary_request(Bytes{0x00, 0x02, 'd', 'e', 'f'}));
  EXPECT_FALSE(parse_binary_request(Bytes{0x00, 0x02, 0x00}));
  Bytes long_id{0x00, 0x02};
  long_id.insert(long_id.end(), 65, 'k');
  long_id.push_back(0);
  long_id.insert(long_id.end(), 96, 1);
  EXPECT_FALSE(parse_binary_request(long_id));
}

TEST(EvaBinary, AnotherKeyIsRefusedAsIfItWereChanged) {
  const Bytes request = bytes_in(eva_vector("binary"), "request");
  EXPECT_EQ(refusal_of(request, key_of("default", "another-api-key")), Errc::unauthorized);
}

TEST(EvaBinary, WhatTheKeySealedIsStillCheckedWhole) {
  const Key key = default_key();
  Bytes plain(16, 1);
  EXPECT_EQ(refusal_of(sealed_by_hand(key, Packing::plain, ByteView(plain).first(9)), key), Errc::malformed);
  EXPECT_EQ(refusal_of(sealed_by_hand(key, Packing::plain, plain), key), Errc::malformed);
  append(plain, Bytes{0x80, 0x80});
  EXPECT_EQ(refusal_of(sealed_by_hand(key, Packing::plain, plain), key), Errc::malformed);
  EXPECT_EQ(refusal_of(sealed_by_hand(key, Packing::zlib, plain), key), Errc::malformed);
  Bytes trailing(16, 1);
  append(trailing, codec::deflate_zlib(Bytes{0x80}));
  trailing.push_back(0);
  EXPECT_EQ(refusal_of(sealed_by_hand(key, Packing::zlib, trailing), key), Errc::malformed);
}

TEST(EvaBinary, BombSealedByAKeyEndsAtTheCap) {
  const Key key = default_key();
  Bytes plain(16, 1);
  append(plain, codec::deflate_zlib(Bytes(std::size_t{32} << 20U)));
  const Bytes request = sealed_by_hand(key, Packing::zlib, plain);
  EXPECT_LT(request.size(), 64'000U);
  EXPECT_EQ(refusal_of(request, key), Errc::overloaded);
}

TEST(EvaBinary, RequestShownAsItsResponseIsRefused) {
  const Json vector = eva_vector("binary");
  const Key key = default_key();
  const Bytes request = bytes_in(vector, "request");
  const auto parsed = parse_binary_request(request);
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(open_binary_response(request, key, Packing::plain, {}));
  const Bytes reflected = Writer().u8(0).u8(0xC8).bytes(parsed->block).take();
  EXPECT_FALSE(open_binary_response(reflected, key, Packing::plain, {}));
}

TEST(EvaBinary, ResponseShownAsARequestIsRefused) {
  const Key key = default_key();
  const Bytes response = bytes_in(eva_vector("binary"), "response");
  const Bytes reflected = Writer().u8(0).u8(2).text("default").u8(0).bytes(ByteView(response).subspan(2)).take();
  EXPECT_EQ(refusal_of(reflected, key), Errc::malformed);
  EXPECT_EQ(refusal_of(response, key), Errc::malformed);
}

TEST(EvaBinary, ResponseOverTheLimitOrWithAnotherCodeIsRefused) {
  const Key key = default_key();
  Bytes response = bytes_in(eva_vector("binary"), "response");
  EXPECT_EQ(open_binary_response(response, key, Packing::plain, {.message = response.size() - 1}).error().code,
            Errc::overloaded);
  response[1] = 0xC9;
  EXPECT_EQ(open_binary_response(response, key, Packing::plain, {}).error().code, Errc::malformed);
  EXPECT_EQ(open_binary_response(as_bytes("500|"), key, Packing::plain, {}).error().code, Errc::malformed);
}

TEST(EvaKey, IdsAndSecretsOfOtherFormsAreRefused) {
  for (const std::string_view id : {"", " ", "a b", "a|b", "a\nb", "\x7F", "gr\xC3\xBCn"}) {
    EXPECT_FALSE(parse_key_id(id)) << id;
  }
  EXPECT_FALSE(parse_key_id(std::string(65, 'k')));
  EXPECT_TRUE(parse_key_id(std::string(64, 'k')));
  const KeyId id = parse_key_id("default").value();
  EXPECT_FALSE(Key::from(id, ""));
  EXPECT_FALSE(Key::from(id, "1234567"));
  EXPECT_TRUE(Key::from(id, "12345678"));
  EXPECT_FALSE(Key::from(id, std::string(257, 'k')));
  EXPECT_FALSE(Key::from(id, "12345678\xFF"));
}

TEST(EvaKey, IsItselfAlone) {
  const Key key = default_key();
  EXPECT_TRUE(key.is("my-eva-api-key"));
  EXPECT_TRUE(key.clone().is("my-eva-api-key"));
  EXPECT_FALSE(key.is("my-eva-api-kez"));
  EXPECT_FALSE(key.is("my-eva-api-ke"));
  EXPECT_FALSE(key.is("my-eva-api-key "));
  EXPECT_FALSE(key.is(""));
}

}  // namespace
}  // namespace sallyport::sealed::eva
