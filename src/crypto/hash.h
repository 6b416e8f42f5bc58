// SHA-2, HMAC and HKDF; SHA-1 for OCSP CertIDs and MD5 for HTTP Digest alone. Algorithms are fetched once per process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::crypto {

using Md5Digest = std::array<std::uint8_t, 16>;
using Sha1Digest = std::array<std::uint8_t, 20>;
using Sha256Digest = std::array<std::uint8_t, 32>;
using Sha512Digest = std::array<std::uint8_t, 64>;

Sha256Digest sha256(ByteView bytes);
Sha512Digest sha512(ByteView bytes);
// RFC 6960 CertIDs of old clients; never under a signature that we make or accept.
Sha1Digest sha1(ByteView bytes);
// SHA-512/256 (FIPS 180-4 §6.7).
Sha256Digest sha512_256(ByteView bytes);
// What a proxy asks for that knows nothing better (RFC 7616 §3.3). Errc::unavailable where the library has none, as in
// FIPS mode.
Result<Md5Digest> md5(ByteView bytes);

// SHA-256 over parts that come one after another. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256& update(ByteView bytes);
  // Ends the computation; the object must not be used after.
  Sha256Digest digest() &&;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Sha256Digest hmac_sha256(ByteView key, ByteView message);
// RFC 5869. `secret` is not empty, `info` has at most 1,024 bytes, the result 1 to 255 × 32.
SecretBytes hkdf_sha256(ByteView secret, ByteView salt, ByteView info, std::size_t length);

}  // namespace sallyport::crypto
