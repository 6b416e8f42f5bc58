// Names what is wrong inside one exported ledger that does not hold: every entry that is missing, altered, moved or too
// much. What is accepted is verify_ledger's to say (ledger.h), which stops at the first; what exports that hold say
// together is reconcile_ledgers' (ledger_reconcile.h).
#pragma once

#include "pki/ledger.h"

namespace sallyport::pki {

// Reads as much of `exported` as can be read. Errc::malformed when there is nothing of a ledger in it.
//
// `after` is the sequence of the last entry that the export leaves out, 0 for a whole ledger; absent when its first
// entry says where it begins.
//
// Faults are gap, altered, misplaced, fork (a sequence for the second time), wrong_certificate and bad_signature. An
// entry is known to be whole when the one after it names its hash, or, for the last, when the head is signed; a
// certificate when its CA's signature holds. What neither proves is compared with the other. No finding is without a
// source of `source`.
Result<std::vector<LedgerFinding>> examine_ledger(ByteView exported, const Certificate& site_ca,
                                                  std::optional<std::uint64_t> after = 0, std::string_view source = {});

}  // namespace sallyport::pki
