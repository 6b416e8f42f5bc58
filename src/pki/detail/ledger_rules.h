// The rules of a ledger, one by one: for the import, which stops at the first fault, and for the reconciliation, which
// names them all.
#pragma once

#include <expected>
#include <set>
#include <string_view>
#include <unordered_set>

#include "pki/ledger.h"

namespace sallyport::pki::detail {

using LedgerRefused = std::unexpected<LedgerRefusal>;
using LedgerCheck = std::expected<void, LedgerRefusal>;

// About an export as a whole, and about one entry of it.
LedgerRefused refuse_ledger(LedgerFault fault, std::string_view what);
LedgerRefused refuse_entry(LedgerFault fault, const LedgerEntry& entry, std::string_view what);

// Whether the export is the permit's site's, and signed by its CA.
LedgerCheck check_export(const LedgerExport& ledger, const Certificate& site_ca, const SitePermit& permit);
// Number, prefix and time. `before` is the entry before, null for the first that is known.
LedgerCheck check_permitted(const LedgerEntry& entry, const LedgerEntry* before, const SitePermit& permit);
// Whether `der` is the certificate that the entry names, the site CA's, and an honest one.
std::expected<Certificate, LedgerRefusal> check_entry_certificate(const LedgerEntry& entry, ByteView der,
                                                                  const Certificate& site_ca, const SitePermit& permit);

// What may be there once alone: serial ids, certificate serials, keys.
class LedgerUniqueness {
 public:
  // Takes the entry's three, unless one of them was taken before.
  LedgerCheck take(const LedgerEntry& entry);

 private:
  std::unordered_set<SerialId> serial_ids_;
  std::unordered_set<SerialNumber> certificate_serials_;
  std::set<Sha256Digest> keys_;
};

}  // namespace sallyport::pki::detail
