// AES-256-GCM for many messages under one key, and AES-256 of counter blocks: the key schedule is made once, and
// nothing is allocated per message. aead.h is for single messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "crypto/aead.h"

struct evp_cipher_ctx_st;

namespace sallyport::crypto {

struct FreeCipherContext {
  void operator()(evp_cipher_ctx_st* context) const;
};
using CipherContext = std::unique_ptr<evp_cipher_ctx_st, FreeCipherContext>;

// Seals under one key. Not thread-safe.
class AeadSealer {
 public:
  explicit AeadSealer(const AeadKey& key);
  // Writes the ciphertext and its tag to `out`, which has plaintext.size() + kAeadTagBytes bytes and may begin where
  // `plaintext` does. A nonce must never come twice.
  void seal(const AeadNonce& nonce, ByteView associated, ByteView plaintext, std::span<std::uint8_t> out);

 private:
  CipherContext context_;
};

// Opens under one key. Not thread-safe.
class AeadOpener {
 public:
  explicit AeadOpener(const AeadKey& key);
  // Writes the plaintext to `out`, which has sealed.size() - kAeadTagBytes bytes. False, with `out` wiped, when key,
  // nonce, associated data or ciphertext are not the same, or `sealed` is shorter than a tag.
  bool open(const AeadNonce& nonce, ByteView associated, ByteView sealed, std::span<std::uint8_t> out);

 private:
  CipherContext context_;
};

// AES-256 as a pseudorandom function of 16-byte blocks (FIPS 197). Never to be given the key of an AEAD. Not
// thread-safe.
class BlockPrf {
 public:
  static constexpr std::size_t kBlockBytes = 16;
  explicit BlockPrf(const Secret<32>& key);
  // Replaces each block of `blocks`, a multiple of kBlockBytes, by its image.
  void apply(std::span<std::uint8_t> blocks);

 private:
  CipherContext context_;
};

}  // namespace sallyport::crypto
