#include "authority/snapshot_builder.h"

#include <set>

#include "records/installation_values.h"

namespace sallyport::authority {
namespace {

records::SnapshotCertificate to_entry(const records::CertificateRecord& record) {
  records::SnapshotCertificate entry;
  entry.ca = record.ca;
  entry.serial = record.serial;
  entry.kind = record.kind;
  entry.subject = record.subject;
  entry.not_after = record.not_after;
  entry.revoked_at = record.revoked_at;
  entry.reason = record.reason;
  return entry;
}

std::set<records::CaName> names_of(const std::vector<records::SnapshotCa>& cas) {
  std::set<records::CaName> names;
  for (const records::SnapshotCa& ca : cas) names.insert(ca.name);
  return names;
}

}  // namespace

Result<std::vector<records::SnapshotCa>> read_snapshot_cas(records::Records& records) {
  std::vector<records::SnapshotCa> cas;
  std::vector<records::CaName> names = {records::CaName("root")};
  names.insert(names.end(), records::online_ca_names().begin(), records::online_ca_names().end());
  for (const records::CaName& name : names) {
    TRY(auto der, records::find_ca_certificate(records, name));
    if (!der) return failf(Errc::not_found, "snapshot: no certificate of {} in the database", name.get());
    cas.push_back({name, *std::move(der)});
  }
  TRY(auto older, records::list_older_cas(records));
  for (records::OlderCa& ca : older) {
    if (records::base_name(ca.name).get() == records::kRetiredRoot) continue;
    cas.push_back({std::move(ca.name), std::move(ca.certificate)});
  }
  TRY(auto sites, records.sites().list());
  for (records::SiteRecord& site : sites) {
    if (site.state == records::SiteState::revoked || site.ca_certificate.empty()) continue;
    cas.push_back({records::local_ca_name(site.name.get()), std::move(site.ca_certificate)});
  }
  return cas;
}

Result<BuiltSnapshot> build_snapshot(records::Records& records, std::uint64_t base, UnixTime now) {
  records::SnapshotUpdate head;
  TRY(head.cas, read_snapshot_cas(records));
  TRY(auto root_crls, records::list_root_crls(records));
  head.base = base;
  head.issued_at = now;
  head.root_crl = std::move(root_crls.front());
  head.older_root_crls.assign(std::move_iterator(root_crls.begin() + 1), std::move_iterator(root_crls.end()));
  TRY(head.number, records.change_number());
  if (head.cas.size() > records::kMaxSnapshotCas) {
    return failf(Errc::overloaded, "snapshot: {} CAs, want at most {}", head.cas.size(), records::kMaxSnapshotCas);
  }
  // A certificate whose CA is not listed (a revoked site's, say) is left out: unknown is refused by everybody.
  const std::set<records::CaName> listed = names_of(head.cas);
  records::SnapshotWriter writer(head);
  TRY_VOID(records.certificates().visit_changed(base, [&](const records::CertificateRecord& record) -> Result<void> {
    const bool exists =
        record.state == records::CertificateState::issued || record.state == records::CertificateState::revoked;
    if (exists && listed.contains(record.ca)) writer.add(to_entry(record));
    return {};
  }));
  TRY_VOID(records.devices().visit_changed(base, [&](const records::DeviceRecord& device) -> Result<void> {
    if (device.name) writer.add(records::SnapshotDevice{*device.name, device.state, device.remote_access});
    return {};
  }));
  BuiltSnapshot out{head.number, base, now, writer.take()};
  if (out.portions.front().size() > records::kMaxFirstPortionBytes) {
    return failf(Errc::overloaded, "snapshot: CAs and CRL of {} bytes, want at most {}", out.portions.front().size(),
                 records::kMaxFirstPortionBytes);
  }
  return out;
}

}  // namespace sallyport::authority
