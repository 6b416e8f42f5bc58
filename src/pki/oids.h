// The object identifiers that this layer reads and writes.
#pragma once

#include "codec/der.h"

namespace sallyport::pki::oid {

using codec::der::Oid;

// Everything of our own hangs under this arc: the UUID 7c1d5b0e-54a1-4f0b-9a53-6ad1c0de5a11 in Microsoft's scheme of
// object identifiers made from a GUID (ADR 0003). .1.n are policies, .2.n extended key usages, .3.n OCSP extensions. 34
// octets in DER.
inline constexpr std::string_view kSallyportArc =
    "1.2.840.113556.1.8000.2554.31773.23310.21665.20235.39507.7000512.14572049";

// Attribute types of names (RFC 5280 appendix A.1).
extern const Oid common_name, organization_name, email_address;
// Certificate extensions (RFC 5280 §4.2).
extern const Oid subject_key_identifier, key_usage, subject_alternative_name, basic_constraints, name_constraints,
    crl_distribution_points, certificate_policies, authority_key_identifier, extended_key_usage,
    authority_information_access, hash_of_root_key;
// CRL and CRL entry extensions (RFC 5280 §5.2, §5.3).
extern const Oid crl_number, delta_crl_indicator, reason_code, invalidity_date;
// Access methods (RFC 5280 §4.2.2.1).
extern const Oid ad_ocsp, ad_ca_issuers;
// OCSP (RFC 6960 §4.4, §4.2.2.2.1).
extern const Oid ocsp_basic, ocsp_nonce, ocsp_crl, ocsp_no_check;
// The numbers of the newest CRL of every root, in an OCSP SingleResponse: our own arc, .3.1 (ADR 0015).
extern const Oid ocsp_root_crl_numbers;
// Extended key usages (RFC 5280 §4.2.1.12).
extern const Oid eku_server_auth, eku_client_auth, eku_ocsp_signing, eku_any;
// PKCS#9 and PKCS#7 (RFC 2985, RFC 5652).
extern const Oid extension_request, challenge_password, pkcs7_data, pkcs7_signed_data;
// Digest algorithms of OCSP CertIDs and of hash_of_root_key.
extern const Oid sha1, sha256;
// Signature algorithms.
extern const Oid ecdsa_with_sha256, ecdsa_with_sha384, ed25519, rsa_sha256, rsa_sha384, rsa_sha512, rsa_pss, mgf1;
// Public keys, as EST CsrAttrs names them (RFC 5480).
extern const Oid ec_public_key, secp256r1;

}  // namespace sallyport::pki::oid
