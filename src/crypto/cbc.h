// AES-CBC with PKCS #7 padding, then HMAC-SHA256 over header, IV and ciphertext (SP 800-38A §6.2, RFC 5652 §6.3, RFC
// 2104): the blocks of EVA ICS and of Fernet. For talking to what exists, and for nothing new, which takes
// crypto/aead.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::crypto {

inline constexpr std::size_t kCbcBlockBytes = 16;
inline constexpr std::size_t kCbcTagBytes = 32;
// Of the shortest message: IV, a block of padding alone, tag.
inline constexpr std::size_t kCbcLeastBytes = 2 * kCbcBlockBytes + kCbcTagBytes;

using CbcIv = std::array<std::uint8_t, kCbcBlockBytes>;

// The cipher's key has 16 bytes (AES-128) or 32 (AES-256): another length is a broken invariant. The formats choose
// them; one of them takes the same for both.
struct CbcKeys {
  SecretBytes cipher;
  SecretBytes mac;

  CbcKeys clone() const { return {.cipher = cipher.clone(), .mac = mac.clone()}; }
};

// IV, ciphertext, tag; of `header`, which may be empty, the tag alone. An IV is drawn at random for each message.
Bytes cbc_seal(const CbcKeys& keys, ByteView header, const CbcIv& iv, ByteView plaintext);
// What cbc_seal() sealed. The tag is compared first and in constant time, nothing is decrypted before; so there is
// nothing to learn from how a message is refused. Errc::unauthorized with one text, whatever it is.
Result<SecretBytes> cbc_open(const CbcKeys& keys, ByteView header, ByteView sealed);

}  // namespace sallyport::crypto
