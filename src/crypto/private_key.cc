#include <openssl/core_names.h>
#include <openssl/pkcs12.h>

#include "codec/der.h"
#include "codec/pem.h"
#include "crypto/detail/evp.h"
#include "crypto/detail/public_key_state.h"
#include "crypto/detail/spki.h"
#include "crypto/key.h"
#include "crypto/system_random.h"

namespace sallyport::crypto {
namespace {

namespace der = codec::der;

constexpr std::string_view kPlainLabel = "PRIVATE KEY";
constexpr std::string_view kEncryptedLabel = "ENCRYPTED PRIVATE KEY";
constexpr unsigned kRsaBits = 3072;
constexpr std::size_t kMaxSignature = kMaxRsaBits / 8;

// 128 × N × r = 16 MiB: OpenSSL refuses to derive with more than 32 MiB, and these files must open with its own tools.
struct ScryptCost {
  std::uint64_t n;
  std::uint64_t p;
};
constexpr ScryptCost kCostForPeople{.n = 1U << 15U, .p = 5};
constexpr ScryptCost kCostForRandom{.n = 1U << 10U, .p = 1};
constexpr std::uint64_t kScryptR = 4;
constexpr std::size_t kSaltSize = 16;

// PrivateKeyInfo := SEQUENCE { version, algorithm, OCTET STRING, … } (RFC 5958 §2). The rest is OpenSSL's to read.
Result<KeyType> parse_pkcs8_type(ByteView pkcs8) {
  TRY(der::Reader fields, der::enter_only(pkcs8, der::Tag::sequence, "private key"));
  TRY(const std::uint64_t version, fields.small_unsigned());
  if (version > 1) return failf(Errc::malformed, "private key: version {}, want 0 or 1", version);
  TRY(der::Reader algorithm, fields.sequence());
  return parse_key_algorithm(algorithm);
}

Result<PublicKey> public_key_of(EVP_PKEY* key) {
  unsigned char* encoded = nullptr;
  const int size = i2d_PUBKEY(key, &encoded);
  if (size <= 0) return fail(Errc::malformed, "private key: no public key");
  const Bytes spki(encoded, encoded + size);
  OPENSSL_free(encoded);
  return PublicKey::from_spki(spki);
}

bool is_pair(EVP_PKEY* key) {
  const OwnedPkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return context && EVP_PKEY_pairwise_check(context.get()) == 1;
}

SecretBytes encode_pkcs8(EVP_PKEY* key) {
  const OwnedPkcs8 info(EVP_PKEY2PKCS8(key));
  unsigned char* encoded = nullptr;
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &encoded) : 0;
  SALLYPORT_CHECK(size > 0);
  Bytes out(encoded, encoded + size);
  OPENSSL_clear_free(encoded, static_cast<std::size_t>(size));
  return SecretBytes(std::move(out));
}

SecretBytes secret_pem(std::string_view label, ByteView content) {
  std::string text = codec::encode_pem(label, content);
  SecretBytes out{std::string_view(text)};
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return out;
}

Result<SecretBytes> decrypt_pkcs8(ByteView encrypted, ByteView passphrase) {
  const ErrorQueueGuard guard;
  const unsigned char* at = encrypted.data();
  const OwnedEncryptedPkcs8 outer(d2i_X509_SIG(nullptr, &at, static_cast<long>(encrypted.size())));
  if (!outer || at != encrypted.data() + encrypted.size()) {
    return fail(Errc::malformed, "private key: no EncryptedPrivateKeyInfo");
  }
  const std::string_view text = as_text(passphrase);
  const OwnedPkcs8 inner(PKCS8_decrypt(outer.get(), text.data(), static_cast<int>(text.size())));
  if (!inner) return fail(Errc::unauthorized, "private key: wrong passphrase");
  unsigned char* encoded = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(inner.get(), &encoded);
  if (size <= 0) return fail(Errc::malformed, "private key: no PrivateKeyInfo inside");
  Bytes out(encoded, encoded + size);
  OPENSSL_clear_free(encoded, static_cast<std::size_t>(size));
  return SecretBytes(std::move(out));
}

Result<Bytes> sign_digest(const EVP_PKEY_CTX* prepared, ByteView digest) {
  const OwnedPkeyContext context(EVP_PKEY_CTX_dup(prepared));
  Bytes out(kMaxSignature);
  std::size_t size = out.size();
  if (!context || EVP_PKEY_sign(context.get(), out.data(), &size, digest.data(), digest.size()) != 1) {
    return fail(Errc::internal, "signature: OpenSSL could not sign");
  }
  out.resize(size);
  return out;
}

Result<Bytes> sign_message(EVP_PKEY* key, SignatureScheme scheme, ByteView message) {
  const OwnedDigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* inner = nullptr;  // owned by `context`
  Bytes out(kMaxSignature);
  std::size_t size = out.size();
  const bool good =
      context &&
      EVP_DigestSignInit_ex(context.get(), &inner, digest_name(scheme), nullptr, nullptr, key, nullptr) == 1 &&
      set_padding(inner, scheme) &&
      EVP_DigestSign(context.get(), out.data(), &size, message.data(), message.size()) == 1;
  if (!good) return fail(Errc::internal, "signature: OpenSSL could not sign");
  out.resize(size);
  return out;
}

}  // namespace

struct PrivateKey::State {
  State(OwnedPkey key, PublicKey public_key) : native(std::move(key)), pub(std::move(public_key)) {
    if (pub.type() != KeyType::p256 && pub.type() != KeyType::p384) return;
    sign_template.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, native.get(), nullptr));
    SALLYPORT_CHECK(sign_template && EVP_PKEY_sign_init(sign_template.get()) == 1);
  }

  OwnedPkey native;  // wiped by OpenSSL when the last owner ends
  PublicKey pub;
  OwnedPkeyContext sign_template;  // ECDSA: ready to be duplicated for each signature
};

PrivateKey::PrivateKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

PrivateKey PrivateKey::generate(KeyType type) {
  OwnedPkey key;
  switch (type) {
    case KeyType::p256:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
      break;
    case KeyType::p384:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
      break;
    case KeyType::ed25519:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
      break;
    case KeyType::rsa:
      key.reset(EVP_RSA_gen(kRsaBits));
      break;
  }
  SALLYPORT_CHECK(key != nullptr);
  auto pub = public_key_of(key.get());
  SALLYPORT_CHECK(pub.has_value());
  return PrivateKey(std::make_unique<State>(std::move(key), *std::move(pub)));
}

Result<PrivateKey> PrivateKey::from_pkcs8(ByteView der) {
  const ErrorQueueGuard guard;
  TRY(const KeyType type, parse_pkcs8_type(der));
  const unsigned char* at = der.data();
  const OwnedPkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (!info || at != der.data() + der.size()) return fail(Errc::malformed, "private key: no PrivateKeyInfo");
  OwnedPkey key(EVP_PKCS82PKEY(info.get()));
  if (!key) return fail(Errc::malformed, "private key: OpenSSL refuses it");
  if (EVP_PKEY_is_a(key.get(), "EC") == 1) {
    EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed");
  }
  TRY(PublicKey pub, public_key_of(key.get()));
  if (pub.type() != type) return fail(Errc::malformed, "private key: of another type than its algorithm");
  if (!is_pair(key.get())) return fail(Errc::malformed, "private key: does not fit its public key");
  return PrivateKey(std::make_unique<State>(std::move(key), std::move(pub)));
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem, ByteView passphrase) {
  TRY(auto blocks, codec::parse_pem(pem));
  if (blocks.size() != 1) return failf(Errc::malformed, "private key: {} PEM blocks, want one", blocks.size());
  const SecretBytes content(std::move(blocks[0].content));
  if (blocks[0].label == kPlainLabel) return from_pkcs8(content.expose());
  if (blocks[0].label != kEncryptedLabel) return fail(Errc::malformed, "private key: PEM block of something else");
  TRY(const SecretBytes plain, decrypt_pkcs8(content.expose(), passphrase));
  return from_pkcs8(plain.expose());
}

const PublicKey& PrivateKey::public_key() const {
  return state_->pub;
}
SignatureScheme PrivateKey::scheme() const {
  return default_scheme(state_->pub.type());
}

Result<Bytes> PrivateKey::sign(ByteView message) {
  const ErrorQueueGuard guard;
  if (state_->sign_template) return sign_digest(state_->sign_template.get(), digest_for(scheme(), message));
  return sign_message(state_->native.get(), scheme(), message);
}

SecretBytes PrivateKey::to_pem() const {
  return secret_pem(kPlainLabel, encode_pkcs8(state_->native.get()).expose());
}

SecretBytes PrivateKey::to_encrypted_pem(ByteView passphrase, PassphraseOrigin origin) const {
  SystemRandom random;
  Bytes salt = random.bytes(kSaltSize);
  OwnedPkcs8 info(EVP_PKEY2PKCS8(state_->native.get()));
  const ScryptCost cost = origin == PassphraseOrigin::person ? kCostForPeople : kCostForRandom;
  X509_ALGOR* const algorithm = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt.data(), static_cast<int>(salt.size()),
                                                      nullptr, cost.n, kScryptR, cost.p);
  SALLYPORT_CHECK(info != nullptr && algorithm != nullptr);
  const std::string_view text = as_text(passphrase);
  // Takes `algorithm`.
  const OwnedEncryptedPkcs8 outer(PKCS8_set0_pbe(text.data(), static_cast<int>(text.size()), info.get(), algorithm));
  unsigned char* encoded = nullptr;
  const int size = outer ? i2d_X509_SIG(outer.get(), &encoded) : 0;
  SALLYPORT_CHECK(size > 0);
  const Bytes der(encoded, encoded + size);
  OPENSSL_free(encoded);
  return secret_pem(kEncryptedLabel, der);
}

PrivateKey PrivateKey::clone() const {
  SALLYPORT_CHECK(EVP_PKEY_up_ref(state_->native.get()) == 1);
  return PrivateKey(std::make_unique<State>(OwnedPkey(state_->native.get()), state_->pub));
}

evp_pkey_st* PrivateKey::native() const {
  return state_->native.get();
}

}  // namespace sallyport::crypto
