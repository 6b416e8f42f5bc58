#include "tlog/entry.h"

#include <algorithm>

#include "codec/tlv.h"

namespace sallyport::tlog {
namespace {

constexpr std::string_view kKind = "log-entry";
constexpr std::size_t kMaxCaName = 80;
enum Field : std::uint16_t { kind = 1, index, time, ca, site, sequence, hash, certificate };

Result<EntryKind> parse_kind(std::uint8_t value) {
  if (value < 1 || value > 3) return failf(Errc::malformed, "log entry: kind {}, want 1 to 3", value);
  return static_cast<EntryKind>(value);
}

Result<CertificateEntry> read_certificate(codec::TlvReader& reader) {
  CertificateEntry out;
  TRY(out.ca, reader.text(Field::ca));
  if (out.ca.empty() || out.ca.size() > kMaxCaName) return fail(Errc::malformed, "log entry: no CA's name");
  TRY(const ByteView der, reader.bytes(Field::certificate));
  if (der.empty() || der.size() > kMaxLoggedCertificate) {
    return failf(Errc::malformed, "log entry: certificate of {} bytes, want 1 to {}", der.size(),
                 kMaxLoggedCertificate);
  }
  out.der = to_bytes(der);
  return out;
}

Result<LedgerHeadEntry> read_ledger_head(codec::TlvReader& reader) {
  LedgerHeadEntry out;
  TRY(const auto site, reader.text(Field::site));
  TRY(out.site, parse_site_name(site));
  TRY(out.sequence, reader.u64(Field::sequence));
  TRY(out.hash, reader.array<32>(Field::hash));
  return out;
}

Result<AuditEntry> read_audit(codec::TlvReader& reader) {
  AuditEntry out;
  TRY(out.sequence, reader.u64(Field::sequence));
  TRY(out.hash, reader.array<32>(Field::hash));
  return out;
}

}  // namespace

std::string_view to_string(EntryKind kind) {
  switch (kind) {
    case EntryKind::certificate:
      return "certificate";
    case EntryKind::ledger_head:
      return "ledger-head";
    case EntryKind::audit_event:
      return "audit-event";
  }
  return "unknown";
}

EntryKind LogEntry::kind() const {
  return static_cast<EntryKind>(what.index() + 1);
}

Bytes encode_log_entry(const LogEntry& entry) {
  codec::TlvWriter writer;
  writer.u8(Field::kind, static_cast<std::uint8_t>(entry.kind()))
      .u64(Field::index, entry.index)
      .time(Field::time, entry.time);
  if (const auto* issued = std::get_if<CertificateEntry>(&entry.what)) {
    SALLYPORT_CHECK(issued->der.size() <= kMaxLoggedCertificate);
    writer.text(Field::ca, issued->ca).bytes(Field::certificate, issued->der);
  } else if (const auto* head = std::get_if<LedgerHeadEntry>(&entry.what)) {
    writer.text(Field::site, head->site.get()).u64(Field::sequence, head->sequence).bytes(Field::hash, head->hash);
  } else if (const auto* event = std::get_if<AuditEntry>(&entry.what)) {
    writer.u64(Field::sequence, event->sequence).bytes(Field::hash, event->hash);
  }
  return codec::signing_input(kKind, writer.take());
}

Result<LogEntry> parse_log_entry(ByteView bytes) {
  static const Bytes kDomain = codec::signing_input(kKind, {});
  if (bytes.size() < kDomain.size() || !equal(bytes.first(kDomain.size()), kDomain)) {
    return fail(Errc::malformed, "log entry: does not begin with its kind and version");
  }
  codec::TlvReader reader(bytes.subspan(kDomain.size()), "log entry");
  LogEntry out;
  TRY(const auto number, reader.u8(Field::kind));
  TRY(const auto kind, parse_kind(number));
  TRY(out.index, reader.u64(Field::index));
  TRY(out.time, reader.time(Field::time));
  switch (kind) {
    case EntryKind::certificate: {
      TRY(out.what, read_certificate(reader));
      break;
    }
    case EntryKind::ledger_head: {
      TRY(out.what, read_ledger_head(reader));
      break;
    }
    case EntryKind::audit_event: {
      TRY(out.what, read_audit(reader));
      break;
    }
  }
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode_entry_head(const LogEntry& entry) {
  Bytes out = encode_log_entry(entry);
  if (const auto* issued = std::get_if<CertificateEntry>(&entry.what)) out.resize(out.size() - issued->der.size());
  return out;
}

}  // namespace sallyport::tlog
