// Signature keys: P-256 ECDSA with SHA-256 by default, P-384 and RSA for foreign certificates, Ed25519 where profiles
// allow.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"

struct evp_pkey_st;

namespace sallyport::crypto {

enum class KeyType : std::uint8_t { p256, p384, ed25519, rsa };
// The signatures that we make and accept. No SHA-1, no RSA below 2,048 bits.
enum class SignatureScheme : std::uint8_t {
  ecdsa_p256_sha256,
  ecdsa_p384_sha384,
  ed25519,
  rsa_pkcs1_sha256,
  rsa_pkcs1_sha384,
  rsa_pkcs1_sha512,
  rsa_pss_sha256
};

// The scheme that a key of `type` signs with here: its curve's, Ed25519, or RSA PKCS#1 v1.5 with SHA-256.
SignatureScheme default_scheme(KeyType type);

// A verified-to-be-sane public key. A cheap value: copies share one immutable key. Thread-safe.
class PublicKey {
 public:
  // Parses a DER SubjectPublicKeyInfo. Fails with Errc::malformed on anything but a named curve P-256 or P-384 with an
  // uncompressed point on it, Ed25519, or RSA of 2,048 to 8,192 bits with an odd exponent from 65,537 to 2^63; explicit
  // curve parameters are refused by name. P-256 does not go through the slow general decoder.
  static Result<PublicKey> from_spki(ByteView spki_der);

  KeyType type() const;
  // The SubjectPublicKeyInfo, DER, as we encode it.
  ByteView spki() const;
  // Fails with Errc::unauthorized when `signature` (DER ECDSA-Sig-Value, or as RFC 8032 / RFC 8017) is not this key's
  // over `message`, or the scheme is not one of this key's type.
  Result<void> verify(SignatureScheme scheme, ByteView message, ByteView signature) const;
  friend bool operator==(const PublicKey& a, const PublicKey& b) { return equal(a.spki(), b.spki()); }

 private:
  friend class PrivateKey;
  struct State;
  explicit PublicKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// A key that can sign; where the key lives (memory, token, TPM) is the implementation's. Thread-safe.
class SigningKey {
 public:
  virtual ~SigningKey() = default;
  virtual const PublicKey& public_key() const = 0;
  // The one scheme that this key signs with.
  virtual SignatureScheme scheme() const = 0;
  // Signs `message` (hashed inside). Fails with Errc::unavailable when the token does not answer.
  virtual Result<Bytes> sign(ByteView message) = 0;
};

// What a key file's passphrase is: chosen by a person, so that guessing must be slow, or 32 random bytes, which nobody
// guesses.
enum class PassphraseOrigin : std::uint8_t { person, random };

// A private key in memory, wiped when it ends. Move-only.
class PrivateKey final : public SigningKey {
 public:
  static PrivateKey generate(KeyType type = KeyType::p256);
  // Parses unencrypted PKCS#8 DER (RFC 5958). Refuses what PublicKey refuses.
  static Result<PrivateKey> from_pkcs8(ByteView der);
  // Parses "PRIVATE KEY" or "ENCRYPTED PRIVATE KEY" PEM; a wrong passphrase is Errc::unauthorized.
  static Result<PrivateKey> from_pem(std::string_view pem, ByteView passphrase = {});

  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  ~PrivateKey() override;

  const PublicKey& public_key() const override;
  SignatureScheme scheme() const override;
  Result<Bytes> sign(ByteView message) override;

  // "PRIVATE KEY" PEM, unencrypted: for a file of mode 0600 alone.
  SecretBytes to_pem() const;
  // "ENCRYPTED PRIVATE KEY" PEM: PBES2, scrypt N=2^15 r=4 p=5 (16 MiB, within what OpenSSL's
  // own tools can open; N=2^10 p=1 for a random passphrase), AES-256-CBC (RFC 8018, RFC 7914).
  SecretBytes to_encrypted_pem(ByteView passphrase, PassphraseOrigin origin = PassphraseOrigin::person) const;
  PrivateKey clone() const;

  // For TLS contexts of this layer.
  evp_pkey_st* native() const;

 private:
  struct State;
  explicit PrivateKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::crypto
