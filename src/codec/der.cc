#include "codec/der.h"

namespace sallyport::codec::der {
namespace {

constexpr std::uint8_t kClassMask = 0xC0;
constexpr std::uint8_t kConstructed = 0x20;
constexpr std::uint8_t kNumberMask = 0x1F;
constexpr std::size_t kMaxLengthBytes = 4;
constexpr std::size_t kMaxNamedBitBytes = 4;
constexpr int kLastUtcYear = 2049;

std::unexpected<Error> broken(std::string detail) {
  return fail(Errc::malformed, "der: " + std::move(detail));
}

// X.690 §8.9, §8.11 and friends: which universal types are constructed; §10.2 forbids constructed strings.
bool must_be_constructed(std::uint8_t number) {
  constexpr std::uint8_t kExternal = 8, kEmbeddedPdv = 11, kSequence = 16, kSet = 17, kCharacterString = 29;
  return number == kExternal || number == kEmbeddedPdv || number == kSequence || number == kSet ||
         number == kCharacterString;
}

Result<void> check_identifier(std::uint8_t identifier) {
  const auto number = static_cast<std::uint8_t>(identifier & kNumberMask);
  if (number == kNumberMask) return broken(fmt::format("high tag number form {:#04x}", identifier));
  if ((identifier & kClassMask) != 0) return {};
  if (number == 0) return broken("end-of-contents, want an element");
  const bool constructed = (identifier & kConstructed) != 0;
  if (constructed != must_be_constructed(number)) {
    return broken(fmt::format("universal tag {:#04x} with the wrong constructed bit", identifier));
  }
  return {};
}

// Length := short u8 < 0x80 | 0x80+n, then n bytes, minimal (X.690 §10.1).
Result<std::size_t> read_length(ByteView& rest) {
  if (rest.empty()) return broken("no length");
  const std::uint8_t first = rest[0];
  rest = rest.subspan(1);
  if (first < 0x80) return std::size_t{first};
  if (first == 0x80) return broken("indefinite length");
  const std::size_t count = first & 0x7FU;
  if (count > kMaxLengthBytes)
    return broken(fmt::format("length of {} bytes, want at most {}", count, kMaxLengthBytes));
  if (rest.size() < count) return broken("length cut short");
  std::size_t length = 0;
  for (std::size_t i = 0; i < count; ++i) length = (length << 8U) | rest[i];
  const bool minimal = rest[0] != 0 && length >= 0x80;
  if (!minimal) return broken(fmt::format("length {} is not minimal", length));
  rest = rest.subspan(count);
  return length;
}

Result<unsigned> two_digits(ByteView text, std::size_t at) {
  const auto digit = [](std::uint8_t c) { return c >= '0' && c <= '9'; };
  if (!digit(text[at]) || !digit(text[at + 1])) return broken("time with a character that is no digit");
  return (text[at] - unsigned{'0'}) * 10U + (text[at + 1] - unsigned{'0'});
}

// MMDDHHMMSSZ after the year.
Result<UnixTime> parse_after_year(int year, ByteView text) {
  constexpr std::size_t kLength = 11;
  if (text.size() != kLength)
    return broken(fmt::format("time with {} characters after the year, want 11", text.size()));
  if (text[kLength - 1] != 'Z') return broken("time that does not end in Z");
  CivilTime civil{.year = year};
  TRY(civil.month, two_digits(text, 0));
  TRY(civil.day, two_digits(text, 2));
  TRY(civil.hour, two_digits(text, 4));
  TRY(civil.minute, two_digits(text, 6));
  TRY(civil.second, two_digits(text, 8));
  return from_civil(civil);
}

Result<int> parse_generalized_year(ByteView text) {
  if (text.size() < 4) return broken("time without a year");
  TRY(const unsigned century, two_digits(text, 0));
  TRY(const unsigned rest, two_digits(text, 2));
  return static_cast<int>(century * 100 + rest);
}

Result<UnixTime> parse_utc_time(ByteView text) {
  if (text.size() < 2) return broken("time without a year");
  TRY(const unsigned two, two_digits(text, 0));
  const int year = static_cast<int>(two) + (two >= 50 ? 1900 : 2000);  // RFC 5280 §4.1.2.5.1
  return parse_after_year(year, text.subspan(2));
}

Result<UnixTime> parse_generalized_time(ByteView text, int first_year) {
  TRY(const int year, parse_generalized_year(text));
  if (year < first_year) return broken(fmt::format("GeneralizedTime of year {}, want UTCTime", year));
  return parse_after_year(year, text.subspan(4));
}

// A BIT STRING's content: the number of unused bits, then the bits. The unused ones are zero in DER (X.690 §11.2.1).
struct BitString {
  unsigned unused = 0;
  ByteView bits;
};

Result<BitString> parse_bit_string(ByteView content) {
  if (content.empty()) return broken("BIT STRING without the count of unused bits");
  const BitString out{.unused = content[0], .bits = content.subspan(1)};
  if (out.unused > 7) return broken(fmt::format("BIT STRING with {} unused bits", out.unused));
  if (out.bits.empty() && out.unused != 0) return broken("empty BIT STRING with unused bits");
  if (!out.bits.empty() && (out.bits.back() & ((1U << out.unused) - 1U)) != 0) {
    return broken("BIT STRING whose unused bits are not zero");
  }
  return out;
}

}  // namespace

Result<void> Reader::finish(std::string_view where) const {
  if (rest_.empty()) return {};
  return failf(Errc::malformed, "{}: {} trailing bytes", where, rest_.size());
}

std::optional<Tag> Reader::peek() const {
  if (rest_.empty()) return std::nullopt;
  return static_cast<Tag>(rest_[0]);
}

Result<Element> Reader::any() {
  if (rest_.empty()) return broken("at the end, want an element");
  TRY_VOID(check_identifier(rest_[0]));
  ByteView rest = rest_.subspan(1);
  TRY(const std::size_t length, read_length(rest));
  if (length > rest.size()) return broken(fmt::format("content of {} bytes, {} left", length, rest.size()));
  const std::size_t head = rest_.size() - rest.size();
  const Element out{
      .tag = static_cast<Tag>(rest_[0]), .content = rest.first(length), .whole = rest_.first(head + length)};
  rest_ = rest.subspan(length);
  return out;
}

Result<Element> Reader::element(Tag tag) {
  if (rest_.empty()) return broken(fmt::format("at the end, want tag {:#04x}", static_cast<unsigned>(tag)));
  if (*peek() != tag) return broken(fmt::format("tag {:#04x}, want {:#04x}", rest_[0], static_cast<unsigned>(tag)));
  return any();
}

Result<std::optional<Element>> Reader::optional(Tag tag) {
  if (peek() != tag) return std::optional<Element>();
  TRY(const Element out, any());
  return std::optional<Element>(out);
}

Result<Reader> Reader::enter(Tag tag) {
  TRY(const Element inner, element(tag));
  return Reader(inner.content);
}

Result<bool> Reader::boolean() {
  Reader ahead = *this;
  TRY(const Element value, ahead.element(Tag::boolean));
  if (value.content.size() != 1 || (value.content[0] != 0x00 && value.content[0] != 0xFF)) {
    return broken("BOOLEAN that is neither 00 nor FF");
  }
  *this = ahead;
  return value.content[0] == 0xFF;
}

Result<ByteView> Reader::integer() {
  Reader ahead = *this;
  TRY(const Element value, ahead.element(Tag::integer));
  const ByteView content = value.content;
  if (content.empty()) return broken("INTEGER without content");
  const bool padded = content.size() > 1 && ((content[0] == 0x00 && content[1] < 0x80) ||
                                             (content[0] == 0xFF && content[1] >= 0x80));  // X.690 §8.3.2
  if (padded) return broken("INTEGER that is not minimal");
  *this = ahead;
  return content;
}

Result<std::uint64_t> Reader::small_unsigned() {
  Reader ahead = *this;
  TRY(const ByteView content, ahead.integer());
  if (content[0] >= 0x80) return broken("INTEGER that is negative");
  if (content.size() > sizeof(std::uint64_t)) return broken("INTEGER of 2^63 or more");
  std::uint64_t out = 0;
  for (const std::uint8_t byte : content) out = (out << 8U) | byte;
  *this = ahead;
  return out;
}

Result<Oid> Reader::oid() {
  Reader ahead = *this;
  TRY(const Element value, ahead.element(Tag::object_identifier));
  TRY(Oid out, Oid::from_content(value.content));
  *this = ahead;
  return out;
}

Result<ByteView> Reader::octet_string() {
  TRY(const Element value, element(Tag::octet_string));
  return value.content;
}

Result<ByteView> Reader::bit_string() {
  Reader ahead = *this;
  TRY(const Element value, ahead.element(Tag::bit_string));
  TRY(const BitString string, parse_bit_string(value.content));
  if (string.unused != 0) return broken(fmt::format("BIT STRING with {} unused bits, want none", string.unused));
  *this = ahead;
  return string.bits;
}

Result<std::uint32_t> Reader::named_bits() {
  Reader ahead = *this;
  TRY(const Element value, ahead.element(Tag::bit_string));
  TRY(const BitString string, parse_bit_string(value.content));
  if (string.bits.size() > kMaxNamedBitBytes) return broken("BIT STRING of more than 32 named bits");
  if (!string.bits.empty() && ((string.bits.back() >> string.unused) & 1U) == 0) {
    return broken("BIT STRING of named bits with trailing zeros");
  }
  std::uint32_t out = 0;
  for (unsigned bit = 0; bit < string.bits.size() * 8; ++bit) {
    if ((string.bits[bit / 8] & (0x80U >> (bit % 8))) != 0) out |= 1U << bit;
  }
  *this = ahead;
  return out;
}

Result<UnixTime> Reader::time() {
  Reader ahead = *this;
  if (peek() == Tag::utc_time) {
    TRY(const Element value, ahead.element(Tag::utc_time));
    TRY(const UnixTime out, parse_utc_time(value.content));
    *this = ahead;
    return out;
  }
  TRY(const Element value, ahead.element(Tag::generalized_time));
  TRY(const UnixTime out, parse_generalized_time(value.content, kLastUtcYear + 1));
  *this = ahead;
  return out;
}

Result<UnixTime> Reader::generalized_time() {
  Reader ahead = *this;
  TRY(const Element value, ahead.element(Tag::generalized_time));
  TRY(const UnixTime out, parse_generalized_time(value.content, 0));
  *this = ahead;
  return out;
}

Result<Reader> enter_only(ByteView der, Tag tag, std::string_view where) {
  Reader outer(der);
  auto inner = outer.enter(tag);
  if (!inner) return std::unexpected<Error>(std::move(inner).error().at(where));
  TRY_VOID(outer.finish(where));
  return inner;
}

}  // namespace sallyport::codec::der
