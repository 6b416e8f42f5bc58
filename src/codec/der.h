// Distinguished Encoding Rules (X.690): a reader that refuses everything that is not DER, and a writer that can write
// nothing else.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace sallyport::codec::der {

// The identifier octet: class, constructed bit, number (low-tag-number form only; the high form is refused).
enum class Tag : std::uint8_t {
  boolean = 0x01,
  integer = 0x02,
  bit_string = 0x03,
  octet_string = 0x04,
  null = 0x05,
  object_identifier = 0x06,
  enumerated = 0x0A,
  utf8_string = 0x0C,
  printable_string = 0x13,
  ia5_string = 0x16,
  utc_time = 0x17,
  generalized_time = 0x18,
  sequence = 0x30,
  set = 0x31,
};
// Context-specific tags [n], n < 31.
constexpr Tag context_primitive(unsigned n) {
  return static_cast<Tag>(0x80U | n);
}
constexpr Tag context_constructed(unsigned n) {
  return static_cast<Tag>(0xA0U | n);
}

// One element. All views borrow from the input of the reader.
struct Element {
  Tag tag{};
  ByteView content;  // without identifier and length
  ByteView whole;    // with them
};

// An object identifier in its DER content form ("2A 86 48 …"), compared as bytes. Holds them itself: certificates have
// a dozen of them, and each is read several times.
class Oid {
 public:
  Oid() = default;
  // Encodes dotted decimal, e.g. "2.5.29.15"; a bad constant is a broken invariant.
  static Oid of(std::string_view dotted);
  // Fails with Errc::malformed on content that is empty, not minimal, or over 63 bytes.
  static Result<Oid> from_content(ByteView content);
  ByteView content() const { return ByteView(octets_).first(size_); }
  std::string dotted() const;
  friend bool operator==(const Oid& a, const Oid& b) { return equal(a.content(), b.content()); }
  friend std::strong_ordering operator<=>(const Oid& a, const Oid& b) {
    const ByteView left = a.content();
    const ByteView right = b.content();
    return std::lexicographical_compare_three_way(left.begin(), left.end(), right.begin(), right.end());
  }

 private:
  static constexpr std::size_t kMaxContent = 63;
  std::array<std::uint8_t, kMaxContent> octets_{};
  std::uint8_t size_ = 0;
};

// Reads consecutive elements. Borrows its input. Every failure is Errc::malformed and says which rule of X.690 is
// broken: indefinite or non-minimal length, high tag number, content past the end, another tag than wanted.
class Reader {
 public:
  explicit Reader(ByteView der) : rest_(der) {}

  bool at_end() const { return rest_.empty(); }
  ByteView rest() const { return rest_; }
  // Fails unless everything was read; `where` names the structure.
  Result<void> finish(std::string_view where) const;

  // The tag of the next element, absent at the end.
  std::optional<Tag> peek() const;
  Result<Element> any();
  Result<Element> element(Tag tag);
  // Absent when the next element is another one or there is none.
  Result<std::optional<Element>> optional(Tag tag);

  // A reader over the content of the next element.
  Result<Reader> enter(Tag tag);
  Result<Reader> sequence() { return enter(Tag::sequence); }

  // DER booleans are 00 or FF.
  Result<bool> boolean();
  // A non-negative INTEGER below 2^63.
  Result<std::uint64_t> small_unsigned();
  // The content of a minimal two's complement INTEGER, sign byte included.
  Result<ByteView> integer();
  Result<Oid> oid();
  Result<ByteView> octet_string();
  // A BIT STRING of whole bytes (no unused bits).
  Result<ByteView> bit_string();
  // A BIT STRING of named bits (RFC 5280 KeyUsage): trailing zero bits must be absent (X.690 §11.2.2). At most 32 bits;
  // bit 0 is the lowest bit of the result.
  Result<std::uint32_t> named_bits();
  // UTCTime or GeneralizedTime exactly as RFC 5280 §4.1.2.5 demands: seconds, Z, the right type for the year.
  Result<UnixTime> time();
  // GeneralizedTime without fraction, as RFC 6960 uses it.
  Result<UnixTime> generalized_time();

 private:
  ByteView rest_;
};

// Parses an element of `tag` that must be the whole input.
Result<Reader> enter_only(ByteView der, Tag tag, std::string_view where);

// Builds DER from the inside out: each function returns a complete element. Concatenate with `concat`.
Bytes encode(Tag tag, ByteView content);
// What stands before `size` octets of content: tag and length, at most kMaxHead octets.
Bytes encode_head(Tag tag, std::size_t size);
inline constexpr std::size_t kMaxHead = 6;
Bytes encode_sequence(std::initializer_list<ByteView> elements);
// A SET OF, sorted as X.690 §11.6 demands.
Bytes encode_set_of(std::vector<Bytes> elements);
Bytes encode_boolean(bool value);
Bytes encode_small_unsigned(std::uint64_t value);
// `magnitude` is big-endian and unsigned; leading zeros are dropped and a sign byte is added where needed.
Bytes encode_unsigned(ByteView magnitude);
Bytes encode_oid(const Oid& oid);
Bytes encode_octet_string(ByteView content);
Bytes encode_bit_string(ByteView content);
Bytes encode_named_bits(std::uint32_t bits);
Bytes encode_null();
Bytes encode_utf8_string(std::string_view text);
Bytes encode_printable_string(std::string_view text);
Bytes encode_ia5_string(std::string_view text);
// UTCTime through 2049, GeneralizedTime after (RFC 5280 §4.1.2.5).
Bytes encode_time(UnixTime time);
Bytes encode_generalized_time(UnixTime time);
Bytes concat(std::initializer_list<ByteView> parts);

}  // namespace sallyport::codec::der
