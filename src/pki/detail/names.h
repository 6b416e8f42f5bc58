// GeneralNames and the DNS names in them (RFC 5280 §4.2.1.6, §4.2.1.10).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pki/extensions.h"

namespace sallyport::pki::detail {

// Adds one GeneralName to `names`. Errc::malformed on a value that its form does not allow, or over
// kMaxAlternativeNames.
Result<void> add_general_name(codec::der::Reader& reader, AlternativeNames& names);
// Reads the content of a GeneralNames; at least one.
Result<AlternativeNames> parse_general_names(codec::der::Reader reader);
// Adds the base of one GeneralSubtree to `subtrees`.
Result<void> add_subtree(codec::der::Reader& reader, Subtrees& subtrees);

// Whether `text` is a DNS name as certificates of anybody write it: letters of either case, digits, '-', '_'; a first
// label '*'.
bool is_certificate_dns_name(std::string_view text);
// Whether `text` is one of our own names: base/names.h's grammar, with an optional first label '*'.
bool is_own_dns_name(std::string_view text);
std::string lower_case(std::string_view text);

// Whether `name` (lower case, no wildcard) is `subtree` or below it; the subtree "" holds everything.
bool is_within(std::string_view name, std::string_view subtree);
// Whether everything that `name` (perhaps a wildcard) stands for is within `subtree`.
bool is_covered(std::string_view name, std::string_view subtree);
// Whether anything that `name` stands for could be within `subtree`.
bool may_overlap(std::string_view name, std::string_view subtree);
// RFC 9525 §6.3: whether `host` is what `pattern` names; a wildcard stands for exactly one label.
bool matches_host(std::string_view pattern, std::string_view host);

// The first name of `names` that `constraints` do not allow, in words; empty when all are allowed.
std::string find_violation(const AlternativeNames& names, const NameConstraints& constraints);

}  // namespace sallyport::pki::detail
