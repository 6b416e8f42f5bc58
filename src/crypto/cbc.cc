#include "crypto/cbc.h"

#include "crypto/detail/evp.h"
#include "crypto/hash.h"

namespace sallyport::crypto {
namespace {

const EVP_CIPHER* fetch_cbc(const char* name) {
  const EVP_CIPHER* const out = EVP_CIPHER_fetch(nullptr, name, nullptr);
  SALLYPORT_CHECK(out != nullptr);
  return out;
}

const EVP_CIPHER* aes_cbc(const SecretBytes& key) {
  static const EVP_CIPHER* const with_128 = fetch_cbc("AES-128-CBC");
  static const EVP_CIPHER* const with_256 = fetch_cbc("AES-256-CBC");
  SALLYPORT_CHECK(key.size() == 16 || key.size() == 32);
  return key.size() == 16 ? with_128 : with_256;
}

// The padding is OpenSSL's: put on, and on the way back checked whole.
OwnedCipherContext begin_cbc(const SecretBytes& key, ByteView iv, bool seals) {
  OwnedCipherContext context(EVP_CIPHER_CTX_new());
  SALLYPORT_CHECK(context && EVP_CipherInit_ex2(context.get(), aes_cbc(key), key.expose().data(), iv.data(),
                                                seals ? 1 : 0, nullptr) == 1);
  return context;
}

Sha256Digest tag_of(const CbcKeys& keys, ByteView header, ByteView message) {
  if (header.empty()) return hmac_sha256(keys.mac.expose(), message);
  Bytes whole = to_bytes(header);
  append(whole, message);
  return hmac_sha256(keys.mac.expose(), whole);
}

std::unexpected<Error> refused_block() {
  return fail(Errc::unauthorized, "cbc message: not what was sealed under this key");
}

}  // namespace

Bytes cbc_seal(const CbcKeys& keys, ByteView header, const CbcIv& iv, ByteView plaintext) {
  const auto context = begin_cbc(keys.cipher, iv, true);
  const std::size_t padded = (plaintext.size() / kCbcBlockBytes + 1) * kCbcBlockBytes;
  Bytes out = to_bytes(ByteView(iv));
  out.resize(iv.size() + padded);
  int written = 0;
  int rest = 0;
  SALLYPORT_CHECK(plaintext.empty() || EVP_CipherUpdate(context.get(), out.data() + iv.size(), &written,
                                                        plaintext.data(), static_cast<int>(plaintext.size())) == 1);
  SALLYPORT_CHECK(EVP_CipherFinal_ex(context.get(), out.data() + iv.size() + written, &rest) == 1 &&
                  static_cast<std::size_t>(written) + static_cast<std::size_t>(rest) == padded);
  append(out, tag_of(keys, header, out));
  return out;
}

Result<SecretBytes> cbc_open(const CbcKeys& keys, ByteView header, ByteView sealed) {
  if (sealed.size() < kCbcLeastBytes || sealed.size() % kCbcBlockBytes != 0) return refused_block();
  const ByteView message = sealed.first(sealed.size() - kCbcTagBytes);
  if (!equal_constant_time(tag_of(keys, header, message), sealed.last(kCbcTagBytes))) return refused_block();
  const ErrorQueueGuard guard;
  const auto context = begin_cbc(keys.cipher, message.first(kCbcBlockBytes), false);
  const ByteView ciphertext = message.subspan(kCbcBlockBytes);
  Bytes out(ciphertext.size() + kCbcBlockBytes);
  int written = 0;
  int rest = 0;
  SALLYPORT_CHECK(EVP_CipherUpdate(context.get(), out.data(), &written, ciphertext.data(),
                                   static_cast<int>(ciphertext.size())) == 1);
  const bool padding_is_right = EVP_CipherFinal_ex(context.get(), out.data() + written, &rest) == 1;
  const auto size = static_cast<std::size_t>(written) + static_cast<std::size_t>(rest);
  wipe(std::span(out).subspan(padding_is_right ? size : 0));
  if (!padding_is_right) return refused_block();
  out.resize(size);
  return SecretBytes(std::move(out));
}

}  // namespace sallyport::crypto
