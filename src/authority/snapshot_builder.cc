#include "authority/snapshot_builder.h"

#include <algorithm>

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

Result<records::SnapshotUpdate> build_snapshot_update(records::Records& records,
                                                      const std::vector<records::SnapshotCa>& cas, ByteView root_crl,
                                                      std::uint64_t base, UnixTime now) {
  records::SnapshotUpdate update;
  update.base = base;
  update.issued_at = now;
  update.cas = cas;
  update.root_crl = to_bytes(root_crl);
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
