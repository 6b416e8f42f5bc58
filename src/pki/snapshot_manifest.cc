#include "pki/snapshot_manifest.h"

#include "codec/tlv.h"

namespace sallyport::pki {
namespace {

constexpr std::uint16_t kNumber = 1;
constexpr std::uint16_t kBase = 2;
constexpr std::uint16_t kIssuedAt = 3;
constexpr std::uint16_t kPortionSha256 = 4;
constexpr std::string_view kSnapshotManifest = "snapshot manifest";

}  // namespace

Bytes encode_snapshot_manifest(const SnapshotManifest& manifest) {
  codec::TlvWriter out;
  out.u64(kNumber, manifest.number).u64(kBase, manifest.base).time(kIssuedAt, manifest.issued_at);
  for (const crypto::Sha256Digest& portion : manifest.portions) out.bytes(kPortionSha256, portion);
  return out.take();
}

Result<SnapshotManifest> parse_snapshot_manifest(ByteView payload) {
  codec::TlvReader in(payload, kSnapshotManifest);
  SnapshotManifest manifest;
  TRY(manifest.number, in.u64(kNumber));
  TRY(manifest.base, in.u64(kBase));
  TRY(manifest.issued_at, in.time(kIssuedAt));
  do {
    if (manifest.portions.size() == kMaxSnapshotPortions) {
      return failf(Errc::malformed, "snapshot manifest: found more than {} portions", kMaxSnapshotPortions);
    }
    TRY(auto digest, in.array<32>(kPortionSha256));
    manifest.portions.push_back(digest);
  } while (in.next_is(kPortionSha256));
  TRY_VOID(in.finish());
  if (manifest.number == 0) return fail(Errc::malformed, "snapshot manifest: found number 0, want at least 1");
  if (manifest.base >= manifest.number) {
    return failf(Errc::malformed, "snapshot manifest: found base {}, want below number {}", manifest.base,
                 manifest.number);
  }
  return manifest;
}

}  // namespace sallyport::pki
