#include "codec/text.h"

#include <gtest/gtest.h>

#include "codec/detail/vectors.h"

namespace sallyport::codec {
namespace {

struct Form {
  std::string (*encode)(ByteView);
  Result<Bytes> (*decode)(std::string_view);
};

Form form_of(std::string_view kind) {
  if (kind == "hex") return {encode_hex, decode_hex};
  if (kind == "base64") return {encode_base64, decode_base64};
  if (kind == "base64url") return {encode_base64url, decode_base64url};
  return {encode_base32, decode_base32};
}

TEST(Text, OneSpellingForOneValueAsPythonWritesIt) {
  for (const Json& vector : load_vectors("text.json")) {
    const std::string text = text_of(vector, "text");
    SCOPED_TRACE(text_of(vector, "kind") + " \"" + text + "\"");
    const Form form = form_of(text_of(vector, "kind"));
    const auto decoded = form.decode(text);
    if (text_of(vector, "bytes") == "malformed") {
      ASSERT_FALSE(decoded);
      EXPECT_EQ(decoded.error().code, Errc::malformed);
      continue;
    }
    ASSERT_TRUE(decoded) << decoded.error().detail;
    EXPECT_EQ(*decoded, bytes_of(vector, "bytes"));
    EXPECT_EQ(form.encode(*decoded), text);
  }
}

TEST(Text, EveryByteHasOneBase64UrlSpelling) {
  for (unsigned value = 0; value < 256; ++value) {
    const Bytes one = {static_cast<std::uint8_t>(value)};
    EXPECT_EQ(*decode_base64url(encode_base64url(one)), one);
    EXPECT_EQ(*decode_base32(encode_base32(one)), one);
  }
}

TEST(Text, HexIsReadInEitherCaseAndWrittenInOne) {
  EXPECT_EQ(*decode_hex("aBCdeF"), (Bytes{0xAB, 0xCD, 0xEF}));
  EXPECT_EQ(encode_hex(Bytes{0xAB, 0xCD, 0xEF}), "abcdef");
}

TEST(Text, FingerprintsStandInGroupsOfFour) {
  EXPECT_EQ(encode_fingerprint(Bytes{0x3F, 0x9A, 0x00, 0xC1}), "3f9a 00c1");
  EXPECT_EQ(encode_fingerprint(Bytes{0x3F, 0x9A, 0x00}), "3f9a 00");
  EXPECT_EQ(encode_fingerprint({}), "");
}

TEST(Text, Utf8IsCutBetweenCharacters) {
  EXPECT_EQ(cut_utf8("abc", 3), "abc");
  EXPECT_EQ(cut_utf8("abc", 2), "ab");
  EXPECT_EQ(cut_utf8("a\u00e9", 2), "a");
  EXPECT_EQ(cut_utf8("a\u20ac!", 3), "a");
  EXPECT_EQ(cut_utf8("a\u20ac!", 4), "a\u20ac");
  EXPECT_EQ(cut_utf8("\u20ac", 1), "");
  EXPECT_EQ(cut_utf8("", 0), "");
}

}  // namespace
}  // namespace sallyport::codec
