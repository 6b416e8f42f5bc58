// AES-256-GCM (NIST SP 800-38D, RFC 5116 §5.2). The algorithm is fetched once per process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::crypto {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;

using AeadKey = Secret<kAeadKeyBytes>;
using AeadNonce = std::array<std::uint8_t, kAeadNonceBytes>;

// Ciphertext with its tag at the end. A nonce must never come twice under one key: drawn at random, a key seals 2^32
// messages at most (SP 800-38D §8.3).
Bytes aead_seal(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView plaintext);
// What aead_seal() sealed. Errc::unauthorized when key, nonce, associated data or ciphertext are not the same.
Result<SecretBytes> aead_open(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView sealed);

}  // namespace sallyport::crypto
