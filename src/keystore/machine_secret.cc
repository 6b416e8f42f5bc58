#include "keystore/machine_secret.h"

namespace sallyport::keystore {

Result<MachineSecret> MachineSecret::open(const std::filesystem::path& path) {
  TRY(auto bytes, read_secret_file(path, 32));
  auto secret = Secret<32>::from(bytes.expose());
  if (!secret) return failf(Errc::malformed, "{}: {} bytes, want a machine secret of 32", path.native(), bytes.size());
  return MachineSecret(std::move(*secret));
}

Result<MachineSecret> MachineSecret::create(const std::filesystem::path& path, Random& random) {
  const SecretBytes drawn(random.bytes(32));
  TRY_VOID(create_file(path, drawn.expose(), kSecretMode));
  return open(path);
}

Result<MachineSecret> MachineSecret::open_or_create(const std::filesystem::path& path, Random& random) {
  auto existing = open(path);
  if (existing || existing.error().code != Errc::not_found) return existing;
  auto created = create(path, random);
  // Another process may have made it in between.
  if (!created && created.error().code == Errc::conflict) return open(path);
  return created;
}

SecretBytes MachineSecret::passphrase() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  Bytes hex;
  hex.reserve(64);
  for (const std::uint8_t byte : secret_.expose()) {
    hex.push_back(static_cast<std::uint8_t>(kDigits[byte >> 4U]));
    hex.push_back(static_cast<std::uint8_t>(kDigits[byte & 0x0FU]));
  }
  return SecretBytes(std::move(hex));
}

Result<crypto::PrivateKey> MachineSecret::read_key(const std::filesystem::path& path) const {
  auto key = read_private_key_file(path, passphrase().expose());
  if (key || key.error().code != Errc::unauthorized) return key;
  Error error = std::move(key).error();
  if (error.detail.ends_with("wrong passphrase for the key"))
    error.detail = fmt::format(
        "{}: not encrypted under this machine's secret; was the state moved from another machine?", path.native());
  return std::unexpected(std::move(error));
}

Result<void> MachineSecret::write_key(const std::filesystem::path& path, const crypto::PrivateKey& key,
                                      Replace replace) const {
  return write_private_key_file(path, key, passphrase().expose(), replace, crypto::PassphraseOrigin::random);
}

}  // namespace sallyport::keystore
