// Taking a factory's ledger into the records: the white-list of DESIGN §8.
#pragma once

#include "pki/ledger.h"
#include "pki/verify.h"
#include "records/database.h"

namespace sallyport::authority {

struct ImportedLedger {
  std::uint64_t added = 0;     // entries that were new
  std::uint64_t sequence = 0;  // of the last accepted entry
};

// Verifies `exported` (an encoded pki::LedgerExport) against the site's CA, permit and last accepted head, and records
// every new entry as a manufactured device with its factory certificate. Part of the transaction of `records`.
// Errc::unauthorized or Errc::conflict names the fault and its sequence; Errc::not_found for a site without CA or
// permit.
Result<ImportedLedger> import_ledger(records::Records& records, const SiteName& site, ByteView exported,
                                     std::span<const pki::Certificate> anchors, UnixTime now, std::string_view actor);

}  // namespace sallyport::authority
