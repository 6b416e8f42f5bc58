// What an installation's log is a log of.
//
//   entry := "sallyport/log-entry/v1" 0x00 | fields of codec/tlv.h
//
// Every entry says its own index, so that one that is missing or in another place shows without the tree.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/names.h"
#include "base/time.h"
#include "tlog/merkle.h"

namespace sallyport::tlog {

// DO NOT CHANGE THESE VALUES: they are logged.
enum class EntryKind : std::uint8_t { certificate = 1, ledger_head = 2, audit_event = 3 };
// "certificate", "ledger-head", "audit-event"
std::string_view to_string(EntryKind kind);

// A certificate that a CA of the installation issued, logged with its record.
struct CertificateEntry {
  std::string ca;  // "online-ca", "local-ca/<site>"
  Bytes der;
  friend bool operator==(const CertificateEntry&, const CertificateEntry&) = default;
};
// The end of a site's ledger as it was accepted.
struct LedgerHeadEntry {
  SiteName site;
  std::uint64_t sequence = 0;
  Hash hash{};
  friend bool operator==(const LedgerHeadEntry&, const LedgerHeadEntry&) = default;
};
// An event of the audit log: its place there and its hash, which covers everything before it; what happened stays
// there.
struct AuditEntry {
  std::uint64_t sequence = 0;
  Hash hash{};
  friend bool operator==(const AuditEntry&, const AuditEntry&) = default;
};

struct LogEntry {
  std::uint64_t index = 0;
  UnixTime time;
  std::variant<CertificateEntry, LedgerHeadEntry, AuditEntry> what;

  EntryKind kind() const;
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

inline constexpr std::size_t kMaxLoggedCertificate = 32U << 10U;

// The encoding ends with the certificate where there is one. A certificate must not be above kMaxLoggedCertificate.
Bytes encode_log_entry(const LogEntry& entry);
// Errc::malformed.
Result<LogEntry> parse_log_entry(ByteView bytes);
// The encoding up to where the certificate begins: with the certificate after it, the whole.
Bytes encode_entry_head(const LogEntry& entry);

}  // namespace sallyport::tlog
