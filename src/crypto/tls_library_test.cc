#include "crypto/detail/tls_library.h"

#include <gtest/gtest.h>

#include <openssl/provider.h>
#include <openssl/x509.h>

#include "crypto/detail/evp.h"
#include "crypto/key.h"

namespace sallyport::crypto {
namespace {

OwnedPkey decode(ByteView spki, OSSL_LIB_CTX* library) {
  const ErrorQueueGuard guard;
  const unsigned char* at = spki.data();
  return OwnedPkey(d2i_PUBKEY_ex(nullptr, &at, static_cast<long>(spki.size()), library, nullptr));
}

Bytes encode(const EVP_PKEY* key) {
  const int size = i2d_PUBKEY(key, nullptr);
  EXPECT_GT(size, 0);
  Bytes out(static_cast<std::size_t>(std::max(size, 0)));
  unsigned char* at = out.data();
  EXPECT_EQ(i2d_PUBKEY(key, &at), size);
  return out;
}

// Whether the key is one that a signature can be verified by.
bool verifies(EVP_PKEY* key) {
  const OwnedPkeyContext context(EVP_PKEY_CTX_new_from_pkey(tls_library(), key, nullptr));
  return context && EVP_PKEY_public_check(context.get()) == 1;
}

TEST(TlsLibrary, ReadsEveryKeyOfACertificateThatWeAccept) {
  ASSERT_NE(tls_library(), nullptr);
  for (const auto type : {KeyType::p256, KeyType::p384, KeyType::ed25519, KeyType::rsa}) {
    const Bytes spki = to_bytes(PrivateKey::generate(type).public_key().spki());
    const auto here = decode(spki, tls_library());
    const auto elsewhere = decode(spki, nullptr);
    ASSERT_TRUE(here && elsewhere) << static_cast<int>(type);
    EXPECT_EQ(EVP_PKEY_eq(here.get(), elsewhere.get()), 1);
    EXPECT_TRUE(verifies(here.get()));
  }
}

TEST(TlsLibrary, ReadsNoOtherKey) {
  for (const char* type : {"ED448", "X448", "X25519"}) {
    const OwnedPkey key(EVP_PKEY_Q_keygen(nullptr, nullptr, type));
    ASSERT_TRUE(key) << type;
    const Bytes spki = encode(key.get());
    EXPECT_TRUE(decode(spki, nullptr)) << type;
    EXPECT_FALSE(decode(spki, tls_library())) << type;
  }
}

TEST(TlsLibrary, RefusesWhatOpensslRefuses) {
  const Bytes good = to_bytes(PrivateKey::generate().public_key().spki());
  std::size_t refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes changed = good;
    changed[i] ^= 1;
    const auto here = decode(changed, tls_library());
    const auto elsewhere = decode(changed, nullptr);
    EXPECT_FALSE(here && !elsewhere) << i;
    refused += here ? 0 : 1;
  }
  EXPECT_GT(refused, 64U) << "a point that is changed is on the curve no more";
  EXPECT_FALSE(decode({}, tls_library()));
  EXPECT_FALSE(decode(ByteView(good).first(good.size() - 1), tls_library()));
}

TEST(TlsLibrary, HasWhatTlsNeedsAndNothingToWriteOrFindKeysWith) {
  using OwnedKeyManager = Owned<EVP_KEYMGMT, EVP_KEYMGMT_free>;
  using OwnedCipher = Owned<EVP_CIPHER, EVP_CIPHER_free>;
  const ErrorQueueGuard guard;
  for (const char* name : {"X25519", "EC", "HMAC"})
    EXPECT_TRUE(OwnedKeyManager(EVP_KEYMGMT_fetch(tls_library(), name, nullptr))) << name;
  for (const char* name : {"DH", "DSA", "X448", "ED448"})
    EXPECT_FALSE(OwnedKeyManager(EVP_KEYMGMT_fetch(tls_library(), name, nullptr))) << name;
  for (const char* name : {"AES-256-GCM", "AES-128-GCM", "ChaCha20-Poly1305"})
    EXPECT_TRUE(OwnedCipher(EVP_CIPHER_fetch(tls_library(), name, nullptr))) << name;
  EXPECT_EQ(OSSL_PROVIDER_available(tls_library(), "default"), 0);
}

}  // namespace
}  // namespace sallyport::crypto
