#include "pki/snapshot_manifest.h"

#include <gtest/gtest.h>

#include "codec/text.h"
#include "codec/tlv.h"

namespace sallyport::pki {
namespace {

SnapshotManifest sample() {
  return {.number = 7,
          .base = 5,
          .issued_at = UnixTime(1'800'000'000),
          .portions = {crypto::sha256(as_bytes("one")), crypto::sha256(as_bytes("two"))}};
}

TEST(SnapshotManifest, HasTheDocumentedEncoding) {
  SnapshotManifest manifest{.number = 2, .base = 1, .issued_at = UnixTime(16)};
  manifest.portions.resize(1);
  manifest.portions.front().fill(0xAB);
  std::string digest;
  for (int i = 0; i < 32; ++i) digest += "ab";
  EXPECT_EQ(codec::encode_hex(encode_snapshot_manifest(manifest)),
            "0001000008"
            "0000000000000002"
            "0002000008"
            "0000000000000001"
            "0003000008"
            "0000000000000010"
            "0004000020" +
                digest);
}

TEST(SnapshotManifest, IsReadBackAsWritten) {
  auto parsed = parse_snapshot_manifest(encode_snapshot_manifest(sample()));
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(*parsed, sample());
}

TEST(SnapshotManifest, RefusesEveryPrefixAndEveryTrailingByte) {
  SnapshotManifest one = sample();
  one.portions.resize(1);
  Bytes whole = encode_snapshot_manifest(one);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(parse_snapshot_manifest(ByteView(whole).first(length))) << length;
  }
  whole.push_back(0);
  EXPECT_FALSE(parse_snapshot_manifest(whole));
}

TEST(SnapshotManifest, NamesBetweenOnePortionAndTheMost) {
  SnapshotManifest manifest = sample();
  manifest.portions.clear();
  EXPECT_FALSE(parse_snapshot_manifest(encode_snapshot_manifest(manifest)));
  manifest.portions.resize(kMaxSnapshotPortions);
  EXPECT_TRUE(parse_snapshot_manifest(encode_snapshot_manifest(manifest)));
  manifest.portions.resize(kMaxSnapshotPortions + 1);
  EXPECT_FALSE(parse_snapshot_manifest(encode_snapshot_manifest(manifest)));
}

TEST(SnapshotManifest, RefusesNumbersThatContradictEachOther) {
  for (auto [number, base] : {std::pair<std::uint64_t, std::uint64_t>{0, 0}, {4, 4}, {4, 5}}) {
    SnapshotManifest manifest = sample();
    manifest.number = number;
    manifest.base = base;
    auto parsed = parse_snapshot_manifest(encode_snapshot_manifest(manifest));
    ASSERT_FALSE(parsed) << number << " " << base;
    EXPECT_EQ(parsed.error().code, Errc::malformed);
  }
}

}  // namespace
}  // namespace sallyport::pki
