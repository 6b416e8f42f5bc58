// The ledger of a factory: what it issued, in a hash chain that its CA signs, so that over-production, forks and gaps
// show.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "crypto/hash.h"
#include "pki/certificate.h"
#include "pki/permit.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxLedgerExportEntries = 65'536;
inline constexpr std::size_t kMaxLedgerExportBytes = 128U << 20U;

using crypto::Sha256Digest;

struct LedgerEntry {
  std::uint64_t sequence = 0;  // from 1, without gaps, over all permits of the site
  SerialId serial_id;
  Sha256Digest spki{};         // SHA-256 of the device's SubjectPublicKeyInfo
  Sha256Digest certificate{};  // SHA-256 of the certificate
  SerialNumber certificate_serial;
  Sha256Digest previous{};  // entry_hash of the entry before, zero for the first
  UnixTime issued_at;
  friend bool operator==(const LedgerEntry&, const LedgerEntry&) = default;
};
Bytes encode_ledger_entry(const LedgerEntry& entry);
Result<LedgerEntry> parse_ledger_entry(ByteView bytes);
// SHA-256 over "sallyport/ledger-entry/v1" 0x00 and the encoding.
Sha256Digest entry_hash(const LedgerEntry& entry);
// Returns the entry of `certificate`, the next after (`sequence`, `head`).
LedgerEntry next_entry(std::uint64_t sequence, const Sha256Digest& head, SerialId serial_id,
                       const Certificate& certificate, UnixTime issued_at);

// The end of a ledger: how far it is known.
struct LedgerHead {
  std::uint64_t sequence = 0;  // 0: nothing yet
  Sha256Digest hash{};         // of that entry; zero for 0
  friend bool operator==(const LedgerHead&, const LedgerHead&) = default;
};

struct LedgerExport {
  SiteName site;
  std::uint64_t permit_number = 0;
  std::vector<LedgerEntry> entries;  // consecutive, at least one
  std::vector<Bytes> certificates;   // DER, one per entry, in its order
  UnixTime exported_at;
  Bytes signature;  // local-ca's, over signing_input("ledger", site, permit, exported_at, last sequence, head)
};
Bytes encode_ledger_export(const LedgerExport& ledger);
Result<LedgerExport> parse_ledger_export(ByteView bytes);
// Fills in the signature. `key` is the site CA's.
Result<void> sign_ledger_export(LedgerExport& ledger, crypto::SigningKey& key);

enum class LedgerFault : std::uint8_t {
  malformed,
  bad_signature,      // not the site CA's
  foreign_site,       // another site's ledger, CA or permit
  gap,                // entries are missing before or inside
  fork,               // contradicts the chain or what was accepted before
  stale,              // ends before what was accepted
  over_production,    // more than the permit's count
  foreign_namespace,  // a name outside the permit's namespace or prefix
  reused_serial,      // a serial id or certificate serial for the second time
  wrong_certificate,  // the certificate is not what the entry says, or breaks the factory profile
  outside_permit,     // issued before or after the permit's time, or times that go back
  reused_key,         // a device's key for the second time
  altered,            // by examination alone: an entry that is not what the site wrote
  misplaced,          // by examination alone: an entry or certificate at another's place
  unread,             // no fault of the site's: what earlier entries have could not be read
};
std::string_view to_string(LedgerFault fault);

struct [[nodiscard]] LedgerRefusal {
  LedgerFault fault{};
  std::uint64_t sequence = 0;  // of the first entry at fault; 0 for the export as a whole
  std::string serial_id;       // its; empty for the export as a whole
  Error error;
  operator Error() && { return std::move(error); }  // NOLINT(google-explicit-constructor)
};

// One fault of a ledger, for the person who must find out what happened at the factory.
struct LedgerFinding {
  LedgerFault fault{};
  std::uint64_t sequence = 0;  // 0: about a whole export, or a device that no entry names
  std::string serial_id;       // empty where there is none
  std::string source;          // the export that shows it; empty for the white-list
  std::string detail;
  friend bool operator==(const LedgerFinding&, const LedgerFinding&) = default;
};

struct AcceptedEntries {
  std::vector<LedgerEntry> entries;       // those after the accepted head; may be empty
  std::vector<Certificate> certificates;  // one per entry
  LedgerHead head;                        // the new one to remember
};

// What the authority knows when an export comes in. Borrows for the call.
struct LedgerContext {
  const Certificate& site_ca;
  const SitePermit& permit;
  LedgerHead accepted;
  // When the last accepted entry was issued, where that is known: no later one is older.
  std::optional<UnixTime> accepted_at = std::nullopt;
  // Whether an earlier entry has this serial id, certificate serial or key; empty means that none has. An error refuses
  // the export as LedgerFault::unread.
  std::function<Result<bool>(const SerialId&)> is_known;
  std::function<Result<bool>(const SerialNumber&)> is_known_serial;
  std::function<Result<bool>(const Sha256Digest&)> is_known_key;
};

// Accepts only a gapless continuation of what was accepted, inside the permit, signed by the site's CA.
std::expected<AcceptedEntries, LedgerRefusal> verify_ledger(const LedgerExport& ledger, const LedgerContext& context);

}  // namespace sallyport::pki
