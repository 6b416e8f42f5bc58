#include "pki/detail/names.h"

#include <algorithm>

#include "base/names.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::size_t kMaxDnsName = 253;
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxUri = 2'048;
constexpr std::size_t kMaxEmail = 320;

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// A scheme, ':' and something (RFC 3986 §3.1): no relative reference.
bool is_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_scheme = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
  };
  return is_letter(text[0]) && std::ranges::all_of(text.substr(0, colon), is_scheme) && text.size() <= kMaxUri &&
         is_visible_ascii(text);
}

}  // namespace

bool are_labels(std::string_view text) {
  if (text.empty() || text.size() > kMaxDnsName) return false;
  std::size_t length = 0;
  for (const char c : text) {
    if (c == '.') {
      if (length == 0) return false;
      length = 0;
    } else if (!is_label_character(c) || ++length > kMaxLabel) {
      return false;
    }
  }
  return length != 0;
}

bool is_mailbox(std::string_view text) {
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && at != 0 && at == text.rfind('@') && text.size() <= kMaxEmail &&
         is_visible_ascii(text) && are_labels(text.substr(at + 1));
}

std::uint32_t unread_form(Tag tag) {
  for (const Tag form : {der::context_constructed(0), der::context_constructed(3), der::context_constructed(5),
                         der::context_primitive(8)}) {
    constexpr unsigned kNumber = 0x1F;
    if (tag == form) return 1U << (static_cast<unsigned>(tag) & kNumber);
  }
  return 0;
}

std::string_view without_wildcard(std::string_view name) {
  return name.starts_with("*.") ? name.substr(2) : name;
}

bool is_certificate_dns_name(std::string_view text) {
  return are_labels(without_wildcard(text));
}

bool is_own_dns_name(std::string_view text) {
  return parse_dns_name(without_wildcard(text)).has_value();
}

Result<void> add_general_name(der::Reader& reader, AlternativeNames& names) {
  if (names.count() >= kMaxAlternativeNames) {
    return failf(Errc::malformed, "general names: over {}", kMaxAlternativeNames);
  }
  TRY(const der::Element name, reader.any());
  const std::string_view text = as_text(name.content);
  if (name.tag == kDnsForm) {
    if (!is_certificate_dns_name(text)) return fail(Errc::malformed, "general name: not a DNS name");
    names.dns.emplace_back(text);
  } else if (name.tag == kIpForm) {
    if (name.content.size() != 4 && name.content.size() != 16) {
      return failf(Errc::malformed, "general name: IP address of {} octets, want 4 or 16", name.content.size());
    }
    names.ip.push_back(to_bytes(name.content));
  } else if (name.tag == kUriForm) {
    if (!is_uri(text)) return fail(Errc::malformed, "general name: not a URI");
    names.uri.emplace_back(text);
  } else if (name.tag == kEmailForm) {
    if (!is_mailbox(text)) return fail(Errc::malformed, "general name: not a mailbox");
    names.email.emplace_back(text);
  } else if (name.tag == kDirectoryForm) {
    TRY(DistinguishedName directory, DistinguishedName::parse(name.content));
    names.directory.push_back(std::move(directory));
  } else if (const std::uint32_t form = unread_form(name.tag); form != 0) {
    names.unread_forms |= form;
  } else {
    return failf(Errc::malformed, "general name: tag {:#04x}", static_cast<unsigned>(name.tag));
  }
  return {};
}

Result<AlternativeNames> parse_general_names(der::Reader reader) {
  if (reader.at_end()) return fail(Errc::malformed, "general names: none, want at least one");
  AlternativeNames out;
  std::size_t count = 0;
  while (!reader.at_end()) {
    if (++count > kMaxAlternativeNames) return failf(Errc::malformed, "general names: over {}", kMaxAlternativeNames);
    TRY_VOID(add_general_name(reader, out));
  }
  return out;
}

bool matches_host(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot != 0 && host.substr(dot + 1) == pattern.substr(2);
}

}  // namespace sallyport::pki::detail
