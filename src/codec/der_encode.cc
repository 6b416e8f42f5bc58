#include <algorithm>

#include "codec/der.h"
#include "codec/json.h"

namespace sallyport::codec::der {
namespace {

constexpr int kFirstUtcTimeYear = 1950;
constexpr int kLastUtcTimeYear = 2049;
constexpr int kLastYear = 9999;

void append_length(Bytes& out, std::size_t length) {
  if (length < 0x80) {
    out.push_back(static_cast<std::uint8_t>(length));
    return;
  }
  SALLYPORT_CHECK(length <= 0xFFFF'FFFFU);
  unsigned count = 1;
  while (count < 4 && (length >> (8U * count)) != 0) ++count;
  out.push_back(static_cast<std::uint8_t>(0x80U | count));
  for (unsigned i = count; i > 0; --i) out.push_back(static_cast<std::uint8_t>(length >> (8U * (i - 1))));
}

// The start of an element of `tag` with `size` octets of content, and room for those.
Bytes begin_element(Tag tag, std::size_t size) {
  Bytes out;
  out.reserve(size + kMaxHead);
  out.push_back(static_cast<std::uint8_t>(tag));
  append_length(out, size);
  return out;
}

Bytes encode_parts(Tag tag, std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  Bytes out = begin_element(tag, size);
  for (const ByteView part : parts) append(out, part);
  return out;
}

// X.680 §41.4.
bool is_printable(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view(" '()+,-./:=?").find(c) != std::string_view::npos;
}

// Two decimal digits. Lists have a time per entry, so nothing is formatted by a general formatter here.
void append_digits(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>('0' + value / 10));
  out.push_back(static_cast<std::uint8_t>('0' + value % 10));
}

// The element of a time that begins with `year`, its digits in pairs.
Bytes encode_civil(Tag tag, std::initializer_list<unsigned> year, const CivilTime& civil) {
  const std::size_t content = 2 * year.size() + std::string_view("MMDDHHMMSSZ").size();
  Bytes out;
  out.reserve(2 + content);
  out.push_back(static_cast<std::uint8_t>(tag));
  out.push_back(static_cast<std::uint8_t>(content));
  for (const unsigned pair : year) append_digits(out, pair);
  for (const auto part : {civil.month, civil.day, civil.hour, civil.minute, civil.second}) {
    append_digits(out, static_cast<unsigned>(part));
  }
  out.push_back('Z');
  return out;
}

}  // namespace

Bytes concat(std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  Bytes out;
  out.reserve(size);
  for (const ByteView part : parts) append(out, part);
  return out;
}

Bytes encode_head(Tag tag, std::size_t size) {
  Bytes out;
  out.push_back(static_cast<std::uint8_t>(tag));
  append_length(out, size);
  return out;
}

Bytes encode(Tag tag, ByteView content) {
  Bytes out = begin_element(tag, content.size());
  append(out, content);
  return out;
}

Bytes encode_sequence(std::initializer_list<ByteView> elements) {
  return encode_parts(Tag::sequence, elements);
}

Bytes encode_set_of(std::vector<Bytes> elements) {
  std::ranges::sort(elements);
  Bytes content;
  for (const Bytes& element : elements) append(content, element);
  return encode(Tag::set, content);
}

Bytes encode_boolean(bool value) {
  return {static_cast<std::uint8_t>(Tag::boolean), 1, static_cast<std::uint8_t>(value ? 0xFF : 0x00)};
}

Bytes encode_small_unsigned(std::uint64_t value) {
  std::array<std::uint8_t, sizeof value> magnitude{};
  for (unsigned i = 0; i < magnitude.size(); ++i) magnitude[i] = static_cast<std::uint8_t>(value >> (56U - 8U * i));
  return encode_unsigned(magnitude);
}

Bytes encode_unsigned(ByteView magnitude) {
  while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
  Bytes content;
  if (magnitude.empty() || magnitude[0] >= 0x80) content.push_back(0);
  append(content, magnitude);
  return encode(Tag::integer, content);
}

Bytes encode_oid(const Oid& oid) {
  SALLYPORT_CHECK(!oid.content().empty());
  return encode(Tag::object_identifier, oid.content());
}

Bytes encode_octet_string(ByteView content) {
  return encode(Tag::octet_string, content);
}

Bytes encode_bit_string(ByteView content) {
  constexpr std::array<std::uint8_t, 1> kNoUnusedBits = {0};
  return encode_parts(Tag::bit_string, {kNoUnusedBits, content});
}

Bytes encode_named_bits(std::uint32_t bits) {
  Bytes content = {0};
  unsigned count = 0;
  for (unsigned bit = 0; bit < 32; ++bit) {
    if ((bits & (1U << bit)) == 0) continue;
    count = bit + 1;
    content.resize(1 + bit / 8 + 1);
    content.back() = static_cast<std::uint8_t>(content.back() | (0x80U >> (bit % 8)));
  }
  content[0] = static_cast<std::uint8_t>((8 - count % 8) % 8);
  return encode(Tag::bit_string, content);
}

Bytes encode_null() {
  return {static_cast<std::uint8_t>(Tag::null), 0};
}

Bytes encode_utf8_string(std::string_view text) {
  SALLYPORT_CHECK(is_utf8(text));
  return encode(Tag::utf8_string, as_bytes(text));
}

Bytes encode_printable_string(std::string_view text) {
  SALLYPORT_CHECK(std::ranges::all_of(text, is_printable));
  return encode(Tag::printable_string, as_bytes(text));
}

Bytes encode_ia5_string(std::string_view text) {
  SALLYPORT_CHECK(std::ranges::all_of(as_bytes(text), [](std::uint8_t c) { return c < 0x80; }));
  return encode(Tag::ia5_string, as_bytes(text));
}

Bytes encode_time(UnixTime time) {
  const CivilTime civil = to_civil(time);
  if (civil.year > kLastUtcTimeYear) return encode_generalized_time(time);
  SALLYPORT_CHECK(civil.year >= kFirstUtcTimeYear);
  return encode_civil(Tag::utc_time, {static_cast<unsigned>(civil.year % 100)}, civil);
}

Bytes encode_generalized_time(UnixTime time) {
  const CivilTime civil = to_civil(time);
  SALLYPORT_CHECK(civil.year >= 0 && civil.year <= kLastYear);
  const auto year = static_cast<unsigned>(civil.year);
  return encode_civil(Tag::generalized_time, {year / 100, year % 100}, civil);
}

}  // namespace sallyport::codec::der
