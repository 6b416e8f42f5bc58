// Test vectors of tests/vectors/crypto/, for this layer's unit tests.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "codec/json.h"
#include "codec/text.h"

namespace sallyport::crypto {

// The cases of a file, each an object; an empty or unreadable file fails the test.
inline codec::Json::Array load_vectors(std::string_view file) {
  std::ifstream stream(std::string(SALLYPORT_SOURCE_DIR) + "/tests/vectors/crypto/" + std::string(file));
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const auto parsed = codec::parse_json(text);
  EXPECT_TRUE(parsed) << file;
  auto cases = parsed ? parsed->array() : Result<codec::Json::Array>(codec::Json::Array());
  EXPECT_TRUE(cases && !cases->empty()) << file;
  return *cases;
}

// The text member `key` of a case, which must have it.
inline std::string text_of(const codec::Json& vector, std::string_view key) {
  const auto text = vector.text_at(key);
  EXPECT_TRUE(text) << key;
  return text.value_or("");
}

inline Bytes bytes_of(const codec::Json& vector, std::string_view key) {
  const auto bytes = codec::decode_hex(text_of(vector, key));
  EXPECT_TRUE(bytes) << key;
  return bytes.value_or(Bytes());
}

}  // namespace sallyport::crypto
