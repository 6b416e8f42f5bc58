// X.509 certificates in the profile of RFC 5280, read strictly.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "pki/distinguished_name.h"
#include "pki/extensions.h"
#include "pki/serial_number.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxCertificateBytes = 16U << 10U;

struct Validity {
  UnixTime not_before;
  UnixTime not_after;
  friend bool operator==(const Validity&, const Validity&) = default;
};

// A certificate whose structure is sound. Nothing about its signature or its issuer is proven: see pki/verify.h.
// An immutable value; copies share one parsed state. Thread-safe. Views live as long as any copy.
class Certificate {
 public:
  ByteView der() const;
  ByteView tbs() const;
  const SerialNumber& serial() const;
  const DistinguishedName& issuer() const;
  const DistinguishedName& subject() const;
  const Validity& validity() const;
  const crypto::PublicKey& public_key() const;
  const Extensions& extensions() const;
  crypto::SignatureScheme signature_scheme() const;
  ByteView signature() const;
  // SHA-256 of the whole DER.
  const crypto::Sha256Digest& fingerprint() const;
  // SHA-256 of the SubjectPublicKeyInfo.
  const crypto::Sha256Digest& spki_sha256() const;
  // The bits of subjectPublicKey, of which OCSP hashes (RFC 6960 §4.1.1) and key identifiers are made.
  ByteView public_key_bits() const;
  bool is_self_issued() const { return issuer() == subject(); }

  friend bool operator==(const Certificate& a, const Certificate& b) { return equal(a.der(), b.der()); }

  struct State;
  explicit Certificate(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

// Parses one certificate, which must be the whole input. Errc::malformed: not DER, not version 3, a serial that is not
// positive or over 20 octets, inner and outer algorithm that differ, times in the wrong form or order, unique
// identifiers, an extension twice, empty, with the wrong criticality or malformed inside, limits exceeded.
// Errc::unauthorized: a key or signature algorithm that we never accept (SHA-1, RSA below 2,048 bits, explicit curves
// …), named in the error.
Result<Certificate> parse_certificate(ByteView der);
// The same, sooner for a certificate of `key`, which is not examined again.
Result<Certificate> parse_certificate_of(const crypto::PublicKey& key, ByteView der);

// Parses all CERTIFICATE blocks of a PEM text, at least one, at most `limit`.
Result<std::vector<Certificate>> parse_certificates_pem(std::string_view pem, std::size_t limit = 16);
std::string encode_certificates_pem(std::span<const Certificate> certificates);

// RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the bits of the public key.
Bytes key_identifier(const crypto::PublicKey& key);

// The scheme by which a key of this type signs certificates and objects of ours (RSA: PKCS #1 with SHA-256).
crypto::SignatureScheme signature_scheme_of(const crypto::PublicKey& key);

}  // namespace sallyport::pki
