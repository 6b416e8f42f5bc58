#include "authority/snapshot_builder.h"

#include <algorithm>

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

// A certificate whose CA is not among `cas` (a revoked site's, say) is left out: unknown is refused by everybody.
bool is_listed(const std::vector<records::SnapshotCa>& cas, const records::CaName& name) {
  return std::ranges::any_of(cas, [&](const records::SnapshotCa& ca) { return ca.name == name; });
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
  TRY(auto sites, records.sites().list());
  for (records::SiteRecord& site : sites) {
    if (site.state == records::SiteState::revoked || site.ca_certificate.empty()) continue;
    cas.push_back({records::local_ca_name(site.name.get()), std::move(site.ca_certificate)});
  }
  return cas;
}

Result<records::SnapshotUpdate> build_snapshot_update(records::Records& records, std::uint64_t base, UnixTime now) {
  records::SnapshotUpdate update;
  TRY(const auto cas, read_snapshot_cas(records));
  TRY(auto root_crl, records::find_root_crl(records));
  if (!root_crl) return fail(Errc::not_found, "snapshot: no root CRL in the database");
  update.base = base;
  update.issued_at = now;
  update.cas = cas;
  update.root_crl = *std::move(root_crl);
  TRY(update.number, records.change_number());
  TRY(auto certificates, records.certificates().changed_after(base, records::kMaxSnapshotEntries));
  for (const records::CertificateRecord& record : certificates) {
    const bool exists =
        record.state == records::CertificateState::issued || record.state == records::CertificateState::revoked;
    if (exists && is_listed(cas, record.ca)) update.certificates.push_back(to_entry(record));
  }
  TRY(auto devices, records.devices().changed_after(base, records::kMaxSnapshotEntries));
  for (const records::DeviceRecord& device : devices) {
    if (device.name) update.devices.push_back({*device.name, device.state, device.remote_access});
  }
  return update;
}

}  // namespace sallyport::authority
