#include "keystore/key_file.h"

namespace sallyport::keystore {
namespace {

constexpr std::string_view kEncryptedLabel = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

}  // namespace

Result<crypto::PrivateKey> read_private_key_file(const std::filesystem::path& path, ByteView passphrase) {
  TRY(auto pem, read_secret_file(path, kMaxKeyFile));
  const bool encrypted = as_text(pem.expose()).find(kEncryptedLabel) != std::string_view::npos;
  if (encrypted && passphrase.empty())
    return failf(Errc::unauthorized, "{}: the key is encrypted and no passphrase was given", path.native());
  auto key = crypto::PrivateKey::from_pem(as_text(pem.expose()), passphrase);
  if (key) return key;
  if (encrypted && key.error().code == Errc::unauthorized)
    return failf(Errc::unauthorized, "{}: wrong passphrase for the key", path.native());
  return std::unexpected(std::move(key).error().at(path.native()));
}

Result<void> write_private_key_file(const std::filesystem::path& path, const crypto::PrivateKey& key,
                                    ByteView passphrase, Replace replace, crypto::PassphraseOrigin origin) {
  const SecretBytes pem = passphrase.empty() ? key.to_pem() : key.to_encrypted_pem(passphrase, origin);
  return replace == Replace::always ? atomic_write_file(path, pem.expose(), kSecretMode)
                                    : create_file(path, pem.expose(), kSecretMode);
}

}  // namespace sallyport::keystore
