#include "sealed/eva_text.h"

#include <gtest/gtest.h>

#include "sealed/detail/eva_test_support.h"

namespace sallyport::sealed::eva {
namespace {

using codec::Json;

const crypto::CbcIv kTextIv{1};

std::string text_request_of(const Key& key, std::string_view plain, UnixTime made) {
  return "|" + key.id().get() + "|" + seal_token(key.fernet(), made, kTextIv, as_bytes(plain));
}

Errc text_refusal_of(std::string_view payload, const Key& key, UnixTime now) {
  const auto parsed = parse_text_request(payload);
  if (!parsed) return parsed.error().code;
  const auto opened = open_text_request(*parsed, key, now, {});
  return opened ? Errc::internal : opened.error().code;
}

TEST(EvaText, TokenLivesAMinuteOnEitherSide) {
  const Key key = default_key();
  const std::string token = seal_token(key.fernet(), kNoon, kTextIv, as_bytes("plain"));
  for (const int age : {-60, -1, 0, 1, 60}) {
    EXPECT_TRUE(open_token(token, key.fernet(), kNoon + seconds(age))) << age;
  }
  for (const int age : {-61, 61, 3600, 1 << 30}) {
    EXPECT_EQ(open_token(token, key.fernet(), kNoon + seconds(age)).error().code, Errc::expired) << age;
  }
}

TEST(EvaText, TokenOf1970OrOfTheEndOfTimeIsRefused) {
  const Key key = default_key();
  EXPECT_EQ(text_refusal_of(text_request_of(key, "42|{}", UnixTime(0)), key, kNoon), Errc::expired);
  for (const std::int64_t made :
       {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(), kNoExpiry.since_epoch() + 1}) {
    const std::string token = seal_token(key.fernet(), UnixTime(made), kTextIv, {});
    EXPECT_EQ(open_token(token, key.fernet(), kNoon).error().code, Errc::expired) << made;
  }
}

TEST(EvaText, EveryChangedCharacterIsRefused) {
  const Json vector = eva_vector("text");
  const Key key = default_key();
  const UnixTime made(1'600'000'000);
  for (const std::string_view member : {"request", "response"}) {
    const std::string payload = text_in(vector, member);
    for (std::size_t i = 0; i < payload.size(); ++i) {
      for (const char other : {'A', 'B', '_', '|', '=', '\0', '\x80'}) {
        if (payload[i] == other) continue;
        std::string changed = payload;
        changed[i] = other;
        const auto parsed = parse_text_request(changed);
        const bool opens = member == "request" ? parsed && parsed->key_id == "default" &&
                                                     open_text_request(*parsed, key, made, {}).has_value()
                                               : open_text_response(changed, key, made, {}).has_value();
        EXPECT_FALSE(opens) << member << " " << i << " " << other;
      }
    }
  }
}

TEST(EvaText, EveryBeginningIsRefused) {
  const Json vector = eva_vector("text");
  const UnixTime made(1'600'000'000);
  for (const std::string_view member : {"request", "response"}) {
    const std::string payload = text_in(vector, member);
    for (std::size_t size = 0; size < payload.size(); ++size) {
      const std::string cut = payload.substr(0, size);
      EXPECT_NE(text_refusal_of(cut, default_key(), made), Errc::internal) << size;
      EXPECT_FALSE(open_text_response(cut, default_key(), made, {})) << size;
    }
  }
}

TEST(EvaText, TokenHasOneSpelling) {
  const Key key = default_key();
  const std::string token = text_in(eva_vector("text"), "request").substr(9);
  const UnixTime made(1'600'000'000);
  ASSERT_TRUE(open_token(token, key.fernet(), made));
  ASSERT_TRUE(token.ends_with("hU="));
  const std::string bare = token.substr(0, token.size() - 1);
  for (const std::string& other : {bare, bare + "==", bare + "=\n", " " + token, token + "=", token + "AAAA",
                                   bare.substr(0, bare.size() - 1) + "V=", bare + "A"}) {
    EXPECT_FALSE(open_token(other, key.fernet(), made)) << other;
  }
  std::string standard = token;
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  ASSERT_NE(standard, token);
  EXPECT_FALSE(open_token(standard, key.fernet(), made));
}

TEST(EvaText, CallIdsThatReachAnotherTopicAreRefused) {
  const Key key = default_key();
  for (const std::string_view id :
       {"", "x/../../anything", "+", "#", "a/b", "a b", "a.b", "$SYS", "a\nb", "gr\xC3\xBCn", "%2f"}) {
    EXPECT_FALSE(parse_call_id(id)) << id;
    EXPECT_EQ(text_refusal_of(text_request_of(key, std::string(id) + "|{}", kNoon), key, kNoon), Errc::malformed) << id;
  }
  const std::string with_nul("a\0b", 3);
  EXPECT_FALSE(parse_call_id(with_nul));
  EXPECT_FALSE(parse_call_id(std::string(65, 'a')));
  EXPECT_TRUE(parse_call_id(std::string(64, 'a')));
  EXPECT_TRUE(parse_call_id("Az09_-"));
}

TEST(EvaText, WhatTheKeySealedIsStillCheckedWhole) {
  const Key key = default_key();
  for (const std::string_view plain :
       {"", "42", "42|", "42|{", "42|{}x", "|{}", "{}", "42|\xFF", "42|{\"a\":1,\"a\":2}"}) {
    EXPECT_EQ(text_refusal_of(text_request_of(key, plain, kNoon), key, kNoon), Errc::malformed) << plain;
  }
}

TEST(EvaText, RequestsOfOtherFormsAreRefused) {
  for (const std::string_view payload : {"", "|", "||", "|default", "|default|", "default|abc", "||abc", "|a b|abc"}) {
    EXPECT_FALSE(parse_text_request(payload)) << payload;
  }
}

TEST(EvaText, RequestShownAsAResponseAndTheReverseAreRefused) {
  const Json vector = eva_vector("text");
  const Key key = default_key();
  const UnixTime made(1'600'000'000);
  const std::string request_token = text_in(vector, "request").substr(9);
  const std::string response_token = text_in(vector, "response").substr(4);
  EXPECT_EQ(open_text_response("200|" + request_token, key, made, {}).error().code, Errc::malformed);
  EXPECT_EQ(text_refusal_of("|default|" + response_token, key, made), Errc::malformed);
}

TEST(EvaText, FailureInClearIsNoResponse) {
  EXPECT_TRUE(is_unsealed_failure(as_bytes("500|")));
  EXPECT_FALSE(is_unsealed_failure(as_bytes("500|x")));
  EXPECT_FALSE(is_unsealed_failure(as_bytes("200|")));
  EXPECT_FALSE(is_unsealed_failure({}));
  EXPECT_FALSE(open_text_response("500|", default_key(), kNoon, {}));
}

}  // namespace
}  // namespace sallyport::sealed::eva
