#include "codec/zlib.h"

#include <gtest/gtest.h>

#include "codec/detail/vectors.h"

namespace sallyport::codec {
namespace {

std::string inflated_text() {
  std::string out;
  for (int i = 0; i < 20; ++i) out += R"({"jsonrpc":"2.0"})";
  return out;
}

TEST(Zlib, InflatesWhatPythonDeflatedAndRefusesTheRest) {
  const std::map<std::string, std::string> whole = {
      {"plain", inflated_text()}, {"stored", inflated_text()}, {"best", inflated_text()}, {"nothing", ""}};
  std::size_t refused = 0;
  for (const Json& vector : load_vectors("zlib.json")) {
    const std::string name = text_of(vector, "name");
    SCOPED_TRACE(name);
    const auto inflated = inflate_zlib(bytes_of(vector, "stream"), 65'536);
    if (const auto found = whole.find(name); found != whole.end()) {
      ASSERT_TRUE(inflated) << inflated.error().detail;
      EXPECT_EQ(as_text(*inflated), found->second);
      continue;
    }
    ASSERT_FALSE(inflated);
    EXPECT_EQ(inflated.error().code, name.contains("bomb") ? Errc::overloaded : Errc::malformed);
    ++refused;
  }
  EXPECT_EQ(refused, 13U);
}

TEST(Zlib, WhatIsDeflatedInflatesToItself) {
  for (const std::size_t size : {0U, 1U, 1023U, 1024U, 1025U, 100'000U}) {
    Bytes plain(size);
    for (std::size_t i = 0; i < size; ++i) plain[i] = static_cast<std::uint8_t>(i * i >> 3U);
    EXPECT_EQ(inflate_zlib(deflate_zlib(plain), size).value_or(Bytes(1, 0xEE)), plain) << size;
  }
}

TEST(Zlib, CapHoldsToTheByte) {
  for (const std::size_t cap : {0U, 1U, 1023U, 1024U, 2048U, 4097U}) {
    EXPECT_TRUE(inflate_zlib(deflate_zlib(Bytes(cap)), cap)) << cap;
    EXPECT_EQ(inflate_zlib(deflate_zlib(Bytes(cap + 1)), cap).error().code, Errc::overloaded) << cap;
  }
}

TEST(Zlib, BombOfAThousandTimesItsSizeEndsAtTheCap) {
  const Bytes bomb = deflate_zlib(Bytes(std::size_t{64} << 20U));
  ASSERT_LT(bomb.size(), 70'000U);
  EXPECT_EQ(inflate_zlib(bomb, 1U << 20U).error().code, Errc::overloaded);
}

TEST(Zlib, EveryBeginningOfAStreamIsRefused) {
  const Bytes stream = deflate_zlib(as_bytes(inflated_text()));
  for (std::size_t size = 0; size < stream.size(); ++size) {
    EXPECT_EQ(inflate_zlib(ByteView(stream).first(size), 4096).error().code, Errc::malformed) << size;
  }
}

}  // namespace
}  // namespace sallyport::codec
