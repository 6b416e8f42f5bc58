// NameConstraints (RFC 5280 §4.2.1.10): read, and judged for the names of a certificate.
#pragma once

#include <string_view>

#include "pki/certificate.h"
#include "pki/reason.h"
#include "pki/work.h"

namespace sallyport::pki::detail {

// Reads the value of the extension. Errc::malformed on a subtree that its form does not allow, minimum or maximum, over
// kMaxSubtrees on a side.
Result<void> read_name_constraints(ByteView value, Extensions& out);

// Judges all names of `certificate`, its subject and the mailboxes in that included. Reason::name_constraint names the
// first that is not allowed; Reason::work_limit when `work` is spent.
Verdict<void> check_name_constraints(const Certificate& certificate, const NameConstraints& constraints, Work& work);

// Whether `name` (lower case, no wildcard) is `subtree` or below it; the subtree "" holds everything.
bool is_within(std::string_view name, std::string_view subtree);
// Whether everything that `name` (perhaps a wildcard) stands for is within `subtree`.
bool is_covered(std::string_view name, std::string_view subtree);
// Whether anything that `name` stands for could be within `subtree`.
bool may_overlap(std::string_view name, std::string_view subtree);

// Whether a mailbox lies in an rfc822Name subtree, or the host of a URI in a uniformResourceIdentifier one.
bool is_mailbox_within(std::string_view mailbox, std::string_view subtree);
bool is_uri_host_within(std::string_view host, std::string_view subtree);
// The host of a URI in lower case when it has one that is a DNS name; empty otherwise (RFC 3986 §3.2.2).
std::string dns_host_of(std::string_view uri);

}  // namespace sallyport::pki::detail
