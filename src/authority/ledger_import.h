// Taking a factory's ledger into the records: the white-list (docs/protocol/ledger.md).
#pragma once

#include <optional>

#include "authority/site_alarms.h"
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
// Errc::unauthorized, Errc::conflict or (gap) Errc::not_yet names the fault and its sequence, and `alarm` is then what
// speaks against the site; Errc::not_found for a site without CA or permit.
Result<ImportedLedger> import_ledger(records::Records& records, const SiteName& site, ByteView exported,
                                     std::span<const pki::Certificate> anchors, UnixTime now, std::string_view actor,
                                     std::optional<SiteAlarm>& alarm);

}  // namespace sallyport::authority
