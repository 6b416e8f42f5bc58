#include "crypto/aead.h"

#include "crypto/detail/evp.h"

namespace sallyport::crypto {
namespace {

const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  SALLYPORT_CHECK(fetched != nullptr);
  return fetched;
}

OwnedCipherContext begin(const AeadKey& key, const AeadNonce& nonce, ByteView associated, bool seals) {
  OwnedCipherContext context(EVP_CIPHER_CTX_new());
  SALLYPORT_CHECK(context != nullptr);
  SALLYPORT_CHECK(
      EVP_CipherInit_ex2(context.get(), aes_256_gcm(), key.expose().data(), nonce.data(), seals ? 1 : 0, nullptr) == 1);
  int taken = 0;
  SALLYPORT_CHECK(associated.empty() || EVP_CipherUpdate(context.get(), nullptr, &taken, associated.data(),
                                                         static_cast<int>(associated.size())) == 1);
  return context;
}

}  // namespace

Bytes aead_seal(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView plaintext) {
  const auto context = begin(key, nonce, associated, true);
  Bytes out(plaintext.size() + kAeadTagBytes);
  int written = 0;
  int rest = 0;
  SALLYPORT_CHECK(plaintext.empty() || EVP_CipherUpdate(context.get(), out.data(), &written, plaintext.data(),
                                                        static_cast<int>(plaintext.size())) == 1);
  SALLYPORT_CHECK(EVP_CipherFinal_ex(context.get(), out.data() + written, &rest) == 1);
  SALLYPORT_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kAeadTagBytes),
                                      out.data() + plaintext.size()) == 1);
  return out;
}

Result<SecretBytes> aead_open(const AeadKey& key, const AeadNonce& nonce, ByteView associated, ByteView sealed) {
  if (sealed.size() < kAeadTagBytes) return fail(Errc::unauthorized, "sealed message: shorter than its tag");
  const ErrorQueueGuard guard;
  const auto context = begin(key, nonce, associated, false);
  const ByteView ciphertext = sealed.first(sealed.size() - kAeadTagBytes);
  std::array<std::uint8_t, kAeadTagBytes> tag{};
  std::ranges::copy(sealed.last(kAeadTagBytes), tag.begin());
  Bytes out(ciphertext.size());
  int written = 0;
  int rest = 0;
  SALLYPORT_CHECK(ciphertext.empty() || EVP_CipherUpdate(context.get(), out.data(), &written, ciphertext.data(),
                                                         static_cast<int>(ciphertext.size())) == 1);
  SALLYPORT_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()) ==
                  1);
  SecretBytes opened(std::move(out));
  if (EVP_CipherFinal_ex(context.get(), nullptr, &rest) != 1)
    return fail(Errc::unauthorized, "sealed message: not what was sealed under this key");
  return opened;
}

}  // namespace sallyport::crypto
