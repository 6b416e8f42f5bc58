// The manifest of a snapshot: the payload of a signed object of kind "snapshot". Its signature covers the
// update, which it names portion by portion, so a role may take the portions from anywhere and check each as it comes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "crypto/hash.h"

namespace sallyport::pki {

// A portion is a mebibyte or a little more (records/snapshot.h), so this many are a state of 50 million certificates.
inline constexpr std::size_t kMaxSnapshotPortions = 4'096;

struct SnapshotManifest {
  std::uint64_t number = 0;  // 1, 2, 3, …; never falls within one installation
  std::uint64_t base = 0;    // the number that the update builds on, below `number`; 0: the update is a full state
  UnixTime issued_at;
  std::vector<crypto::Sha256Digest> portions;  // SHA-256 of each, in order; at least one

  friend bool operator==(const SnapshotManifest&, const SnapshotManifest&) = default;
};

// The TLV payload. Fields: 1 number, 2 base, 3 issued at, 4 SHA-256 of a portion, repeated.
Bytes encode_snapshot_manifest(const SnapshotManifest& manifest);
// Fails with Errc::malformed on anything but the four fields, number 0, a base that is not below the number, no portion
// or more than kMaxSnapshotPortions.
Result<SnapshotManifest> parse_snapshot_manifest(ByteView payload);

}  // namespace sallyport::pki
