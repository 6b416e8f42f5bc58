// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 5480, RFC 8410, RFC 3279), read by our own strict reader.
#pragma once

#include "base/bytes.h"
#include "codec/der.h"
#include "crypto/key.h"

namespace sallyport::crypto {

inline constexpr unsigned kMinRsaBits = 2048;
inline constexpr unsigned kMaxRsaBits = 8192;
inline constexpr std::uint64_t kMinRsaExponent = 65'537;

// What an accepted SubjectPublicKeyInfo says. Borrows.
struct ParsedSpki {
  KeyType type{};
  ByteView key;  // the point, the raw Ed25519 key, or the DER RSAPublicKey
};

// Reads the content of an AlgorithmIdentifier of a key, of SubjectPublicKeyInfo and PKCS#8 alike, and its end.
Result<KeyType> parse_key_algorithm(codec::der::Reader algorithm);

// Fails with Errc::malformed as PublicKey::from_spki says, except that a point is not yet known to be on its curve.
Result<ParsedSpki> parse_spki(ByteView der);

}  // namespace sallyport::crypto
