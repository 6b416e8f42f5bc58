// The bodies of Enrolment over Secure Transport (RFC 7030 with the errata of RFC 8951).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pki/certificate.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxCertsOnlyCertificates = 64;
inline constexpr std::size_t kMaxEstBody = 256U << 10U;

// A certs-only CMS SignedData (RFC 5652 §5, "degenerate"): the answer of cacerts, simpleenroll and simplereenroll.
Bytes encode_certs_only(std::span<const Certificate> certificates);
// Accepts one of anybody that is DER, without signers; CRLs in it are skipped. At least one certificate.
Result<std::vector<Certificate>> parse_certs_only(ByteView der);

// RFC 8951 §3.1: base64 of the DER, in one line: RFC 4648 §3.1 wants no line feeds, and strongSwan 5.9 reads none. No
// Content-Transfer-Encoding header decides anything.
std::string encode_est_body(ByteView der);
// Ignores white space (RFC 8951 §3.1), then strict base64. Errc::overloaded above kMaxEstBody.
Result<Bytes> decode_est_body(std::string_view body);

// CsrAttrs (RFC 7030 §4.5.2): a key on secp256r1, signed with ECDSA and SHA-256.
Bytes encode_csr_attributes();

}  // namespace sallyport::pki
