// GeneralNames and the DNS names in them (RFC 5280 §4.2.1.6).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pki/extensions.h"

namespace sallyport::pki::detail {

// The forms of GeneralName that are read, each with its tag.
inline constexpr auto kEmailForm = codec::der::context_primitive(1);
inline constexpr auto kDnsForm = codec::der::context_primitive(2);
inline constexpr auto kDirectoryForm = codec::der::context_constructed(4);
inline constexpr auto kUriForm = codec::der::context_primitive(6);
inline constexpr auto kIpForm = codec::der::context_primitive(7);
// The bit of AlternativeNames::unread_forms for a form that is not; 0 for a tag that is no GeneralName's.
std::uint32_t unread_form(codec::der::Tag tag);

// Adds one GeneralName to `names`. Errc::malformed on a value that its form does not allow, or over
// kMaxAlternativeNames.
Result<void> add_general_name(codec::der::Reader& reader, AlternativeNames& names);
// Reads the content of a GeneralNames; at least one.
Result<AlternativeNames> parse_general_names(codec::der::Reader reader);
// Whether `text` is a DNS name as certificates of anybody write it: letters of either case, digits, '-', '_'; a first
// label '*'.
bool is_certificate_dns_name(std::string_view text);
// Whether `text` is one of our own names: base/names.h's grammar, with an optional first label '*'.
bool is_own_dns_name(std::string_view text);
// Whether `text` is labels of letters, digits, '-' and '_' with dots between, 253 characters at most.
bool are_labels(std::string_view text);
// Whether `text` is local part, '@' and a host of labels (RFC 5321 §4.1.2 without quoting and address literals).
bool is_mailbox(std::string_view text);
// `name` without a first label that is '*'.
std::string_view without_wildcard(std::string_view name);

// RFC 9525 §6.3: whether `host` is what `pattern` names; a wildcard stands for exactly one label.
bool matches_host(std::string_view pattern, std::string_view host);

}  // namespace sallyport::pki::detail
