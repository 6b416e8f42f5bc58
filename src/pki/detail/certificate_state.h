// What a Certificate shares among its copies. The views point into `der`, which never moves.
#pragma once

#include <optional>

#include "pki/certificate.h"

namespace sallyport::pki {

struct Certificate::State {
  Bytes der;
  ByteView tbs;
  ByteView signature;
  ByteView public_key_bits;
  SerialNumber serial;
  DistinguishedName issuer;
  DistinguishedName subject;
  Validity validity;
  std::optional<crypto::PublicKey> public_key;
  Extensions extensions;
  crypto::SignatureScheme scheme{};
  crypto::Sha256Digest fingerprint{};
  crypto::Sha256Digest spki_sha256{};
};

namespace detail {

// parse_certificate, but a key whose bytes are those of `known` is not parsed again.
Result<Certificate> parse_certificate_with_key(ByteView der, const crypto::PublicKey* known);

}  // namespace detail
}  // namespace sallyport::pki
