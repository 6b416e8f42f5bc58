#include "pki/distinguished_name.h"

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
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !keep_high)) c = '?';
  }
  return out;
}

bool is_value_tag(Tag tag) {
  constexpr auto kTeletex = static_cast<Tag>(0x14);
  constexpr auto kUniversal = static_cast<Tag>(0x1C);
  constexpr auto kBmp = static_cast<Tag>(0x1E);
  return tag == Tag::utf8_string || tag == Tag::printable_string || tag == Tag::ia5_string || tag == kTeletex ||
         tag == kUniversal || tag == kBmp;
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
      if (type == oid::email_address) out.has_email_address_ = true;
    }
  }
  out.der_ = to_bytes(bytes);
  return out;
}

}  // namespace sallyport::pki
