// The steps of init that take in what the root has signed.
#include <algorithm>

#include "authority/audit.h"
#include "authority/log_entries.h"
#include "codec/pem.h"
#include "folders.h"
#include "init_steps.h"
#include "keystore/file.h"
#include "pki/crl.h"
#include "pki/issue.h"
#include "records/installation_values.h"
#include "root/request.h"
#include "store/record_database.h"

namespace sallyport::cli {

Result<void> check_ca(const pki::Certificate& certificate, const std::string& name, const pki::Certificate& root,
                      const crypto::PublicKey& key, const root::RequestFacts& facts) {
  TRY(const auto plan, root::plan_ca(root::file_stem_of(name), facts));
  if (!(certificate.public_key() == key))
    return fail(Errc::unauthorized, "found a certificate for another key than this installation's");
  if (!root.public_key().verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature())) {
    return fail(Errc::unauthorized, "found a signature that is not of the root beside it");
  }
  TRY_VOID(pki::lint(pki::profile(plan.profile), certificate, &root));
  const auto& constraints = certificate.extensions().name_constraints;
  const auto permitted = constraints ? constraints->permitted.dns : std::vector<std::string>{};
  if (permitted != plan.permitted_dns)
    return fail(Errc::unauthorized, "found another namespace than this installation's");
  return {};
}

namespace {

// The CRL of this root; a root that has replaced others sends theirs along.
Result<pki::Crl> check_root_crl(const InstallationPaths& paths, const pki::Certificate& root, const Clock& clock) {
  const auto file = paths.from_root() / "root.crl";
  TRY(const auto crls, read_crls(file));
  auto verified = pki::verify_crl(crls.front(), root, pki::TimeRule::clock(clock.now()));
  if (!verified) return std::unexpected(Error(std::move(verified).error()).at(file.string()));
  return crls.front();
}

Result<pki::Certificate> check_root(const InstallationPaths& paths) {
  TRY(auto root, read_certificate(paths.from_root() / "root.pem"));
  const auto installed = read_certificate(paths.root_certificate());
  if (!installed && installed.error().code != Errc::not_found) return installed;
  if (installed && !(*installed == root)) {
    return failf(Errc::unauthorized, "{}: found another root than the one in {}",
                 (paths.from_root() / "root.pem").string(), paths.root_certificate().string());
  }
  return root;
}

Result<void> record_facts(records::Records& records, const Settings& settings, UnixTime now) {
  const auto known = records::load_installation_facts(records);
  if (known) return {};
  if (known.error().code != Errc::not_found) return std::unexpected(known.error());
  TRY_VOID(records::put_installation_facts(records, {.name = settings.name,
                                                     .zone = settings.zone,
                                                     .console_name = settings.console_name,
                                                     .public_port = settings.public_port}));
  return authority::append_audit(records, now, "cli:init", "installation.initialised", settings.name,
                                 {{"zone", settings.zone.get()}});
}

}  // namespace

Result<void> install_root_answer(const InstallationPaths& paths, const Settings& settings, const Clock& clock) {
  TRY(const auto secret, keystore::MachineSecret::open(paths.secret()));
  TRY(const auto root, check_root(paths));
  TRY(const auto crl, check_root_crl(paths, root, clock));
  const root::RequestFacts facts{.zone = settings.zone, .console_name = settings.console_name};
  std::vector<std::pair<std::string, pki::Certificate>> checked;
  for (const auto& name : online_cas()) {
    const auto file = paths.from_root() / (name + ".pem");
    TRY(const auto certificate, read_certificate(file));
    TRY(const auto key, secret.read_key(paths.signer_keys() / (name + ".key")));
    auto is_ours = check_ca(certificate, name, root, key.public_key(), facts);
    if (is_ours && crl.find(certificate.serial()) != nullptr)
      is_ours = fail(Errc::unauthorized, "found a certificate that the root has revoked");
    if (!is_ours) return std::unexpected(std::move(is_ours).error().at(file.string()));
    checked.emplace_back(name, certificate);
  }
  for (const auto& [name, certificate] : checked)
    TRY_VOID(write_certificate(paths.trust() / (name + ".pem"), certificate));
  TRY_VOID(keystore::atomic_write_file(paths.root_crl(), as_bytes(codec::encode_pem("X509 CRL", crl.der())),
                                       keystore::kPublicMode));
  return write_certificate(paths.root_certificate(), root);
}

Result<void> settle_records(const InstallationPaths& paths, const Settings& settings, const Clock& clock) {
  TRY_VOID(make_folder(paths.database().parent_path()));
  TRY(const auto database, store::open_record_database(paths.database()));
  TRY(const auto root, read_certificate(paths.root_certificate()));
  TRY(const auto crl, read_crl(paths.root_crl()));
  std::vector<std::pair<std::string, pki::Certificate>> cas;
  for (const auto& name : online_cas()) {
    TRY(auto certificate, read_certificate(paths.trust() / (name + ".pem")));
    cas.emplace_back(name, std::move(certificate));
  }
  return database->write_and_wait([&](records::Records& records) -> Result<void> {
    TRY_VOID(record_facts(records, settings, clock.now()));
    TRY_VOID(records::put_ca_certificate(records, records::CaName("root"), root.der()));
    TRY_VOID(records::put_root_crl(records, crl.der()));
    for (const auto& [name, certificate] : cas) {
      const records::CaName ca(name);
      TRY_VOID(records::put_ca_certificate(records, ca, certificate.der()));
      TRY_VOID(authority::record_ca(records, ca, certificate, clock.now()));
    }
    return {};
  });
}

}  // namespace sallyport::cli
