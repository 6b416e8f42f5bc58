#include "pki/distinguished_name.h"

#include <algorithm>

#include "codec/json.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::size_t kMaxAttributes = 32;

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

Result<void> check_text(std::string_view text, std::string_view what) {
  if (text.empty()) return failf(Errc::malformed, "{}: empty", what);
  if (!codec::is_utf8(text)) return failf(Errc::malformed, "{}: not UTF-8", what);
  if (count_characters(text) > kMaxCommonName) {
    return failf(Errc::malformed, "{}: {} characters, want at most {}", what, count_characters(text), kMaxCommonName);
  }
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return failf(Errc::malformed, "{}: control character", what);
  }
  return {};
}

Bytes encode_attribute(const der::Oid& type, std::string_view text) {
  const Bytes pair = der::encode_sequence({der::encode_oid(type), der::encode_utf8_string(text)});
  return der::encode(Tag::set, pair);
}

// The value as text for people, whatever its string type was.
std::string printable(const der::Element& value) {
  const std::string_view raw = as_text(value.content);
  const bool keep_high = value.tag == Tag::utf8_string && codec::is_utf8(raw);
  std::string out(raw);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto byte = static_cast<unsigned char>(out[i]);
    // U+0080 to U+009F, which terminals obey.
    if (keep_high && byte == 0xC2 && static_cast<unsigned char>(out[i + 1]) < 0xA0) {
      out[i] = out[i + 1] = '?';
      ++i;
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !keep_high)) {
      out[i] = '?';
    }
  }
  return out;
}

constexpr auto kNumeric = static_cast<Tag>(0x12);
constexpr auto kTeletex = static_cast<Tag>(0x14);
constexpr auto kUniversal = static_cast<Tag>(0x1C);
constexpr auto kBmp = static_cast<Tag>(0x1E);

bool is_value_tag(Tag tag) {
  return tag == Tag::utf8_string || tag == Tag::printable_string || tag == Tag::ia5_string || tag == kNumeric ||
         tag == kTeletex || tag == kUniversal || tag == kBmp;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80U | ((point >> shift) & 0x3FU)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0U | (point >> 6U));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0U | (point >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | ((point >> 18U) & 0x07U));
    tail(12);
    tail(6);
    tail(0);
  }
}

// The text of a value in UTF-8, absent when its bytes are none of its type. TeletexString is read as Latin-1, as all
// do.
std::optional<std::string> decode_text(const der::Element& value) {
  const std::size_t width = value.tag == kBmp ? 2 : value.tag == kUniversal ? 4 : 1;
  if (width == 1 && value.tag != kTeletex) {
    if (!codec::is_utf8(as_text(value.content))) return std::nullopt;
    return std::string(as_text(value.content));
  }
  if (value.content.size() % width != 0) return std::nullopt;
  std::string out;
  for (std::size_t at = 0; at < value.content.size(); at += width) {
    std::uint32_t point = 0;
    for (std::size_t i = 0; i < width; ++i) point = (point << 8U) | value.content[at + i];
    constexpr std::uint32_t kLastPoint = 0x10FFFF;
    const bool is_surrogate = point >= 0xD800 && point < 0xE000;
    if (is_surrogate || point > kLastPoint) return std::nullopt;
    append_utf8(out, point);
  }
  return out;
}

// RFC 5280 §7.1 and RFC 4518 §2.6.1 for ASCII: lower case, no space at the ends, one for each run within.
std::string fold(std::string_view text) {
  std::string out;
  bool space = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

void append_counted(Bytes& out, ByteView part) {
  out.push_back(static_cast<std::uint8_t>(part.size() >> 8U));
  out.push_back(static_cast<std::uint8_t>(part.size()));
  append(out, part);
}

// One relative name, every part counted: its attributes sorted, each as type, form and value.
Bytes canonical_relative(der::Reader set) {
  constexpr std::uint8_t kFoldedText = 0;
  std::vector<Bytes> attributes;
  while (!set.at_end()) {
    auto pair = set.sequence();
    SALLYPORT_CHECK(pair.has_value());  // parse() has read it before
    const auto type = pair->any();
    const auto value = pair->any();
    SALLYPORT_CHECK(type.has_value() && value.has_value());
    Bytes one;
    append_counted(one, type->content);
    if (const auto text = decode_text(*value)) {
      one.push_back(kFoldedText);
      append_counted(one, as_bytes(fold(*text)));
    } else {
      one.push_back(static_cast<std::uint8_t>(value->tag));
      append_counted(one, value->content);
    }
    attributes.push_back(std::move(one));
  }
  std::ranges::sort(attributes);
  Bytes out;
  for (const Bytes& one : attributes) append_counted(out, one);
  return out;
}

std::string short_name(const der::Oid& type) {
  static const std::array<std::pair<der::Oid, std::string_view>, 11> kNames = {{
      {oid::common_name, "CN"},
      {oid::organization_name, "O"},
      {der::Oid::of("2.5.4.11"), "OU"},
      {der::Oid::of("2.5.4.6"), "C"},
      {der::Oid::of("2.5.4.7"), "L"},
      {der::Oid::of("2.5.4.8"), "ST"},
      {der::Oid::of("2.5.4.9"), "street"},
      {der::Oid::of("2.5.4.5"), "serialNumber"},
      {der::Oid::of("0.9.2342.19200300.100.1.25"), "DC"},
      {der::Oid::of("0.9.2342.19200300.100.1.1"), "UID"},
      {oid::email_address, "emailAddress"},
  }};
  const auto found = std::ranges::find(kNames, type, &std::pair<der::Oid, std::string_view>::first);
  return found == kNames.end() ? type.dotted() : std::string(found->second);
}

}  // namespace

DistinguishedName::DistinguishedName() : der_(der::encode_sequence({})) {}

bool DistinguishedName::empty() const {
  return der_.size() <= 2;
}

Result<DistinguishedName> DistinguishedName::of(std::string_view common_name, std::string_view organization) {
  TRY_VOID(check_text(common_name, "common name"));
  Bytes content;
  if (!organization.empty()) {
    TRY_VOID(check_text(organization, "organization"));
    append(content, encode_attribute(oid::organization_name, organization));
  }
  append(content, encode_attribute(oid::common_name, common_name));
  return parse(der::encode(Tag::sequence, content));
}

// Name := SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value DirectoryString }      (RFC 5280 §4.1.2.4)
Result<DistinguishedName> DistinguishedName::parse(ByteView bytes) {
  if (bytes.size() > kMaxNameBytes) {
    return failf(Errc::malformed, "name: {} bytes, want at most {}", bytes.size(), kMaxNameBytes);
  }
  TRY(der::Reader names, der::enter_only(bytes, Tag::sequence, "name"));
  DistinguishedName out;
  std::size_t attributes = 0;
  while (!names.at_end()) {
    TRY(der::Reader set, names.enter(Tag::set));
    if (set.at_end()) return fail(Errc::malformed, "name: empty relative distinguished name");
    while (!set.at_end()) {
      if (++attributes > kMaxAttributes) return failf(Errc::malformed, "name: over {} attributes", kMaxAttributes);
      TRY(der::Reader pair, set.sequence());
      TRY(const der::Oid type, pair.oid());
      TRY(const der::Element value, pair.any());
      TRY_VOID(pair.finish("name attribute"));
      if (!is_value_tag(value.tag)) return fail(Errc::malformed, "name: value that is no string");
      if (value.content.empty()) return fail(Errc::malformed, "name: empty value");
      if (type == oid::common_name) out.text_of_common_name_ = printable(value);
      if (type == oid::email_address) out.email_addresses_.push_back(printable(value));
    }
  }
  out.der_ = to_bytes(bytes);
  return out;
}

bool DistinguishedName::matches(const DistinguishedName& other) const {
  return *this == other || canonical() == other.canonical();
}

Bytes DistinguishedName::canonical() const {
  const auto names = der::enter_only(der_, Tag::sequence, "name");
  SALLYPORT_CHECK(names.has_value());
  Bytes out;
  for (der::Reader rest = *names; !rest.at_end();) {
    const auto set = rest.enter(Tag::set);
    SALLYPORT_CHECK(set.has_value());
    append_counted(out, canonical_relative(*set));
  }
  return out;
}

Result<DistinguishedName> DistinguishedName::with_relative(ByteView relative) const {
  TRY(const der::Reader names, der::enter_only(der_, Tag::sequence, "name"));
  return parse(der::encode(Tag::sequence, der::concat({names.rest(), relative})));
}

std::string DistinguishedName::text() const {
  const auto names = der::enter_only(der_, Tag::sequence, "name");
  SALLYPORT_CHECK(names.has_value());
  std::string out;
  for (der::Reader rest = *names; !rest.at_end();) {
    auto set = rest.enter(Tag::set);
    SALLYPORT_CHECK(set.has_value());
    for (bool first = true; !set->at_end(); first = false) {
      auto pair = set->sequence();
      SALLYPORT_CHECK(pair.has_value());
      const auto type = pair->oid();
      const auto value = pair->any();
      SALLYPORT_CHECK(type.has_value() && value.has_value());
      if (!out.empty()) out += first ? ", " : " + ";
      const auto decoded = decode_text(*value);
      const der::Element shown{
          .tag = Tag::utf8_string, .content = decoded ? as_bytes(*decoded) : value->content, .whole = {}};
      out += short_name(*type) + "=" + printable(shown);
    }
  }
  return out;
}

}  // namespace sallyport::pki
