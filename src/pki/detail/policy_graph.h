// Certificate policies along a path: RFC 5280 §6.1 with the graph of RFC 9618 in place of the tree, so that the work
// grows with the policies given and not with their combinations.
#pragma once

#include <span>

#include "pki/certificate.h"
#include "pki/path.h"
#include "pki/reason.h"

namespace sallyport::pki::detail {

// Judges the policies of `path` (leaf first, anchor last; the anchor's own are not looked at, RFC 5280 §6.1.1 (d)).
// Reason::no_valid_policy when one is required, by `rules` or by a certificate, and none of `rules.accepted` is valid.
Verdict<void> check_policies(std::span<const Certificate> path, const PolicyRules& rules);

}  // namespace sallyport::pki::detail
