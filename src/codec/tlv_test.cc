#include "codec/tlv.h"

#include <gtest/gtest.h>

#include "codec/text.h"

namespace sallyport::codec {
namespace {

Bytes hex(std::string_view text) {
  return *decode_hex(text);
}

TEST(Tlv, OneValueHasOneEncoding) {
  const Bytes bytes = TlvWriter().u8(1, 7).text(2, "hi").text(2, "ho").u32(3, 5).u64(4, 6).flag(500, true).take();
  EXPECT_EQ(encode_hex(bytes),
            "000100000107"
            "00020000026869"
            "0002000002686f"
            "000300000400000005"
            "00040000080000000000000006"
            "01f400000101");
}

TEST(Tlv, ReadsWhatItWrites) {
  const Bytes bytes = TlvWriter()
                          .u8(1, 255)
                          .u32(2, 0xFFFF'FFFF)
                          .u64(3, ~0ULL)
                          .time(4, kNoExpiry)
                          .flag(5, false)
                          .text(6, "grüße")
                          .bytes(8, hex("00ff"))
                          .bytes(8, {})
                          .optional_text(9, std::optional<std::string>())
                          .optional_text(10, std::optional<std::string>("x"))
                          .bytes(11, Bytes(32, 9))
                          .take();
  TlvReader reader(bytes, "test");
  EXPECT_EQ(*reader.u8(1), 255);
  EXPECT_EQ(*reader.u32(2), 0xFFFF'FFFFU);
  EXPECT_EQ(*reader.u64(3), ~0ULL);
  EXPECT_EQ(*reader.time(4), kNoExpiry);
  EXPECT_FALSE(*reader.flag(5));
  EXPECT_EQ(*reader.text(6), "grüße");
  EXPECT_FALSE(reader.optional_bytes(7)->has_value());
  EXPECT_EQ(reader.repeated(8, 2)->size(), 2U);
  EXPECT_FALSE(reader.optional_text(9)->has_value());
  EXPECT_EQ(**reader.optional_text(10), "x");
  EXPECT_EQ(reader.array<32>(11)->front(), 9);
  EXPECT_TRUE(reader.finish());
}

struct Broken {
  std::string_view name;
  std::string_view bytes;
};

TEST(Tlv, BrokenFieldsAreRefused) {
  const Broken cases[] = {
      {"nothing", ""},
      {"tag cut short", "00"},
      {"length cut short", "00010000"},
      {"value cut short", "0001000002ff"},
      {"length of 16 MiB", "0001ffffff00"},
      {"another tag", "000200000100"},
  };
  for (const Broken& broken : cases) {
    SCOPED_TRACE(broken.name);
    const Bytes bytes = hex(broken.bytes);
    TlvReader reader(bytes, "test");
    const auto read = reader.bytes(1);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::malformed);
    EXPECT_TRUE(read.error().detail.starts_with("test: ")) << read.error().detail;
  }
}

TEST(Tlv, WrongWidthsAndValuesAreRefused) {
  EXPECT_FALSE(TlvReader(hex("00010000020001"), "test").u8(1));
  EXPECT_FALSE(TlvReader(hex("0001000000"), "test").u8(1));
  EXPECT_FALSE(TlvReader(hex("0001000003000001"), "test").u32(1));
  EXPECT_FALSE(TlvReader(hex("000100000400000001"), "test").u64(1));
  EXPECT_FALSE(TlvReader(hex("000100000102"), "test").flag(1));
  EXPECT_FALSE(TlvReader(hex("0001000008ffffffffffffffff"), "test").time(1));
  EXPECT_FALSE(TlvReader(hex("0001000008000000"
                             "3afff44180"),
                         "test")
                   .time(1))
      << "a second after 9999";
  EXPECT_FALSE(TlvReader(hex("00010000020001"), "test").array<3>(1));
}

TEST(Tlv, TextIsUtf8WithoutControlCharacters) {
  for (const std::string_view text : {"00", "0a", "1b", "7f", "c280", "c29f", "ff", "c3", "eda080", "61c285"}) {
    const Bytes bytes = TlvWriter().bytes(1, hex(text)).take();
    EXPECT_FALSE(TlvReader(bytes, "test").text(1)) << text;
  }
  const Bytes bytes = TlvWriter().bytes(1, hex("c2a0")).take();
  EXPECT_TRUE(TlvReader(bytes, "test").text(1)) << "no-break space is no control character";
}

TEST(Tlv, UnknownAndRepeatedFieldsAreLeftOver) {
  const Bytes bytes = TlvWriter().u8(1, 1).u8(1, 2).u8(2, 3).take();
  TlvReader reader(bytes, "test");
  EXPECT_TRUE(reader.u8(1));
  EXPECT_FALSE(reader.u8(2)) << "the repeated field must not be skipped";
  EXPECT_TRUE(reader.u8(1));
  EXPECT_FALSE(reader.finish());
  EXPECT_TRUE(reader.u8(2));
  EXPECT_TRUE(reader.finish());
}

TEST(Tlv, RepeatedFieldsHaveALimit) {
  const Bytes bytes = TlvWriter().u8(1, 1).u8(1, 2).u8(1, 3).take();
  EXPECT_TRUE(TlvReader(bytes, "test").repeated(1, 3));
  EXPECT_FALSE(TlvReader(bytes, "test").repeated(1, 2));
}

TEST(Tlv, SigningInputSeparatesKinds) {
  EXPECT_EQ(signing_input("grant", as_bytes("x")), to_bytes(std::string_view("sallyport/grant/v1\0x", 20)));
}

TEST(TlvDeathTest, DescendingTagsAndTimesBeforeTheEpochAreOurFault) {
  EXPECT_DEATH(TlvWriter().u8(2, 0).u8(1, 0), "");
  EXPECT_DEATH(TlvWriter().time(1, UnixTime(-1)), "");
}

}  // namespace
}  // namespace sallyport::codec
