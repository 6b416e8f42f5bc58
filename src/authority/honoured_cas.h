// When an online CA is revoked, its devices need not be lost: one may ask for a new certificate under the old one, if
// exactly that one was recorded before the time at which, as its owner states, the CA's key was still his.
#pragma once

#include <vector>

#include "authority/core.h"

namespace sallyport::authority {

struct HonouredCa {
  records::CaName ca;      // a replaced one: "online-ca@<serial>"
  UnixTime issued_before;  // certificates recorded before this are honoured
};

Result<std::vector<HonouredCa>> list_honoured_cas(records::Records& records);
// States it, or states it anew. Errc::overloaded beyond what an installation has of CAs.
Result<void> honour_ca(records::Records& records, const HonouredCa& honoured);
// Nothing of that CA is honoured any more.
Result<void> honour_ca_no_more(records::Records& records, const records::CaName& ca);

// Errc::unauthorized unless `leaf`, byte for byte, is recorded as issued, not revoked, and recorded before the time
// stated for `ca`.
Result<void> check_honoured(records::Records& records, const records::CaName& ca, const pki::Certificate& leaf);

// The chain of an operational device (leaf and its CA), verified at `at` apart from the root CRLs, which list its CA,
// when exactly this leaf is honoured.
Result<pki::VerifiedChain> verify_honoured(const Core& core, std::span<const pki::Certificate> chain, UnixTime at);

// How many of the CA's certificates that have neither ended nor been revoked would be honoured, and how many not.
struct HonouredCounts {
  std::uint64_t honoured = 0;
  std::uint64_t refused = 0;
};
Result<HonouredCounts> count_honoured(records::Records& records, const HonouredCa& honoured,
                                      const pki::Certificate& certificate, UnixTime now);

}  // namespace sallyport::authority
