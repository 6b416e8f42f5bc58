// The factory's ledger on disk, as bytes.
//
//   ledger.bin  := "SPLEDGR1" record*
//   record      := length u32 | check u32 | body[length] | digest[16]
//   check       := the first 4 bytes of SHA-256("length" | offset u64 | length u32)
//   digest      := the first 16 bytes of SHA-256("body" | offset u64 | body)
//   body        := TLV (codec/tlv.h):  1 kind u8, then by kind
//     1 intent:  2 certificate serial   3 serial id   4 SHA-256 of the SubjectPublicKeyInfo   5 time
//     2 issued:  6 ledger entry (pki/ledger.h)   7 certificate
//     3 voided:  2 certificate serial of an intent that no issued record followed
//
// `offset` is where the record begins, so that no record can be moved. Every record is synced before anything depends
// on it, so that a crash can damage the last one alone.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/names.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "pki/ledger.h"
#include "pki/serial_number.h"

namespace sallyport::factory {

inline constexpr std::string_view kLedgerMagic = "SPLEDGR1";
inline constexpr std::size_t kMaxLedgerFile = 1U << 30U;
inline constexpr std::size_t kMaxLedgerRecord = 64U << 10U;

// A certificate that is about to be signed.
struct Intent {
  pki::SerialNumber serial;
  SerialId serial_id;
  crypto::Sha256Digest spki{};
  UnixTime time;
  friend bool operator==(const Intent&, const Intent&) = default;
};
// A certificate that was signed; it may be handed out.
struct Issued {
  pki::LedgerEntry entry;
  Bytes certificate;  // DER
  friend bool operator==(const Issued&, const Issued&) = default;
};
// An intent that came to nothing: its certificate was never handed out, its serial is never used again.
struct Voided {
  pki::SerialNumber serial;
  friend bool operator==(const Voided&, const Voided&) = default;
};
using LedgerRecord = std::variant<Intent, Issued, Voided>;

// Returns the record as it stands at `offset` of the file.
Bytes encode_ledger_record(const LedgerRecord& record, std::uint64_t offset);

struct LedgerFile {
  std::vector<LedgerRecord> records;
  std::uint64_t sound_size = 0;  // of magic and whole records; what follows is a torn record, to be cut
};

// Reads a whole file. What follows the last whole record is a torn tail when it is no longer than one record may be and
// no other is in it. Everything else that does not fit is Errc::malformed and names the offset: it is damage, not
// a crash.
Result<LedgerFile> parse_ledger_file(ByteView bytes);

}  // namespace sallyport::factory
