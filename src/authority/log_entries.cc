#include "authority/log_entries.h"

#include <utility>

#include "authority/issuance.h"
#include "crypto/hash.h"
#include "records/installation_values.h"
#include "tlog/entry.h"

namespace sallyport::authority {
namespace {

constexpr std::size_t kAuditPage = 1'000;
// How far log_what_was_before has come: the number of the last record, u64, or "done" once it came to the
// end.
constexpr std::string_view kBackfillValue = "log.backfill";
constexpr std::string_view kBackfillDone = "done";

Result<void> append_entry(records::Records& records, UnixTime time, records::LogRow row,
                          std::variant<tlog::CertificateEntry, tlog::LedgerHeadEntry, tlog::AuditEntry> what) {
  tlog::LogEntry entry{.time = time, .what = std::move(what)};
  TRY(entry.index, records.log().size());
  row.entry = tlog::encode_log_entry(entry);
  return records.log().append(entry.index, row);
}

Result<void> log_certificate(records::Records& records, const records::CaName& ca, ByteView der, UnixTime time) {
  if (der.size() > tlog::kMaxLoggedCertificate) {
    return failf(Errc::overloaded, "log: certificate of {} bytes, want at most {}", der.size(),
                 tlog::kMaxLoggedCertificate);
  }
  records::LogRow row;
  row.certificate = crypto::sha256(der);
  return append_entry(records, time, std::move(row), tlog::CertificateEntry{ca.get(), to_bytes(der)});
}

Result<bool> is_logged(records::Records& records, ByteView der) {
  TRY(const auto index, records.log().find_certificate(crypto::sha256(der)));
  return index.has_value();
}

Result<void> log_one_event(records::Records& records, const records::AuditEntry& event) {
  records::LogRow row;
  row.audit_sequence = event.sequence;
  return append_entry(records, event.time, std::move(row), tlog::AuditEntry{event.sequence, event.hash});
}

// Site CAs and ledger heads.
Result<void> log_sites(records::Records& records, UnixTime now) {
  TRY(const auto sites, records.sites().list());
  for (const records::SiteRecord& site : sites) {
    if (!site.ca_certificate.empty()) {
      TRY(const auto ca, pki::parse_certificate(site.ca_certificate));
      TRY_VOID(record_ca(records, records::local_ca_name(site.name.get()), ca, now));
    }
    if (site.ledger_sequence > 0) TRY_VOID(log_ledger_head(records, site, now));
  }
  return {};
}

}  // namespace

Result<void> record_issued(records::Records& records, const records::CaName& ca,
                           const records::CertificateSerial& serial, ByteView der, UnixTime now) {
  TRY_VOID(records.certificates().record_issued(ca, serial, der));
  return log_certificate(records, ca, der, now);
}

Result<void> record_ca(records::Records& records, const records::CaName& ca, const pki::Certificate& certificate,
                       UnixTime now) {
  const records::CaName root("root");
  const auto serial = to_record_serial(certificate.serial());
  TRY(const auto known, records.certificates().find(root, serial));
  if (known) return {};
  records::CertificateRecord record;
  record.ca = root;
  record.serial = serial;
  record.kind = records::CertificateKind::ca;
  record.subject = ca.get();
  record.spki_sha256 = certificate.spki_sha256();
  record.not_before = certificate.validity().not_before;
  record.not_after = certificate.validity().not_after;
  record.recorded_at = now;
  TRY_VOID(records.certificates().record_intent(record));
  return record_issued(records, root, serial, certificate.der(), now);
}

Result<void> log_audit_event(records::Records& records, const records::AuditEntry& event) {
  records::AuditFilter filter;
  filter.limit = kAuditPage;
  TRY(filter.after, records.log().last_audit_sequence());
  while (filter.after + 1 < event.sequence) {
    TRY(const auto before, records.audit().list(filter));
    for (const records::AuditEntry& each : before) {
      if (each.sequence >= event.sequence) break;
      TRY_VOID(log_one_event(records, each));
      filter.after = each.sequence;
    }
    if (before.empty()) return failf(Errc::internal, "log: audit event {} is not there", filter.after + 1);
  }
  return log_one_event(records, event);
}

Result<void> log_ledger_head(records::Records& records, const records::SiteRecord& site, UnixTime now) {
  return append_entry(records, now, {}, tlog::LedgerHeadEntry{site.name, site.ledger_sequence, site.ledger_head});
}

Result<bool> log_what_was_before(records::Records& records, UnixTime now, std::size_t limit) {
  TRY(const auto stored, records.find_value(kBackfillValue));
  if (stored && as_text(*stored) == kBackfillDone) return true;
  std::uint64_t after = 0;
  if (stored) {
    TRY(after, Reader(*stored).u64());
  }
  TRY(const auto page, records.certificates().list_after(after, limit));
  for (const auto& [number, record] : page) {
    after = number;
    if (record.der.empty()) continue;
    TRY(const bool logged, is_logged(records, record.der));
    if (!logged) TRY_VOID(log_certificate(records, record.ca, record.der, record.recorded_at));
  }
  if (page.size() == limit) {
    Writer writer;
    writer.u64(after);
    TRY_VOID(records.put_value(kBackfillValue, writer.view()));
    return false;
  }
  TRY_VOID(log_sites(records, now));
  TRY(const auto head, records.audit().head());
  TRY(const auto logged, records.log().last_audit_sequence());
  if (head && head->sequence > logged) TRY_VOID(log_audit_event(records, *head));
  TRY_VOID(records.put_value(kBackfillValue, as_bytes(kBackfillDone)));
  return true;
}

}  // namespace sallyport::authority
