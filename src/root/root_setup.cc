#include <algorithm>
#include <array>

#include "codec/pem.h"
#include "codec/text.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "root/root.h"

namespace sallyport::root {
namespace {

constexpr std::size_t kMaxName = 40;

Result<void> check_name(std::string_view name) {
  const bool printable =
      std::ranges::all_of(name, [](char c) { return c >= ' ' && c != '"' && c != '\\' && c != 0x7F; });
  if (name.empty() || name.size() > kMaxName || !printable) {
    return failf(Errc::malformed, "name: want 1 to {} characters without quotes, backslashes and control characters",
                 kMaxName);
  }
  return {};
}

// A brought root need not follow our profile; it must be able to do a root's work.
Result<void> check_brought(const BroughtRoot& brought, UnixTime now) {
  const auto& certificate = brought.certificate;
  const auto& extensions = certificate.extensions();
  const auto refuse = [](std::string_view what) {
    return failf(Errc::unauthorized, "root certificate: found {}", what);
  };
  if (!(brought.key.public_key() == certificate.public_key()))
    return refuse("another key than the one brought with it");
  if (!certificate.is_self_issued()) return refuse("an issuer that is not its subject, want a self-signed root");
  if (!certificate.public_key().verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature())) {
    return refuse("a signature that is not its own key's");
  }
  if (!extensions.is_ca() || !extensions.allows_use(pki::kKeyCertSign) || !extensions.allows_use(pki::kCrlSign)) {
    return refuse("no CA that may sign certificates and CRLs");
  }
  if (extensions.basic_constraints->path_length == 0U) return refuse("path length 0, want room for one CA below");
  if (!extensions.subject_key_id) return refuse("no subject key identifier");
  if (now < certificate.validity().not_before || now >= certificate.validity().not_after)
    return refuse("no validity now");
  return {};
}

Result<pki::Certificate> make_root(std::string_view name, crypto::PrivateKey& key, const crypto::PublicKey& next_key,
                                   UnixTime now, Random& random) {
  const auto& profile = pki::profile(pki::ProfileId::root);
  const pki::CertificateFields fields{.common_name = pki::ca_common_name("root", name),
                                      .public_key = key.public_key(),
                                      .validity = pki::choose_validity(profile, nullptr, now, profile.longest),
                                      .serial = pki::SerialNumber::draw(random),
                                      .next_root_key = crypto::sha256(next_key.spki())};
  TRY(auto linted, pki::prepare_self_signed(profile, fields, now));
  return pki::issue(std::move(linted), key);
}

// Makes the next root's key beside this one's and writes both halves.
Result<crypto::PublicKey> make_next_key(const keystore::StateFolder& folder, ByteView passphrase) {
  const auto next = crypto::PrivateKey::generate();
  TRY_VOID(keystore::write_private_key_file(folder.file("next-root.key"), next, passphrase, keystore::Replace::always));
  TRY_VOID(keystore::atomic_write_file(folder.file("next-root.pem"),
                                       as_bytes(codec::encode_pem("PUBLIC KEY", next.public_key().spki())),
                                       keystore::kPublicMode));
  return next.public_key();
}

Result<BroughtRoot> settle_root(const keystore::StateFolder& folder, NewRoot& root, UnixTime now, Random& random) {
  if (root.brought) {
    TRY_VOID(check_brought(*root.brought, now));
    return *std::move(root.brought);
  }
  TRY(const auto next_key, make_next_key(folder, root.passphrase.expose()));
  auto key = crypto::PrivateKey::generate();
  TRY(auto certificate, make_root(root.name, key, next_key, now, random));
  return BroughtRoot{std::move(key), std::move(certificate)};
}

}  // namespace

Result<void> initialise_root(const keystore::StateFolder& folder, NewRoot root, const Clock& clock, Random& random) {
  if (std::filesystem::exists(folder.file("root.toml"))) {
    return failf(Errc::conflict, "{}: holds a root already", folder.path().string());
  }
  TRY_VOID(check_name(root.name));
  if (root.passphrase.size() < kMinPassphrase) {
    return failf(Errc::unauthorized, "passphrase: found {} characters, want at least {}", root.passphrase.size(),
                 kMinPassphrase);
  }
  const bool is_brought = root.brought.has_value();
  TRY(auto made, settle_root(folder, root, clock.now(), random));
  TRY_VOID(keystore::write_private_key_file(folder.file("root.key"), made.key, root.passphrase.expose(),
                                            keystore::Replace::always));
  const std::array one{made.certificate};
  TRY_VOID(keystore::atomic_write_file(folder.file("root.pem"), as_bytes(pki::encode_certificates_pem(one)),
                                       keystore::kPublicMode));
  TRY_VOID(keystore::make_folders(folder.file("issued"), keystore::kPublicFolderMode));
  TRY(auto journal, Journal::open(folder.file("journal")));
  TRY_VOID(journal.append({.time = clock.now(),
                           .act = "init",
                           .fields = {{"name", root.name},
                                      {"sha256", codec::encode_hex(made.certificate.fingerprint())},
                                      {"brought", is_brought ? "yes" : "no"}}}));
  return keystore::create_file(folder.file("root.toml"), as_bytes(fmt::format("name = \"{}\"\n", root.name)),
                               keystore::kPublicMode);
}

}  // namespace sallyport::root
