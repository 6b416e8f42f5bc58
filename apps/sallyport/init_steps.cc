#include "init_steps.h"

#include <algorithm>

#include "authority/control_certificates.h"
#include "codec/pem.h"
#include "console/password.h"
#include "folders.h"
#include "keystore/file.h"
#include "pki/csr.h"
#include "pki/profile.h"
#include "records/user_record.h"

namespace sallyport::cli {

Result<crypto::PrivateKey> settle_key(const keystore::MachineSecret& secret, const std::filesystem::path& path,
                                      crypto::KeyType type) {
  auto key = secret.read_key(path);
  if (key || key.error().code != Errc::not_found) return key;
  auto made = crypto::PrivateKey::generate(type);
  TRY_VOID(secret.write_key(path, made));
  return made;
}

std::string encode_request_facts(const Settings& settings) {
  return fmt::format(
      "installation = \"{}\"\nzone = \"{}\"\nconsole_name = \"{}\"\ncrl_url = \"http://status.{}/crl/root.crl\"\n",
      settings.name, settings.zone.get(), settings.console_name.get(), settings.zone.get());
}

Result<void> write_ca_request(const std::filesystem::path& path, crypto::PrivateKey& key, const std::string& ca) {
  TRY(const auto subject, pki::DistinguishedName::of(ca, "Sallyport"));
  TRY(const auto csr, pki::build_csr(key, subject));
  return keystore::atomic_write_file(path, as_bytes(codec::encode_pem("CERTIFICATE REQUEST", csr)),
                                     keystore::kPublicMode);
}

namespace {

bool is_same_installation(const Settings& a, const Settings& b) {
  return a.name == b.name && a.zone == b.zone && a.console_name == b.console_name && a.public_port == b.public_port;
}

// The certificate that an earlier run had this control-ca issue for this key, if it came so far.
Result<std::optional<pki::Certificate>> find_issued(records::RecordDatabase& database, const crypto::PublicKey& key,
                                                    const pki::Certificate& control_ca) {
  std::optional<records::CertificateRecord> record;
  TRY_VOID(database.read([&](records::Records& records) -> Result<void> {
    TRY(record, records.certificates().find_by_spki(records::CertificateKind::control, crypto::sha256(key.spki())));
    return {};
  }));
  if (!record || record->der.empty()) return std::nullopt;
  TRY(auto certificate, pki::parse_certificate(record->der));
  if (certificate.extensions().authority_key_id != control_ca.extensions().subject_key_id) return std::nullopt;
  return certificate;
}

}  // namespace

Result<void> settle_settings(const InstallationPaths& paths, const Settings& settings) {
  auto written = keystore::create_file(paths.settings(), as_bytes(encode_settings(settings)), keystore::kPublicMode);
  if (written || written.error().code != Errc::conflict) return written;
  TRY(const auto found, load_settings(paths.settings()));
  if (is_same_installation(found, settings)) return {};
  return failf(Errc::conflict, "{}: found another installation ('{}', zone {}), want a state folder of its own",
               paths.settings().string(), found.name, found.zone.get());
}

Result<void> settle_keys(const InstallationPaths& paths, const Settings& settings, Random& random) {
  TRY(const auto secret, keystore::MachineSecret::open_or_create(paths.secret(), random));
  for (const auto& folder : {paths.signer_keys(), paths.trust(), paths.to_root(), paths.from_root()})
    TRY_VOID(make_folder(folder));
  for (const auto& ca : online_cas()) {
    TRY(auto key, settle_key(secret, paths.signer_keys() / (ca + ".key")));
    TRY_VOID(write_ca_request(paths.to_root() / (ca + ".csr"), key, ca));
  }
  for (const auto kind : signer::kControlKinds) {
    TRY(const auto key,
        settle_key(secret, signer::control_file(paths.key_folders(), kind, ".key"), signer::control_key_type(kind)));
  }
  return keystore::atomic_write_file(paths.to_root() / "request.toml", as_bytes(encode_request_facts(settings)),
                                     keystore::kPublicMode);
}

bool has_root_answer(const InstallationPaths& paths) {
  const auto folder = paths.from_root();
  const auto cas = online_cas();
  return std::filesystem::exists(folder / "root.pem") && std::filesystem::exists(folder / "root.crl") &&
         std::ranges::all_of(cas,
                             [&](const std::string& ca) { return std::filesystem::exists(folder / (ca + ".pem")); });
}

Result<void> settle_control_certificates(const InstallationPaths& paths, OfflineAuthority& authority) {
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  TRY(const auto control_ca, read_certificate(paths.trust() / "control-ca.pem"));
  for (const auto kind : signer::kControlKinds) {
    const auto file = signer::control_file(paths.key_folders(), kind, ".pem");
    const auto present = read_certificate(file);
    if (!present && present.error().code != Errc::not_found) return std::unexpected(present.error());
    if (present && present->extensions().authority_key_id == control_ca.extensions().subject_key_id) continue;
    TRY(const auto key, secret.read_key(signer::control_file(paths.key_folders(), kind, ".key")));
    TRY(auto certificate, find_issued(authority.database(), key.public_key(), control_ca));
    if (!certificate) {
      TRY(certificate, authority.issue(authority::control_certificate_order(kind, key.public_key())));
    }
    TRY_VOID(write_certificate(file, *certificate));
  }
  return {};
}

Result<bool> settle_first_owner(OfflineAuthority& authority, const std::string& login, ByteView password,
                                Random& random) {
  bool is_first = false;
  TRY_VOID(authority.database().read([&](records::Records& records) -> Result<void> {
    TRY(const auto users, records.users().list());
    is_first = users.empty();
    return {};
  }));
  if (!is_first) return false;
  TRY(const auto hash, console::hash_password(password, random));
  const codec::Json parameters(codec::Json::Object{
      {"login", login}, {"role", records::to_string(records::UserRole::owner)}, {"password_hash", hash}});
  TRY(const auto added, authority.administer({.method = "user.add",
                                              .actor = "cli:init",
                                              .role = records::UserRole::owner,
                                              .source = "cli",
                                              .request_id = "init",
                                              .parameters = parameters.write()}));
  return true;
}

}  // namespace sallyport::cli
