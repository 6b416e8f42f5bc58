// Snapshot updates out of the records. Nothing here belongs to a thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "records/database.h"
#include "records/snapshot.h"

namespace sallyport::authority {

// An update in its final form.
struct BuiltSnapshot {
  std::uint64_t number = 0;
  std::uint64_t base = 0;
  UnixTime issued_at;
  std::vector<Bytes> portions;  // at least one
};

// Builds what changed since `base`, a number that the records once had, or with base 0 the full state. CAs and root
// CRL, which go into every update, are read with the rest, so that no number ever shows those of another. Takes as much
// memory as the result. Errc::overloaded when the CAs and the CRL are too large for one first portion.
Result<BuiltSnapshot> build_snapshot(records::Records& records, std::uint64_t base, UnixTime now);

// Every CA in use, the newest root first, with what is older. A revoked site's is left out.
Result<std::vector<records::SnapshotCa>> read_snapshot_cas(records::Records& records);

}  // namespace sallyport::authority
