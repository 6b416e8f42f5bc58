#include "crypto/aead_cipher.h"

#include "crypto/detail/evp.h"

namespace sallyport::crypto {
namespace {

const EVP_CIPHER* fetch_cipher(const char* name) {
  const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, name, nullptr);
  SALLYPORT_CHECK(fetched != nullptr);
  return fetched;
}

const EVP_CIPHER* kept_gcm() {
  static const EVP_CIPHER* const fetched = fetch_cipher("AES-256-GCM");
  return fetched;
}

const EVP_CIPHER* kept_ecb() {
  static const EVP_CIPHER* const fetched = fetch_cipher("AES-256-ECB");
  return fetched;
}

CipherContext keyed_context(const EVP_CIPHER* cipher, std::span<const std::uint8_t> key, bool seals) {
  CipherContext context(EVP_CIPHER_CTX_new());
  SALLYPORT_CHECK(context != nullptr &&
                  EVP_CipherInit_ex2(context.get(), cipher, key.data(), nullptr, seals ? 1 : 0, nullptr) == 1);
  return context;
}

void update(EVP_CIPHER_CTX* context, std::uint8_t* out, ByteView bytes) {
  int written = 0;
  SALLYPORT_CHECK(bytes.empty() ||
                  EVP_CipherUpdate(context, out, &written, bytes.data(), static_cast<int>(bytes.size())) == 1);
}

void begin_message(EVP_CIPHER_CTX* context, const AeadNonce& nonce, ByteView associated) {
  SALLYPORT_CHECK(EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), -1, nullptr) == 1);
  update(context, nullptr, associated);
}

}  // namespace

void FreeCipherContext::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}

AeadSealer::AeadSealer(const AeadKey& key) : context_(keyed_context(kept_gcm(), key.expose(), true)) {}

void AeadSealer::seal(const AeadNonce& nonce, ByteView associated, ByteView plaintext, std::span<std::uint8_t> out) {
  SALLYPORT_CHECK(out.size() == plaintext.size() + kAeadTagBytes);
  begin_message(context_.get(), nonce, associated);
  update(context_.get(), out.data(), plaintext);
  int rest = 0;
  std::uint8_t* const end = out.data() + plaintext.size();
  SALLYPORT_CHECK(EVP_CipherFinal_ex(context_.get(), end, &rest) == 1);
  SALLYPORT_CHECK(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kAeadTagBytes), end) ==
                  1);
}

AeadOpener::AeadOpener(const AeadKey& key) : context_(keyed_context(kept_gcm(), key.expose(), false)) {}

bool AeadOpener::open(const AeadNonce& nonce, ByteView associated, ByteView sealed, std::span<std::uint8_t> out) {
  if (sealed.size() < kAeadTagBytes) return false;
  SALLYPORT_CHECK(out.size() + kAeadTagBytes == sealed.size());
  begin_message(context_.get(), nonce, associated);
  update(context_.get(), out.data(), sealed.first(out.size()));
  std::array<std::uint8_t, kAeadTagBytes> tag;
  std::ranges::copy(sealed.last(kAeadTagBytes), tag.begin());
  SALLYPORT_CHECK(
      EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1);
  int rest = 0;
  if (EVP_CipherFinal_ex(context_.get(), nullptr, &rest) == 1) return true;
  wipe(out);
  ERR_clear_error();
  return false;
}

BlockPrf::BlockPrf(const Secret<32>& key) : context_(keyed_context(kept_ecb(), key.expose(), true)) {
  SALLYPORT_CHECK(EVP_CIPHER_CTX_set_padding(context_.get(), 0) == 1);
}

void BlockPrf::apply(std::span<std::uint8_t> blocks) {
  SALLYPORT_CHECK(blocks.size() % kBlockBytes == 0);
  update(context_.get(), blocks.data(), blocks);
}

}  // namespace sallyport::crypto
