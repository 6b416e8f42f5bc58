#include "crypto/hash.h"

#include <openssl/core_names.h>

#include "crypto/detail/evp.h"

namespace sallyport::crypto {
namespace {

constexpr std::size_t kMaxHkdfInfo = 1024;  // OpenSSL 3.0: HKDF_MAXBUF

const EVP_MD* fetch_digest(const char* name) {
  const EVP_MD* const out = EVP_MD_fetch(nullptr, name, nullptr);
  SALLYPORT_CHECK(out != nullptr);
  return out;
}

template <std::size_t N>
std::array<std::uint8_t, N> digest_of(const EVP_MD* algorithm, ByteView bytes) {
  thread_local const OwnedDigestContext context(EVP_MD_CTX_new());
  std::array<std::uint8_t, N> out;
  unsigned size = 0;
  SALLYPORT_CHECK(EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1 &&
                  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
                  EVP_DigestFinal_ex(context.get(), out.data(), &size) == 1 && size == N);
  return out;
}

OSSL_PARAM text_parameter(const char* name, std::string& text) {
  return OSSL_PARAM_construct_utf8_string(name, text.data(), text.size());
}

// A context whose digest is already found; each computation duplicates it and so leaves no key behind.
const EVP_MAC_CTX* hmac_sha256_template() {
  static const EVP_MAC_CTX* const context = [] {
    EVP_MAC* const mac = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
    EVP_MAC_CTX* const out = EVP_MAC_CTX_new(mac);
    std::string digest = "SHA256";
    const std::array parameters = {text_parameter(OSSL_MAC_PARAM_DIGEST, digest), OSSL_PARAM_construct_end()};
    constexpr std::array<std::uint8_t, 32> kNoKey{};
    SALLYPORT_CHECK(out != nullptr && EVP_MAC_init(out, kNoKey.data(), kNoKey.size(), parameters.data()) == 1);
    return out;
  }();
  return context;
}

}  // namespace

const EVP_MD* sha1_algorithm() {
  static const EVP_MD* const algorithm = fetch_digest("SHA1");
  return algorithm;
}

const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = fetch_digest("SHA256");
  return algorithm;
}

const EVP_MD* sha384_algorithm() {
  static const EVP_MD* const algorithm = fetch_digest("SHA384");
  return algorithm;
}

const EVP_MD* sha512_algorithm() {
  static const EVP_MD* const algorithm = fetch_digest("SHA512");
  return algorithm;
}

Sha256Digest sha256(ByteView bytes) {
  return digest_of<32>(sha256_algorithm(), bytes);
}

Sha512Digest sha512(ByteView bytes) {
  return digest_of<64>(sha512_algorithm(), bytes);
}

Sha1Digest sha1(ByteView bytes) {
  return digest_of<20>(sha1_algorithm(), bytes);
}

Sha256Digest sha512_256(ByteView bytes) {
  static const EVP_MD* const algorithm = fetch_digest("SHA512-256");
  return digest_of<32>(algorithm, bytes);
}

Result<Md5Digest> md5(ByteView bytes) {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", nullptr);
  if (algorithm == nullptr) return fail(Errc::unavailable, "md5: this system has none");
  return digest_of<16>(algorithm, bytes);
}

struct Sha256::State {
  OwnedDigestContext context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  SALLYPORT_CHECK(EVP_DigestInit_ex2(state_->context.get(), sha256_algorithm(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(ByteView bytes) {
  SALLYPORT_CHECK(state_ && EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
  return *this;
}

Sha256Digest Sha256::digest() && {
  SALLYPORT_CHECK(state_ != nullptr);
  const auto state = std::move(state_);
  Sha256Digest out;
  SALLYPORT_CHECK(EVP_DigestFinal_ex(state->context.get(), out.data(), nullptr) == 1);
  return out;
}

Sha256Digest hmac_sha256(ByteView key, ByteView message) {
  const OwnedMacContext context(EVP_MAC_CTX_dup(hmac_sha256_template()));
  // A null key would mean "the key of before".
  constexpr std::uint8_t kEmpty = 0;
  const std::uint8_t* const key_bytes = key.empty() ? &kEmpty : key.data();
  Sha256Digest out;
  std::size_t size = 0;
  SALLYPORT_CHECK(context && EVP_MAC_init(context.get(), key_bytes, key.size(), nullptr) == 1 &&
                  EVP_MAC_update(context.get(), message.data(), message.size()) == 1 &&
                  EVP_MAC_final(context.get(), out.data(), &size, out.size()) == 1 && size == out.size());
  return out;
}

SecretBytes hkdf_sha256(ByteView secret, ByteView salt, ByteView info, std::size_t length) {
  constexpr std::size_t kMaxLength = 255 * std::tuple_size_v<Sha256Digest>;
  SALLYPORT_CHECK(!secret.empty() && info.size() <= kMaxHkdfInfo && length > 0 && length <= kMaxLength);
  static EVP_KDF* const algorithm = EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_HKDF, nullptr);
  const OwnedKdfContext context(EVP_KDF_CTX_new(algorithm));
  std::string digest = "SHA256";
  std::vector<OSSL_PARAM> parameters = {text_parameter(OSSL_KDF_PARAM_DIGEST, digest),
                                        bytes_parameter(OSSL_KDF_PARAM_KEY, secret)};
  // OpenSSL refuses a null pointer even for no bytes; absent means empty (RFC 5869 §2.2).
  if (!salt.empty()) parameters.push_back(bytes_parameter(OSSL_KDF_PARAM_SALT, salt));
  if (!info.empty()) parameters.push_back(bytes_parameter(OSSL_KDF_PARAM_INFO, info));
  parameters.push_back(OSSL_PARAM_construct_end());
  Bytes out(length);
  SALLYPORT_CHECK(context && EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) == 1);
  return SecretBytes(std::move(out));
}

}  // namespace sallyport::crypto
