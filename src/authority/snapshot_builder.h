// Snapshot updates out of the records.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "records/database.h"
#include "records/snapshot.h"

namespace sallyport::authority {

// Builds what changed since `base`, a number that the records once had, or with base 0 the full state. CAs and root
// CRL, which go into every update, are read with the rest, so that no number ever shows those of another.
Result<records::SnapshotUpdate> build_snapshot_update(records::Records& records, std::uint64_t base, UnixTime now);

// Every CA in use, the root first. A revoked site's is left out.
Result<std::vector<records::SnapshotCa>> read_snapshot_cas(records::Records& records);

}  // namespace sallyport::authority
