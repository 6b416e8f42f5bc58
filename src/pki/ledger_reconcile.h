// Reconciliation: what several exports of one site and the installation's white-list say together. The import refuses
// at the first fault; this names every one, for the person who must find out what happened at the factory.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pki/ledger.h"

namespace sallyport::pki {

inline constexpr std::size_t kMaxLedgerFindings = 10'000;

struct LedgerSource {
  std::string name;  // of the file
  LedgerExport ledger;
};

// A device as the installation took it in.
struct WhiteListEntry {
  SerialId serial_id;
  SerialNumber certificate_serial;
  Sha256Digest spki{};
};

// Borrows for the call.
struct ReconcileContext {
  const Certificate& site_ca;
  const SitePermit& permit;
  LedgerHead accepted;  // what the installation has taken in
  std::span<const WhiteListEntry> white_list;
};

// Returns every fault, in order of sequence, at most kMaxLedgerFindings: exports that are not the site's (their entries
// then do not count), two entries of one sequence (fork), a sequence that no export has between the first known and the
// last (gap), entries that do not name the one before (fork), an accepted entry that is another now (fork), exports
// that end before what was accepted (stale), numbers, names and times outside the permit, serial ids, certificate
// serials and keys of two entries, certificates that are not what their entry says, and devices of the white-list that
// the exports contradict or, where these go back to the first entry, lack (fork).
std::vector<LedgerFinding> reconcile_ledgers(std::span<const LedgerSource> sources, const ReconcileContext& context);

}  // namespace sallyport::pki
