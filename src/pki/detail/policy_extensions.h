// The extensions that steer the processing of policies: bytes → values (RFC 5280 §4.2.1.4, .5, .11, .14).
#pragma once

#include "pki/extensions.h"

namespace sallyport::pki::detail {

// Each reads the value of its extension into `out`; Errc::malformed on anything the standard does not allow: no policy,
// a policy twice, anyPolicy in a mapping, an empty constraint, over kMaxPolicies or kMaxPolicyMappings.
Result<void> read_policies(ByteView value, Extensions& out);
Result<void> read_policy_mappings(ByteView value, Extensions& out);
Result<void> read_policy_constraints(ByteView value, Extensions& out);
Result<void> read_inhibit_any_policy(ByteView value, Extensions& out);

}  // namespace sallyport::pki::detail
