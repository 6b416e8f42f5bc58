// Slow hashing of passwords that people choose, for places without argon2.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::crypto {

// PBKDF2 with HMAC-SHA-256 (RFC 8018 §5.2). `iterations` and `length` are positive, `salt` has at least 16 bytes.
// Takes about half a second for 600,000 iterations: not for the thread of an event loop.
SecretBytes pbkdf2_sha256(ByteView password, ByteView salt, std::uint32_t iterations, std::size_t length);

}  // namespace sallyport::crypto
