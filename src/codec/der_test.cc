#include "codec/der.h"

#include <gtest/gtest.h>

#include "codec/detail/vectors.h"

namespace sallyport::codec::der {
namespace {

struct Spelling {
  std::string text;  // as the vectors write the value
  Bytes der;         // as our writer encodes it
};

Result<Spelling> read_integer(Reader& reader) {
  TRY(const ByteView content, reader.integer());
  return Spelling{encode_hex(content), encode(Tag::integer, content)};
}

Result<Spelling> read_text(std::string_view kind, Reader& reader) {
  if (kind == "boolean") {
    TRY(const bool value, reader.boolean());
    return Spelling{value ? "true" : "false", encode_boolean(value)};
  }
  if (kind == "small_unsigned") {
    TRY(const std::uint64_t value, reader.small_unsigned());
    return Spelling{std::to_string(value), encode_small_unsigned(value)};
  }
  if (kind == "integer") return read_integer(reader);
  if (kind == "oid") {
    TRY(const Oid oid, reader.oid());
    EXPECT_EQ(Oid::of(oid.dotted()), oid);
    return Spelling{oid.dotted(), encode_oid(oid)};
  }
  if (kind == "octet_string") {
    TRY(const ByteView content, reader.octet_string());
    return Spelling{encode_hex(content), encode_octet_string(content)};
  }
  if (kind == "bit_string") {
    TRY(const ByteView content, reader.bit_string());
    return Spelling{encode_hex(content), encode_bit_string(content)};
  }
  if (kind == "named_bits") {
    TRY(const std::uint32_t bits, reader.named_bits());
    return Spelling{std::to_string(bits), encode_named_bits(bits)};
  }
  if (kind == "time") {
    TRY(const UnixTime time, reader.time());
    return Spelling{to_iso8601(time), encode_time(time)};
  }
  if (kind == "generalized_time") {
    TRY(const UnixTime time, reader.generalized_time());
    return Spelling{to_iso8601(time), encode_generalized_time(time)};
  }
  TRY(const Element element, reader.any());
  return Spelling{encode_hex(element.content), encode(element.tag, element.content)};
}

TEST(Der, ReadsAndWritesWhatOpensslEncodesAndRefusesTheRest) {
  for (const Json& vector : load_vectors("der.json")) {
    SCOPED_TRACE(text_of(vector, "kind") + ": " + text_of(vector, "name"));
    const Bytes der = bytes_of(vector, "der");
    Reader reader(der);
    const auto read = read_text(text_of(vector, "kind"), reader);
    if (text_of(vector, "expect") == "malformed") {
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().code, Errc::malformed);
      EXPECT_TRUE(equal(reader.rest(), der)) << "a failed read must not move the reader";
      continue;
    }
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(read->text, text_of(vector, "expect"));
    EXPECT_EQ(read->der, der);
    EXPECT_TRUE(reader.at_end());
  }
}

TEST(Der, EveryTruncationOfAnElementIsRefused) {
  const Bytes der = encode_sequence({encode_small_unsigned(65'537), encode_octet_string(Bytes(200, 7)), encode_null()});
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(enter_only(ByteView(der).first(size), Tag::sequence, "test")) << size;
  }
  EXPECT_TRUE(enter_only(der, Tag::sequence, "test"));
}

TEST(Der, EnterOnlyRefusesTrailingBytesAndAnotherTag) {
  const Bytes der = encode_sequence({});
  EXPECT_EQ(enter_only(concat({der, der}), Tag::sequence, "test").error().detail, "test: 2 trailing bytes");
  EXPECT_EQ(enter_only(der, Tag::set, "test").error().detail, "test: der: tag 0x30, want 0x31");
}

TEST(Der, OptionalLeavesAnotherElementAndFailsOnABrokenOne) {
  const Bytes der = encode_boolean(true);
  Reader reader(der);
  EXPECT_FALSE(reader.optional(Tag::integer)->has_value());
  EXPECT_TRUE(reader.optional(Tag::boolean)->has_value());
  EXPECT_FALSE(reader.optional(Tag::boolean)->has_value());
  const Bytes broken = {0x01, 0x80};
  EXPECT_FALSE(Reader(broken).optional(Tag::boolean));
}

TEST(Der, ElementsShowTheirContentAndTheirWhole) {
  const Bytes inner = encode(context_primitive(2), as_bytes("abc"));
  const Bytes outer = encode(context_constructed(0), inner);
  Reader reader(outer);
  auto content = *reader.enter(context_constructed(0));
  EXPECT_TRUE(reader.finish("outer"));
  const Element element = *content.element(context_primitive(2));
  EXPECT_EQ(as_text(element.content), "abc");
  EXPECT_TRUE(equal(element.whole, inner));
}

TEST(Der, SetsAreWrittenInOrder) {
  const Bytes set = encode_set_of({encode_small_unsigned(300), encode_small_unsigned(2), encode_boolean(false)});
  EXPECT_EQ(encode_hex(set), "310a0101000201020202012c");
}

TEST(Der, UnsignedMagnitudesLoseZerosAndGainASignByte) {
  EXPECT_EQ(encode_hex(encode_unsigned({})), "020100");
  EXPECT_EQ(encode_hex(encode_unsigned(Bytes{0, 0, 0x7F})), "02017f");
  EXPECT_EQ(encode_hex(encode_unsigned(Bytes{0, 0x80})), "02020080");
}

TEST(Der, NoNamedBitsAreAnEmptyBitString) {
  const Bytes der = encode_named_bits(0);
  EXPECT_EQ(encode_hex(der), "030100");
  EXPECT_EQ(*Reader(der).named_bits(), 0U);
}

TEST(Der, LengthsGrowAtTheirBounds) {
  for (const std::size_t size : {0U, 127U, 128U, 255U, 256U, 65'535U, 65'536U, 1U << 24U}) {
    const Bytes der = encode_octet_string(Bytes(size));
    Reader reader(der);
    const auto content = reader.octet_string();
    ASSERT_TRUE(content) << size;
    EXPECT_EQ(content->size(), size);
  }
}

TEST(DerDeathTest, TheWriterWritesNothingThatIsNotItsType) {
  EXPECT_DEATH(encode_printable_string("a@b"), "");
  EXPECT_DEATH(encode_ia5_string("\xC3\xA4"), "");
  EXPECT_DEATH(encode_utf8_string("\xFF"), "");
  EXPECT_DEATH(encode_oid(Oid()), "");
  EXPECT_DEATH(Oid::of("3.1"), "");
  EXPECT_DEATH(Oid::of("1.40"), "");
  EXPECT_DEATH(Oid::of("2.01"), "");
  EXPECT_DEATH(Oid::of("2.5."), "");
}

}  // namespace
}  // namespace sallyport::codec::der
