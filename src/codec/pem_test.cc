#include "codec/pem.h"

#include <gtest/gtest.h>

#include "codec/detail/vectors.h"

namespace sallyport::codec {
namespace {

TEST(Pem, ReadsStrictBlocksAndRefusesOddities) {
  for (const Json& vector : load_vectors("pem.json")) {
    SCOPED_TRACE(text_of(vector, "name"));
    const auto blocks = parse_pem(text_of(vector, "pem"));
    const auto want = vector.integer_at("blocks");
    if (!want) {
      ASSERT_FALSE(blocks);
      EXPECT_EQ(blocks.error().code, Errc::malformed);
      continue;
    }
    ASSERT_TRUE(blocks) << blocks.error().detail;
    EXPECT_EQ(blocks->size(), static_cast<std::size_t>(*want));
  }
}

TEST(Pem, ReadsWhatItWritesAtEveryLineLength) {
  for (std::size_t size = 1; size < 200; ++size) {
    const Bytes content(size, 0xA7);
    const auto read = parse_single_pem(encode_pem("CERTIFICATE REQUEST", content), "CERTIFICATE REQUEST");
    ASSERT_TRUE(read) << size << ": " << read.error().detail;
    EXPECT_EQ(*read, content);
  }
}

TEST(Pem, SingleMeansOneBlockOfTheLabel) {
  const std::string one = encode_pem("THING", Bytes{1});
  EXPECT_TRUE(parse_single_pem(one, "THING"));
  EXPECT_FALSE(parse_single_pem(one + one, "THING"));
  EXPECT_FALSE(parse_single_pem(one, "OTHER"));
  EXPECT_FALSE(parse_single_pem("", "THING"));
}

TEST(Pem, TextOverTheLimitIsRefused) {
  EXPECT_TRUE(parse_pem(std::string(kMaxPemText, 'x')));
  EXPECT_FALSE(parse_pem(std::string(kMaxPemText + 1, 'x')));
}

}  // namespace
}  // namespace sallyport::codec
