// What a PublicKey holds: the checked encoding, and OpenSSL's form of it where that is needed.
#pragma once

#include <mutex>

#include "crypto/detail/evp.h"
#include "crypto/key.h"

namespace sallyport::crypto {

struct PublicKey::State {
  KeyType type{};
  Bytes spki;

  // OpenSSL's key, made when it is first needed; null when OpenSSL refuses it. Not for ECDSA, which does without.
  EVP_PKEY* native() const;

 private:
  mutable std::once_flag prepared_;
  mutable OwnedPkey native_;
};

// The digest of a scheme's message, for schemes that sign one.
Bytes digest_for(SignatureScheme scheme, ByteView message);
// Whether the scheme can be made with keys of the type.
bool fits(SignatureScheme scheme, KeyType type);
// Prepares `context` for the padding of `scheme`.
bool set_padding(EVP_PKEY_CTX* context, SignatureScheme scheme);
// The digest that EVP_DigestSign and EVP_DigestVerify are told; null for Ed25519.
const char* digest_name(SignatureScheme scheme);

}  // namespace sallyport::crypto
