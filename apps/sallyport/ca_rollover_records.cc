// What a rollover and a retirement change in the records.
#include <algorithm>

#include "authority/audit.h"
#include "authority/issuance.h"
#include "authority/log_entries.h"
#include "authority/renewal_windows.h"
#include "ca_rollover.h"
#include "folders.h"
#include "init_steps.h"
#include "records/installation_values.h"
#include "store/record_database.h"

namespace sallyport::cli {
namespace {

using records::CaName;
using records::OlderCa;
using records::Records;

constexpr std::string_view kRootName = "root";
constexpr seconds kMoveOver = 14 * kDay;

OlderCa to_older(std::string_view base, const pki::Certificate& certificate) {
  return {records::older_ca_name(base, certificate.serial().hex()), to_bytes(certificate.der())};
}

void add_first(std::vector<OlderCa>& older, OlderCa ca) {
  if (std::ranges::find(older, ca) == older.end()) older.insert(older.begin(), std::move(ca));
}

Result<void> record_roots(Records& records, std::vector<OlderCa>& older, const RolloverAnswer& answer, UnixTime now) {
  const pki::Certificate& newest = answer.roots.front();
  TRY(const auto present, records::find_ca_certificate(records, CaName("root")));
  for (const pki::Certificate& link : answer.links) {
    // Oldest first, as Installation has them.
    const OlderCa entry = to_older(records::kRootLink, link);
    if (std::ranges::find(older, entry) == older.end()) older.push_back(entry);
    // In the log before anything that the new root signed: who trusts an older one follows there as well.
    TRY_VOID(authority::record_ca(records, CaName(std::string(records::kRootLink)), link, now));
  }
  if (present && !equal(*present, newest.der())) {
    TRY(const auto before, pki::parse_certificate(*present));
    add_first(older, to_older(kRootName, before));
    TRY_VOID(records::put_ca_certificate(records, CaName("root"), newest.der()));
    TRY_VOID(authority::append_audit(records, now, "cli:ca rollover", "root.replaced", "root",
                                     {{"from", before.serial().hex()}, {"to", newest.serial().hex()}}));
  }
  TRY_VOID(records::put_root_crl(records, answer.crls.front().der()));
  std::vector<Bytes> crls;
  for (const pki::Crl& crl : std::span(answer.crls).subspan(1)) crls.push_back(to_bytes(crl.der()));
  return records::put_older_root_crls(records, crls);
}

Result<void> record_new_ca(Records& records, std::vector<OlderCa>& older, const std::string& ca,
                           const pki::Certificate& certificate, UnixTime now) {
  TRY(const auto present, records::find_ca_certificate(records, CaName(ca)));
  if (present && !equal(*present, certificate.der())) {
    TRY(const auto before, pki::parse_certificate(*present));
    add_first(older, to_older(ca, before));
    TRY_VOID(authority::append_audit(records, now, "cli:ca rollover", "ca.replaced", ca,
                                     {{"from", before.serial().hex()}, {"to", certificate.serial().hex()}}));
    // Devices move over within two weeks, each at its own time, rather than when their certificates end.
    if (ca == "online-ca" || ca == "web-ca") TRY_VOID(authority::ask_renewal(records, CaName(ca), now, kMoveOver));
  }
  TRY_VOID(records::put_ca_certificate(records, CaName(ca), certificate.der()));
  return authority::record_ca(records, CaName(ca), certificate, now);
}

bool is_issued_by(const pki::Certificate& certificate, const pki::Certificate& ca) {
  return certificate.issuer() == ca.subject() && ca.extensions().subject_key_id &&
         certificate.extensions().authority_key_id == ca.extensions().subject_key_id;
}

void count(OlderCaState& state, UnixTime ends_at) {
  ++state.alive;
  state.last_ends_at = std::max(state.last_ends_at.value_or(ends_at), ends_at);
}

// Certificates below a replaced CA that a peer may still show. Its OCSP signers do not count: they speak of the others.
Result<void> count_certificates(Records& records, const std::string& base, const pki::Certificate& ca,
                                OlderCaState& state, UnixTime now) {
  return records.certificates().visit_of_ca(
      CaName(base), [&](const records::CertificateRecord& record) -> Result<void> {
        const bool is_device = record.kind == records::CertificateKind::operational;
        const bool may_be_shown = record.state == records::CertificateState::issued &&
                                  (record.not_after >= now || is_device) &&
                                  record.kind != records::CertificateKind::ocsp_signer;
        if (!may_be_shown) return {};
        // The visit leaves the certificates themselves out.
        TRY(const auto whole, records.certificates().find(record.ca, record.serial));
        if (!whole) return {};
        TRY(const auto certificate, pki::parse_certificate(whole->der));
        if (!is_issued_by(certificate, ca)) return {};
        if (record.not_after < now) {
          ++state.asleep;
        } else {
          count(state, record.not_after);
        }
        return {};
      });
}

// CAs below an older root that are in use: online ones, replaced ones, factories'.
Result<void> count_cas(Records& records, const pki::Certificate& root, OlderCaState& state) {
  std::vector<Bytes> ders;
  for (const CaName& name : records::online_ca_names()) {
    TRY(auto der, records::find_ca_certificate(records, name));
    if (der) ders.push_back(*std::move(der));
  }
  TRY(auto older, records::list_older_cas(records));
  for (OlderCa& ca : older) {
    const auto base = records::base_name(ca.name).get();
    if (base != kRootName && base != records::kRootLink && base != records::kRetiredRoot)
      ders.push_back(std::move(ca.certificate));
  }
  TRY(auto sites, records.sites().list());
  for (records::SiteRecord& site : sites) {
    if (site.state != records::SiteState::revoked && !site.ca_certificate.empty())
      ders.push_back(std::move(site.ca_certificate));
  }
  for (const Bytes& der : ders) {
    TRY(const auto ca, pki::parse_certificate(der));
    if (is_issued_by(ca, root)) count(state, ca.validity().not_after);
  }
  return {};
}

// The CRLs without those of the roots that go.
Result<void> drop_root_crls(Records& records, const std::vector<pki::Certificate>& gone) {
  TRY(auto crls, records::list_older_root_crls(records));
  std::vector<Bytes> kept;
  for (Bytes& der : crls) {
    TRY(const auto crl, pki::parse_crl(der));
    const bool goes = std::ranges::any_of(gone, [&](const pki::Certificate& root) {
      return pki::verify_crl(crl, root, pki::TimeRule::floor(UnixTime(0))).has_value();
    });
    if (!goes) kept.push_back(std::move(der));
  }
  return records::put_older_root_crls(records, kept);
}

Result<void> forget(Records& records, const std::vector<OlderCaState>& gone, UnixTime now) {
  TRY(auto older, records::list_older_cas(records));
  std::vector<pki::Certificate> roots;
  std::vector<OlderCa> kept;
  for (OlderCa& ca : older) {
    if (std::ranges::find(gone, ca.name, &OlderCaState::name) == gone.end()) {
      kept.push_back(std::move(ca));
      continue;
    }
    if (records::base_name(ca.name).get() == kRootName) {
      TRY(auto root, pki::parse_certificate(ca.certificate));
      kept.push_back(to_older(records::kRetiredRoot, root));
      roots.push_back(std::move(root));
    }
    TRY_VOID(authority::append_audit(records, now, "cli:ca retire", "ca.retired", ca.name.get(), {}));
  }
  TRY_VOID(records::put_older_cas(records, kept));
  TRY_VOID(drop_root_crls(records, roots));
  return records.raise_change_number();
}

// Root files have the certificates in one file, those of other CAs one each.
Result<void> drop_files(const InstallationPaths& paths, const std::vector<OlderCaState>& gone) {
  TRY(const auto roots, read_certificates(paths.older_roots()));
  std::vector<pki::Certificate> kept;
  for (const pki::Certificate& root : roots) {
    const auto name = records::older_ca_name(kRootName, root.serial().hex());
    if (std::ranges::find(gone, name, &OlderCaState::name) == gone.end()) kept.push_back(root);
  }
  // No file says that there is no older root; an empty one would be damage.
  if (kept.empty()) TRY_VOID(discard(paths.older_roots()));
  if (!kept.empty() && kept.size() != roots.size()) TRY_VOID(write_certificates(paths.older_roots(), kept));
  for (const OlderCaState& ca : gone) {
    for (const auto& file :
         {paths.signer_keys() / (ca.name.get() + ".key"), paths.trust() / (ca.name.get() + ".pem")}) {
      std::error_code failure;
      std::filesystem::remove(file, failure);
      if (failure) return failf(Errc::unavailable, "{}: {}", file.string(), failure.message());
    }
  }
  return {};
}

}  // namespace

Result<void> record_answer(records::RecordDatabase& database, const RolloverAnswer& answer, UnixTime now) {
  return database.write_and_wait([&](Records& records) -> Result<void> {
    TRY(auto older, records::list_older_cas(records));
    TRY_VOID(record_roots(records, older, answer, now));
    for (const auto& [ca, certificate] : answer.cas) TRY_VOID(record_new_ca(records, older, ca, certificate, now));
    TRY_VOID(records::put_older_cas(records, older));
    return records.raise_change_number();
  });
}

Result<std::vector<pki::Crl>> read_root_crls(const InstallationPaths& paths) {
  TRY(const auto database, store::open_record_database(paths.database()));
  std::vector<pki::Crl> out;
  TRY_VOID(database->read([&out](Records& records) -> Result<void> {
    TRY(const auto ders, records::list_root_crls(records));
    for (const Bytes& der : ders) {
      TRY(auto crl, pki::parse_crl(der));
      out.push_back(std::move(crl));
    }
    return {};
  }));
  return out;
}

Result<std::vector<OlderCaState>> list_older_states(records::RecordDatabase& database, const std::string& base,
                                                    UnixTime now) {
  std::vector<OlderCaState> out;
  TRY_VOID(database.read([&](Records& records) -> Result<void> {
    TRY(const auto older, records::list_older_cas(records));
    for (const OlderCa& ca : older) {
      if (records::base_name(ca.name).get() != base) continue;
      TRY(const auto certificate, pki::parse_certificate(ca.certificate));
      OlderCaState state{.name = ca.name, .not_after = certificate.validity().not_after, .last_ends_at = std::nullopt};
      TRY_VOID(base == kRootName ? count_cas(records, certificate, state)
                                 : count_certificates(records, base, certificate, state, now));
      out.push_back(std::move(state));
    }
    return {};
  }));
  return out;
}

Result<void> retire_older(const InstallationPaths& paths, records::RecordDatabase& database,
                          const std::vector<OlderCaState>& older, UnixTime now) {
  TRY_VOID(database.write_and_wait([&](Records& records) { return forget(records, older, now); }));
  return drop_files(paths, older);
}

}  // namespace sallyport::cli
