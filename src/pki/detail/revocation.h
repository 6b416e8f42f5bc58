// Whether CRLs that are given cover the certificates of a path, and what they say (RFC 5280 §6.3).
#pragma once

#include <vector>

#include "pki/path.h"

namespace sallyport::pki::detail {

// Judges every certificate of `path` below the anchor by `source.crls`, as rules.revocation demands. A CRL counts when
// its issuer's own path ends at the same anchor and is not revoked itself. status_revoked for the leaf, ca_revoked
// above it; status_unknown when no CRL covers a certificate for all reasons; crl_stale, crl_unusable for those that
// would, but cannot be used. Without a CRL and RevocationRule::required nothing passes but a lone anchor.
Verdict<void> check_revocation(const std::vector<Certificate>& path, const PathSource& source, const PathRules& rules,
                               Work& work);

}  // namespace sallyport::pki::detail
