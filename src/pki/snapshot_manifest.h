// The manifest of a snapshot: the payload of a signed object of kind "snapshot" (DESIGN §8). Its signature covers the
// update that it names by hash, so a role may take the update from anywhere.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"
#include "crypto/hash.h"

namespace sallyport::pki {

struct SnapshotManifest {
  std::uint64_t number = 0;  // 1, 2, 3, …; never falls within one installation
  std::uint64_t base = 0;    // the number that the update builds on, below `number`; 0: the update is a full state
  UnixTime issued_at;
  crypto::Sha256Digest update_sha256{};

  friend bool operator==(const SnapshotManifest&, const SnapshotManifest&) = default;
};

// The TLV payload. Fields: 1 number, 2 base, 3 issued at, 4 SHA-256 of the update.
Bytes encode_snapshot_manifest(const SnapshotManifest& manifest);
// Fails with Errc::malformed on anything but the four fields, number 0, or a base that is not below the number.
Result<SnapshotManifest> parse_snapshot_manifest(ByteView payload);

}  // namespace sallyport::pki
