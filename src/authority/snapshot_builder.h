// Snapshot updates out of the records.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "records/database.h"
#include "records/snapshot.h"

namespace sallyport::authority {

// Builds what changed since `base`, a number that the records once had, or with base 0 the full state. `cas` and
// `root_crl` are those of the installation and go into every update.
Result<records::SnapshotUpdate> build_snapshot_update(records::Records& records,
                                                      const std::vector<records::SnapshotCa>& cas, ByteView root_crl,
                                                      std::uint64_t base, UnixTime now);

}  // namespace sallyport::authority
