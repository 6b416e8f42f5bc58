// What the tests of the EVA formats share: their vectors, a key, moments.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/text.h"
#include "sealed/eva_binary.h"
#include "sealed/eva_topics.h"

namespace sallyport::sealed::eva {

inline constexpr UnixTime kNoon{1'800'000'000};

inline Moment at(seconds after_noon) {
  return {.civil = kNoon + after_noon, .steady = Instant(hours(1)) + after_noon};
}

// A vector of tests/vectors/sealed/eva.json.
inline codec::Json eva_vector(std::string_view name) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/tests/vectors/sealed/eva.json");
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const auto parsed = codec::parse_json(text);
  EXPECT_TRUE(parsed) << "eva.json";
  for (const codec::Json& vector : parsed ? parsed->array().value_or(codec::Json::Array()) : codec::Json::Array()) {
    if (vector.text_at("name").value_or("") == name) return vector;
  }
  ADD_FAILURE() << "no vector " << name;
  return {};
}

inline std::string text_in(const codec::Json& vector, std::string_view key) {
  const auto text = vector.text_at(key);
  EXPECT_TRUE(text) << key;
  return text.value_or("");
}

inline Bytes bytes_in(const codec::Json& vector, std::string_view key) {
  return codec::decode_hex(text_in(vector, key)).value_or(Bytes());
}

template <std::size_t N>
std::array<std::uint8_t, N> array_in(const codec::Json& vector, std::string_view key) {
  const Bytes bytes = bytes_in(vector, key);
  EXPECT_EQ(bytes.size(), N) << key;
  std::array<std::uint8_t, N> out{};
  std::ranges::copy(ByteView(bytes).first(std::min(bytes.size(), N)), out.begin());
  return out;
}

inline Key key_of(std::string_view id, std::string_view secret) {
  return Key::from(parse_key_id(id).value(), secret).value();
}

inline Key default_key() {
  return key_of("default", "my-eva-api-key");
}

inline Call test_call(codec::Json id) {
  return {.method = "test", .params = {}, .id = std::move(id)};
}

inline Controller plant() {
  return {.type = ControllerType::uc, .name = "plant1"};
}

}  // namespace sallyport::sealed::eva
