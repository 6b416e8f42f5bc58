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

// The forms of GeneralName, each with its tag.
constexpr Tag kOtherName = der::context_constructed(0);
constexpr Tag kEmail = der::context_primitive(1);
constexpr Tag kDns = der::context_primitive(2);
constexpr Tag kX400 = der::context_constructed(3);
constexpr Tag kDirectory = der::context_constructed(4);
constexpr Tag kEdiParty = der::context_constructed(5);
constexpr Tag kUri = der::context_primitive(6);
constexpr Tag kIp = der::context_primitive(7);
constexpr Tag kRegistered = der::context_primitive(8);

bool is_other_form(Tag tag) {
  return tag == kOtherName || tag == kX400 || tag == kDirectory || tag == kEdiParty || tag == kRegistered;
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

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

std::string_view without_wildcard(std::string_view name) {
  return name.starts_with("*.") ? name.substr(2) : name;
}

bool is_contiguous(ByteView mask) {
  bool ended = false;
  for (const std::uint8_t byte : mask) {
    for (unsigned bit = 8; bit > 0; --bit) {
      const bool set = ((byte >> (bit - 1)) & 1U) != 0;
      if (set && ended) return false;
      ended = ended || !set;
    }
  }
  return true;
}

bool is_in_subnet(ByteView address, const IpSubnet& subnet) {
  if (address.size() != subnet.address.size()) return false;
  for (std::size_t i = 0; i < address.size(); ++i) {
    if ((address[i] & subnet.mask[i]) != (subnet.address[i] & subnet.mask[i])) return false;
  }
  return true;
}

std::string find_dns_violation(const std::vector<std::string>& names, const NameConstraints& constraints) {
  for (const std::string& written : names) {
    const std::string name = lower_case(written);
    const auto& permitted = constraints.permitted.dns;
    if (!permitted.empty() &&
        std::ranges::none_of(permitted, [&](const auto& tree) { return is_covered(name, tree); })) {
      return fmt::format("DNS name '{}' is in no permitted subtree", name);
    }
    for (const std::string& tree : constraints.excluded.dns) {
      if (may_overlap(name, tree)) return fmt::format("DNS name '{}' is in the excluded subtree '{}'", name, tree);
    }
  }
  return {};
}

std::string find_ip_violation(const std::vector<Bytes>& addresses, const NameConstraints& constraints) {
  for (const Bytes& address : addresses) {
    const auto holds = [&](const IpSubnet& subnet) { return is_in_subnet(address, subnet); };
    if (!constraints.permitted.ip.empty() && std::ranges::none_of(constraints.permitted.ip, holds)) {
      return "IP address in no permitted subnet";
    }
    if (std::ranges::any_of(constraints.excluded.ip, holds)) return "IP address in an excluded subnet";
  }
  return {};
}

Result<void> add_ip_subtree(ByteView content, Subtrees& subtrees) {
  if (content.size() != 8 && content.size() != 32) {
    return failf(Errc::malformed, "IP subtree: {} octets, want 8 or 32", content.size());
  }
  const std::size_t half = content.size() / 2;
  IpSubnet subnet{.address = to_bytes(content.first(half)), .mask = to_bytes(content.subspan(half))};
  if (!is_contiguous(subnet.mask)) return fail(Errc::malformed, "IP subtree: mask with holes");
  subtrees.ip.push_back(std::move(subnet));
  return {};
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
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
  if (name.tag == kDns) {
    if (!is_certificate_dns_name(text)) return fail(Errc::malformed, "general name: not a DNS name");
    names.dns.emplace_back(text);
  } else if (name.tag == kIp) {
    if (name.content.size() != 4 && name.content.size() != 16) {
      return failf(Errc::malformed, "general name: IP address of {} octets, want 4 or 16", name.content.size());
    }
    names.ip.push_back(to_bytes(name.content));
  } else if (name.tag == kUri) {
    if (text.empty() || text.size() > kMaxUri || !is_visible_ascii(text)) {
      return fail(Errc::malformed, "general name: not a URI");
    }
    names.uri.emplace_back(text);
  } else if (name.tag == kEmail) {
    if (text.empty() || text.size() > kMaxEmail || !is_visible_ascii(text)) {
      return fail(Errc::malformed, "general name: not a mailbox");
    }
    names.email.emplace_back(text);
  } else if (is_other_form(name.tag)) {
    names.has_other = true;
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

// GeneralSubtree := SEQUENCE { base GeneralName }; minimum is its default and maximum absent (RFC 5280 §4.2.1.10).
Result<void> add_subtree(der::Reader& reader, Subtrees& subtrees) {
  TRY(der::Reader subtree, reader.sequence());
  TRY(const der::Element base, subtree.any());
  TRY_VOID(subtree.finish("general subtree"));
  const std::string_view text = as_text(base.content);
  if (base.tag == kDns) {
    if (!text.empty() && !are_labels(text)) return fail(Errc::malformed, "subtree: not a DNS name");
    subtrees.dns.push_back(lower_case(text));
  } else if (base.tag == kIp) {
    TRY_VOID(add_ip_subtree(base.content, subtrees));
  } else if (base.tag == kEmail) {
    subtrees.has_email = true;
  } else if (base.tag == kUri) {
    subtrees.has_uri = true;
  } else if (is_other_form(base.tag)) {
    subtrees.has_other = true;
  } else {
    return failf(Errc::malformed, "subtree: tag {:#04x}", static_cast<unsigned>(base.tag));
  }
  return {};
}

bool is_within(std::string_view name, std::string_view subtree) {
  if (subtree.empty() || name == subtree) return true;
  return name.size() > subtree.size() && name.ends_with(subtree) && name[name.size() - subtree.size() - 1] == '.';
}

bool is_covered(std::string_view name, std::string_view subtree) {
  return is_within(without_wildcard(name), subtree);
}

bool may_overlap(std::string_view name, std::string_view subtree) {
  if (is_within(without_wildcard(name), subtree)) return true;
  return name.starts_with("*.") && is_within(subtree, without_wildcard(name));
}

bool matches_host(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot != 0 && host.substr(dot + 1) == pattern.substr(2);
}

std::string find_violation(const AlternativeNames& names, const NameConstraints& constraints) {
  const Subtrees& permitted = constraints.permitted;
  const Subtrees& excluded = constraints.excluded;
  if (permitted.has_other || excluded.has_other) return "a constraint on a form of name that cannot be checked";
  if ((permitted.has_uri || excluded.has_uri) && !names.uri.empty()) return "a URI under a constraint on URIs";
  if ((permitted.has_email || excluded.has_email) && !names.email.empty())
    return "a mailbox under a constraint on mailboxes";
  if (std::string dns = find_dns_violation(names.dns, constraints); !dns.empty()) return dns;
  return find_ip_violation(names.ip, constraints);
}

}  // namespace sallyport::pki::detail
