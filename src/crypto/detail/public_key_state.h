// What a PublicKey holds: the checked encoding, and OpenSSL's form of it, made when it is first needed.
#pragma once

#include <mutex>

#include "crypto/detail/evp.h"
#include "crypto/key.h"

namespace sallyport::crypto {

struct PublicKey::State {
  KeyType type{};
  Bytes spki;

  // OpenSSL's key, and for ECDSA a context ready to be duplicated for verifying; null when OpenSSL refuses the key.
  EVP_PKEY* native() const;
  const EVP_PKEY_CTX* verify_template() const;

 private:
  void prepare() const;

  mutable std::once_flag prepared_;
  mutable OwnedPkey native_;
  mutable OwnedPkeyContext verify_template_;
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
