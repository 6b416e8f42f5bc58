// Extensions of certificates: values → whole Extension elements.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pki/extensions.h"

namespace sallyport::pki::detail {

// The one host whose mailboxes a constrained CA may name: none can exist (RFC 2606 §2). RFC 5280 has no subtree of all
// mailboxes to exclude, and Java does not read the empty one.
inline constexpr std::string_view kNoMailHost = "invalid";

Bytes encode_subject_key_id(ByteView id);
Bytes encode_authority_key_id(ByteView id);
Bytes encode_key_usage(std::uint32_t bits);
Bytes encode_basic_constraints(const BasicConstraints& constraints);
Bytes encode_extended_key_usage(std::span<const Oid> uses);
Bytes encode_policy(const Oid& policy);
// DNS names and URIs.
Bytes encode_alternative_names(const AlternativeNames& names, bool critical);
// Permits the DNS subtrees; excludes all IP addresses and mailboxes (RFC 5280 §4.2.1.10).
Bytes encode_name_constraints(std::span<const std::string> permitted_dns);
Bytes encode_crl_urls(std::span<const std::string> urls);
Bytes encode_information_access(std::span<const std::string> ocsp_urls, std::span<const std::string> ca_issuer_urls);
Bytes encode_no_check();
Bytes encode_next_root_key(const crypto::Sha256Digest& spki_sha256);

}  // namespace sallyport::pki::detail
