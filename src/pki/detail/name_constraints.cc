#include "pki/detail/name_constraints.h"

#include <algorithm>

#include "codec/text.h"
#include "pki/detail/names.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

std::string_view host_part(std::string_view mailbox) {
  return mailbox.substr(mailbox.rfind('@') + 1);
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

bool is_host_or_domain(std::string_view text) {
  return are_labels(text.starts_with('.') ? text.substr(1) : text);
}

// "anna@host", "host", ".domain", or nothing.
Result<void> add_mailbox_subtree(std::string_view text, Subtrees& subtrees) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) {
    if (!text.empty() && !is_host_or_domain(text))
      return fail(Errc::malformed, "subtree: not a mailbox, host or domain");
    subtrees.email.push_back(codec::lower_case(text));
    return {};
  }
  if (!is_mailbox(text)) return fail(Errc::malformed, "subtree: not a mailbox");
  subtrees.email.push_back(std::string(text.substr(0, at + 1)) + codec::lower_case(text.substr(at + 1)));
  return {};
}

Result<void> add_directory_subtree(ByteView content, Subtrees& subtrees) {
  TRY(DistinguishedName name, DistinguishedName::parse(content));
  Bytes canonical = name.canonical();
  subtrees.directory.push_back({.name = std::move(name), .canonical = std::move(canonical)});
  return {};
}

// GeneralSubtree := SEQUENCE { base GeneralName }; minimum is its default and maximum absent (RFC 5280 §4.2.1.10).
Result<void> add_subtree(der::Reader& reader, Subtrees& subtrees) {
  TRY(der::Reader subtree, reader.sequence());
  TRY(const der::Element base, subtree.any());
  TRY_VOID(subtree.finish("general subtree"));
  const std::string_view text = as_text(base.content);
  switch (base.tag) {
    case kDnsForm:
      if (!text.empty() && !are_labels(text)) return fail(Errc::malformed, "subtree: not a DNS name");
      subtrees.dns.push_back(codec::lower_case(text));
      return {};
    case kIpForm:
      return add_ip_subtree(base.content, subtrees);
    case kEmailForm:
      return add_mailbox_subtree(text, subtrees);
    case kUriForm:
      if (!is_host_or_domain(text)) return fail(Errc::malformed, "subtree: not a URI's host or domain");
      subtrees.uri.push_back(codec::lower_case(text));
      return {};
    case kDirectoryForm:
      return add_directory_subtree(base.content, subtrees);
    default:
      break;
  }
  const std::uint32_t form = unread_form(base.tag);
  if (form == 0) return failf(Errc::malformed, "subtree: tag {:#04x}", static_cast<unsigned>(base.tag));
  subtrees.unread_forms |= form;
  return {};
}

Result<void> read_subtrees(ByteView list, Subtrees& out) {
  der::Reader reader(list);
  if (reader.at_end()) return fail(Errc::malformed, "no subtree");
  for (std::size_t count = 0; !reader.at_end(); ++count) {
    if (count >= kMaxSubtrees) return failf(Errc::malformed, "over {} subtrees", kMaxSubtrees);
    TRY_VOID(add_subtree(reader, out));
  }
  return {};
}

// Judges one name against the subtrees of its form: in one of the permitted, if there are any, and in none of the
// excluded. The two questions differ for names that stand for several.
template <class Tree, class InPermitted, class InExcluded>
Verdict<void> judge(std::string_view shown, const std::vector<Tree>& permitted, const std::vector<Tree>& excluded,
                    Work& work, InPermitted in_permitted, InExcluded in_excluded) {
  bool allowed = permitted.empty();
  for (std::size_t i = 0; i < permitted.size() && !allowed; ++i) {
    if (!work.spend_comparison()) return refuse(Reason::work_limit, "name constraints: too many comparisons");
    allowed = in_permitted(permitted[i]);
  }
  if (!allowed) return refuse(Reason::name_constraint, fmt::format("{} is in no permitted subtree", shown));
  for (const Tree& tree : excluded) {
    if (!work.spend_comparison()) return refuse(Reason::work_limit, "name constraints: too many comparisons");
    if (in_excluded(tree)) return refuse(Reason::name_constraint, fmt::format("{} is in an excluded subtree", shown));
  }
  return {};
}

Verdict<void> check_dns(const std::string& written, const NameConstraints& constraints, Work& work) {
  const std::string name = codec::lower_case(written);
  return judge(
      fmt::format("DNS name '{}'", name), constraints.permitted.dns, constraints.excluded.dns, work,
      [&](const std::string& tree) { return is_covered(name, tree); },
      [&](const std::string& tree) { return may_overlap(name, tree); });
}

Verdict<void> check_ip(const Bytes& address, const NameConstraints& constraints, Work& work) {
  const auto holds = [&](const IpSubnet& subnet) { return is_in_subnet(address, subnet); };
  return judge("IP address", constraints.permitted.ip, constraints.excluded.ip, work, holds, holds);
}

Verdict<void> check_mailbox(const std::string& mailbox, const NameConstraints& constraints, Work& work) {
  if (constraints.permitted.email.empty() && constraints.excluded.email.empty()) return {};
  if (!is_mailbox(mailbox))
    return refuse(Reason::name_constraint, "a malformed mailbox under a constraint on mailboxes");
  const auto holds = [&](const std::string& tree) { return is_mailbox_within(mailbox, tree); };
  return judge(fmt::format("mailbox '{}'", mailbox), constraints.permitted.email, constraints.excluded.email, work,
               holds, holds);
}

Verdict<void> check_uri(const std::string& uri, const NameConstraints& constraints, Work& work) {
  if (constraints.permitted.uri.empty() && constraints.excluded.uri.empty()) return {};
  const std::string host = dns_host_of(uri);
  if (host.empty()) return refuse(Reason::name_constraint, "a URI without a DNS host under a constraint on URIs");
  const auto holds = [&](const std::string& tree) { return is_uri_host_within(host, tree); };
  return judge(fmt::format("URI of host '{}'", host), constraints.permitted.uri, constraints.excluded.uri, work, holds,
               holds);
}

Verdict<void> check_directory(const DistinguishedName& name, const NameConstraints& constraints, Work& work) {
  if (constraints.permitted.directory.empty() && constraints.excluded.directory.empty()) return {};
  const Bytes own = name.canonical();
  const auto holds = [&](const DirectorySubtree& tree) {
    return own.size() >= tree.canonical.size() && equal(ByteView(own).first(tree.canonical.size()), tree.canonical);
  };
  return judge("directory name", constraints.permitted.directory, constraints.excluded.directory, work, holds, holds);
}

template <class Name, class Check>
Verdict<void> check_each(const std::vector<Name>& names, const NameConstraints& constraints, Work& work, Check check) {
  for (const Name& name : names) {
    if (auto ok = check(name, constraints, work); !ok) return ok;
  }
  return {};
}

Verdict<void> check_alternative_names(const AlternativeNames& names, const NameConstraints& constraints, Work& work) {
  if ((names.unread_forms & (constraints.permitted.unread_forms | constraints.excluded.unread_forms)) != 0)
    return refuse(Reason::name_constraint, "a name of a form that is constrained and cannot be judged");
  if (auto ok = check_each(names.dns, constraints, work, check_dns); !ok) return ok;
  if (auto ok = check_each(names.ip, constraints, work, check_ip); !ok) return ok;
  if (auto ok = check_each(names.email, constraints, work, check_mailbox); !ok) return ok;
  if (auto ok = check_each(names.uri, constraints, work, check_uri); !ok) return ok;
  return check_each(names.directory, constraints, work, check_directory);
}

}  // namespace

Result<void> read_name_constraints(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  NameConstraints constraints;
  TRY(const auto permitted, reader.optional(der::context_constructed(0)));
  TRY(const auto excluded, reader.optional(der::context_constructed(1)));
  TRY_VOID(reader.finish("value"));
  if (!permitted && !excluded) return fail(Errc::malformed, "no subtree");
  if (permitted) TRY_VOID(read_subtrees(permitted->content, constraints.permitted));
  if (excluded) TRY_VOID(read_subtrees(excluded->content, constraints.excluded));
  out.name_constraints = std::move(constraints);
  return {};
}

Verdict<void> check_name_constraints(const Certificate& certificate, const NameConstraints& constraints, Work& work) {
  if (!certificate.subject().empty()) {
    if (auto ok = check_directory(certificate.subject(), constraints, work); !ok) return ok;
    if (auto ok = check_each(certificate.subject().email_addresses(), constraints, work, check_mailbox); !ok) return ok;
  }
  const auto& names = certificate.extensions().alternative_names;
  return names ? check_alternative_names(*names, constraints, work) : Verdict<void>();
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

bool is_mailbox_within(std::string_view mailbox, std::string_view subtree) {
  if (subtree.empty()) return true;
  const std::string host = codec::lower_case(host_part(mailbox));
  if (subtree.find('@') == std::string_view::npos) return is_uri_host_within(host, subtree);
  return host == host_part(subtree) && mailbox.substr(0, mailbox.rfind('@')) == subtree.substr(0, subtree.rfind('@'));
}

bool is_uri_host_within(std::string_view host, std::string_view subtree) {
  if (!subtree.starts_with('.')) return host == subtree;
  return host.size() > subtree.size() && host.ends_with(subtree);
}

std::string dns_host_of(std::string_view uri) {
  const std::size_t colon = uri.find("://");
  if (colon == std::string_view::npos || uri.substr(0, colon).find_first_of("/?#:") != std::string_view::npos)
    return {};
  std::string_view authority = uri.substr(colon + 3);
  authority = authority.substr(0, authority.find_first_of("/?#"));
  authority = authority.substr(authority.rfind('@') + 1);
  const std::string_view host = authority.substr(0, authority.find(':'));
  // An IPv4 address is made of labels too; it is no name.
  const bool is_address = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return are_labels(host) && !is_address ? codec::lower_case(host) : std::string();
}

}  // namespace sallyport::pki::detail
