// The pieces that OCSP requests and responses share (RFC 6960 §4.1.1, §4.4).
#pragma once

#include "pki/ocsp.h"

namespace sallyport::pki::detail {

Result<CertId> read_cert_id(codec::der::Reader& reader);
Bytes encode_cert_id(const CertId& id);

// The nonce in an Extensions SEQUENCE, absent without one. Errc::malformed on a nonce of 0 or over kMaxNonce octets and
// on unknown critical extensions.
Result<std::optional<Bytes>> read_nonce(codec::der::Reader extensions);
// The Extensions SEQUENCE with a nonce.
Bytes encode_nonce(ByteView nonce);

}  // namespace sallyport::pki::detail
