// A certificate that says nothing but its key, for TLS where the peer compares the key alone (docs/protocol/tunnel.md
// §12).
#pragma once

#include "crypto/key.h"
#include "pki/certificate.h"

namespace sallyport::pki {

inline constexpr seconds kKeyCertificateLife{24 * 3'600};  // nobody looks at it

// Self-signed, without any extension, so that no verifier takes it for a CA or for somebody's. Fails as
// SigningKey::sign does.
Result<Certificate> make_key_certificate(crypto::SigningKey& key, Random& random, UnixTime now);

}  // namespace sallyport::pki
