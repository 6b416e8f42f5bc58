// The rollover of the root: staged in a folder of its own, made true by one line of the journal, then moved into place.
#include <array>

#include "codec/pem.h"
#include "codec/text.h"
#include "keystore/file.h"
#include "keystore/key_file.h"
#include "root/detail/generations.h"
#include "root/root.h"

namespace sallyport::root {
namespace {

Result<void> write_certificate(const std::filesystem::path& path, const pki::Certificate& certificate) {
  const std::array one{certificate};
  return keystore::atomic_write_file(path, as_bytes(pki::encode_certificates_pem(one)), keystore::kPublicMode);
}

Result<void> make_empty_folder(const std::filesystem::path& path) {
  std::error_code failure;
  std::filesystem::remove_all(path, failure);
  if (failure) return failf(Errc::unavailable, "{}: {}", path.string(), failure.message());
  return keystore::make_folders(path, keystore::kPublicFolderMode);
}

pki::CertificateFields fields_of(const ProposedRollover& proposed, const crypto::PublicKey& key,
                                 const pki::Validity& validity, const crypto::PublicKey& after, Random& random) {
  return {.common_name = proposed.common_name,
          .public_key = key,
          .validity = validity,
          .serial = pki::SerialNumber::draw(random),
          .next_root_key = crypto::sha256(after.spki())};
}

}  // namespace

Result<ProposedRollover> Root::propose_rollover() const {
  const auto& pinned = certificate().extensions().next_root_key;
  if (!pinned)
    return fail(Errc::unauthorized,
                "root: pins no next root's key, so nobody could follow to another; a root that was brought has none");
  const UnixTime now = clock_.now();
  const auto& root = pki::profile(pki::ProfileId::root);
  const auto& link = pki::profile(pki::ProfileId::root_link);
  return ProposedRollover{.generation = generations_.back().number + 1,
                          .common_name = pki::ca_common_name("root", name_),
                          .key = *pinned,
                          .validity = pki::choose_validity(root, nullptr, now, root.longest),
                          .link_validity = pki::choose_validity(link, &certificate(), now, link.longest)};
}

// Makes everything in the staging folder and tells the journal last.
Result<void> Root::stage_rollover(ByteView passphrase, const std::optional<std::filesystem::path>& next_key) {
  TRY(const auto proposed, propose_rollover());
  TRY(auto old_key, unlock(passphrase));
  const auto next_file = next_key.value_or(folder_.file("next-root.key"));
  auto key = keystore::read_private_key_file(next_file, passphrase);
  if (!key) return std::unexpected(std::move(key).error().at(next_file.string()));
  if (crypto::sha256(key->public_key().spki()) != proposed.key)
    return failf(Errc::unauthorized, "{}: found another key than the root pins as the next", next_file.string());
  const auto after = crypto::PrivateKey::generate();

  const auto& root_profile = pki::profile(pki::ProfileId::root);
  const auto& link_profile = pki::profile(pki::ProfileId::root_link);
  const auto fields = fields_of(proposed, key->public_key(), proposed.validity, after.public_key(), random_);
  const auto link_fields = fields_of(proposed, key->public_key(), proposed.link_validity, after.public_key(), random_);
  TRY(auto linted, pki::prepare_self_signed(root_profile, fields, clock_.now()));
  TRY(auto linted_link, pki::prepare(link_profile, link_fields, certificate(), clock_.now()));
  TRY_VOID(record("rollover-intent", {{"root", std::to_string(proposed.generation)},
                                      {"serial", fields.serial.hex()},
                                      {"link", link_fields.serial.hex()},
                                      {"spki", codec::encode_hex(proposed.key)}}));
  TRY(const auto certificate, pki::issue(std::move(linted), *key));
  TRY(const auto link, pki::issue(std::move(linted_link), old_key));

  const auto staging = folder_.file(detail::kStaging);
  TRY_VOID(make_empty_folder(staging));
  TRY_VOID(write_certificate(staging / "link.pem", link));
  TRY_VOID(keystore::write_private_key_file(staging / "next-root.key", after, passphrase));
  TRY_VOID(keystore::atomic_write_file(staging / "next-root.pem",
                                       as_bytes(codec::encode_pem("PUBLIC KEY", after.public_key().spki())),
                                       keystore::kPublicMode));
  TRY_VOID(keystore::write_private_key_file(staging / "root.key", *key, passphrase));
  TRY_VOID(write_certificate(staging / "root.pem", certificate));
  return journal_.append({.time = clock_.now(),
                          .act = "rollover",
                          .fields = {{"root", std::to_string(proposed.generation)},
                                     {"serial", fields.serial.hex()},
                                     {"sha256", codec::encode_hex(certificate.fingerprint())},
                                     {"link", link_fields.serial.hex()},
                                     {"link-sha256", codec::encode_hex(link.fingerprint())}}});
}

Result<Root> Root::roll_over(Root before, ByteView passphrase, const std::optional<std::filesystem::path>& next_key) {
  TRY_VOID(before.folder_.set_version(kRootFormat));
  TRY_VOID(before.stage_rollover(passphrase, next_key));
  return open(std::move(before.folder_), before.clock_, before.random_);
}

}  // namespace sallyport::root
