// Extensions of other people's PKIs that path validation knows (RFC 5280 §4.2, §5.2, §5.3).
#pragma once

#include "codec/der.h"

namespace sallyport::pki::oid {

using codec::der::Oid;

extern const Oid issuer_alternative_name, subject_directory_attributes, subject_information_access, policy_mappings,
    policy_constraints, inhibit_any_policy, freshest_crl, any_policy, issuing_distribution_point, certificate_issuer;

}  // namespace sallyport::pki::oid
