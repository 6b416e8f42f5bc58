#include <string>

#include "codec/pem.h"
#include "config/document.h"
#include "factory/station.h"
#include "keystore/file.h"
#include "keystore/pkcs11.h"
#include "pki/profile.h"

namespace sallyport::factory {
namespace {

std::string names_toml(const NewStation& station) {
  return fmt::format("site = \"{}\"\nzone = \"{}\"\n", station.site.get(), station.zone.get());
}

// What the root is asked, and where the key is.
std::string configuration_toml(const NewStation& station) {
  if (!station.key) return names_toml(station);
  return fmt::format("{}key = \"{}\"\n", names_toml(station), *station.key);
}

// Writes the configuration, or checks that the one from an earlier run says the same.
Result<void> settle_names(const keystore::StateFolder& folder, const NewStation& station) {
  const auto path = folder.file("factory.toml");
  const std::string wanted = configuration_toml(station);
  auto written = keystore::create_file(path, as_bytes(wanted), keystore::kPublicMode);
  if (written || written.error().code != Errc::conflict) return written;
  TRY(const auto found, keystore::read_file(path, config::kMaxDocumentBytes));
  if (as_text(found) == wanted) return {};
  return failf(Errc::conflict, "{}: found a station of another site, zone or key, want one folder per site",
               path.string());
}

Result<std::unique_ptr<crypto::SigningKey>> settle_key_in_token(const std::string& place) {
  TRY(const auto uri, keystore::parse_pkcs11_uri(place));
  auto key = keystore::Pkcs11Key::open(uri);
  if (!key && key.error().code == Errc::not_found) key = keystore::Pkcs11Key::generate(uri);
  if (!key) return std::unexpected(std::move(key).error());
  return *std::move(key);
}

Result<std::unique_ptr<crypto::SigningKey>> settle_key(const keystore::StateFolder& folder, const NewStation& station,
                                                       Random& random) {
  if (station.key) return settle_key_in_token(*station.key);
  TRY(const auto secret, keystore::MachineSecret::open_or_create(folder.file("secret"), random));
  auto key = secret.read_key(folder.file("ca.key"));
  if (key) return std::make_unique<crypto::PrivateKey>(*std::move(key));
  if (key.error().code != Errc::not_found) return std::unexpected(std::move(key).error());
  auto made = std::make_unique<crypto::PrivateKey>(crypto::PrivateKey::generate());
  TRY_VOID(secret.write_key(folder.file("ca.key"), *made));
  return made;
}

}  // namespace

Result<void> initialise_station(const keystore::StateFolder& folder, const NewStation& station, Random& random) {
  if (station.key) TRY_VOID(keystore::parse_pkcs11_uri(*station.key));
  TRY_VOID(settle_names(folder, station));
  TRY(const auto key, settle_key(folder, station, random));
  TRY(const auto subject, pki::DistinguishedName::of(station.site.get(), "Sallyport local-ca"));
  TRY(const auto csr, pki::build_csr(*key, subject));
  const std::string pem = codec::encode_pem("CERTIFICATE REQUEST", csr);
  const auto to_root = folder.file("to-root");
  TRY_VOID(keystore::make_folders(to_root, keystore::kPublicFolderMode));
  TRY_VOID(keystore::atomic_write_file(to_root / "request.toml", as_bytes(names_toml(station)), keystore::kPublicMode));
  return keystore::atomic_write_file(to_root / fmt::format("local-ca-{}.csr", station.site.get()), as_bytes(pem),
                                     keystore::kPublicMode);
}

}  // namespace sallyport::factory
