#include "crypto/password.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include <string>

#include "crypto/detail/evp.h"

namespace sallyport::crypto {
namespace {

constexpr std::size_t kLeastSalt = 16;

EVP_KDF* pbkdf2_algorithm() {
  static EVP_KDF* const algorithm = EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_PBKDF2, nullptr);
  SALLYPORT_CHECK(algorithm != nullptr);
  return algorithm;
}

}  // namespace

SecretBytes pbkdf2_sha256(ByteView password, ByteView salt, std::uint32_t iterations, std::size_t length) {
  SALLYPORT_CHECK(iterations > 0 && length > 0 && salt.size() >= kLeastSalt);
  const OwnedKdfContext context(EVP_KDF_CTX_new(pbkdf2_algorithm()));
  std::string digest = "SHA256";
  std::uint64_t rounds = iterations;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), digest.size()),
      bytes_parameter(OSSL_KDF_PARAM_PASSWORD, password),
      bytes_parameter(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &rounds),
      OSSL_PARAM_construct_end(),
  };
  Bytes out(length);
  SALLYPORT_CHECK(context != nullptr && EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) == 1);
  return SecretBytes(std::move(out));
}

}  // namespace sallyport::crypto
