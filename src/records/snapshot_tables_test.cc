#include "records/snapshot_tables.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <map>

#include "records/snapshot.h"

namespace sallyport::records {
namespace {

struct Pair {
  std::uint32_t id = 0;
  std::uint32_t value = 0;
  std::uint32_t key() const { return id; }
};

// Any order of insertions and replacements, over several merges.
TEST(CompactTable, HoldsWhatAMapWouldHold) {
  CompactTable<Pair> table;
  std::map<std::uint32_t, std::uint32_t> wanted;
  std::uint32_t x = 1;
  for (std::uint32_t i = 0; i < 40'000; ++i) {
    x = x * 1'664'525U + 1'013'904'223U;  // Numerical Recipes' generator
    const Pair pair{x >> 18U, i};
    table.put(pair);
    wanted.insert_or_assign(pair.id, pair.value);
  }
  EXPECT_EQ(table.size(), wanted.size());
  for (std::uint32_t id = 0; id < (1U << 14U); ++id) {
    const Pair* found = table.find(id);
    const auto expected = wanted.find(id);
    ASSERT_EQ(found != nullptr, expected != wanted.end()) << id;
    if (found != nullptr) EXPECT_EQ(found->value, expected->second);
  }
  std::map<std::uint32_t, std::uint32_t> seen;
  table.for_each([&](const Pair& pair) { return seen.emplace(pair.id, pair.value).second; });
  EXPECT_EQ(seen, wanted);
}

TEST(CompactTable, StopsWhenTheVisitorHasEnough) {
  CompactTable<Pair> table;
  for (std::uint32_t i = 0; i < 3'000; ++i) table.put({i, i});
  std::size_t visits = 0;
  table.for_each([&](const Pair&) { return ++visits < 2'500; });
  EXPECT_EQ(visits, 2'500U);
}

CertificateSerial serial_of(std::uint32_t number) {
  Writer writer;
  writer.u64(0x0123456789abcdef).u64(number * 0x9E3779B97F4A7C15ULL);
  return CertificateSerial(writer.take());
}

DeviceName name_of(std::uint32_t number) {
  std::string name(kDeviceNameLength, 'a');
  for (std::size_t i = 0; i < 7; ++i, number >>= 4U) name[i] = static_cast<char>('a' + number % 16);
  return DeviceName(name);
}

TEST(SnapshotTables, ARevocationReplacesItsCertificateAndNoOther) {
  SnapshotTables tables;
  const CaName ca("online-ca");
  SnapshotCertificate one{ca,           serial_of(1), CertificateKind::operational, "abcdefgh22",
                          UnixTime(50), std::nullopt, RevocationReason::unspecified};
  SnapshotCertificate longer = one;  // whose serial begins as the other's and ends in a zero
  Bytes serial = one.serial.get();
  serial.push_back(0);
  longer.serial = CertificateSerial(serial);
  longer.subject = "abcdefgh33";
  tables.put(one);
  tables.put(longer);
  one.revoked_at = UnixTime(40);
  one.reason = RevocationReason::key_compromise;
  tables.put(one);
  EXPECT_EQ(tables.certificate_count(), 2U);
  const auto found = tables.find_certificate(ca, one.serial);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->revoked_at, UnixTime(40));
  EXPECT_EQ(found->reason, RevocationReason::key_compromise);
  EXPECT_EQ(found->subject, "abcdefgh22");
  EXPECT_FALSE(tables.find_certificate(ca, longer.serial)->revoked_at);
  EXPECT_EQ(tables.find_certificate(ca, longer.serial)->subject, "abcdefgh33");
  EXPECT_FALSE(tables.find_certificate(CaName("web-ca"), one.serial));
  EXPECT_FALSE(tables.find_certificate(ca, CertificateSerial(Bytes(21, 1))));
}

std::size_t bytes_in_use() {
  const struct mallinfo2 heap = ::mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

// A fleet as status holds it: issue 4 gives it 400 MB for a million certificates. What is measured here is a tenth of
// that, through the portions that it comes in.
TEST(SnapshotState, AHundredThousandDevicesAndCertificatesTakeLessThanTwentyMegabytes) {
  constexpr std::uint32_t kCount = 100'000;
  SnapshotUpdate head;
  head.number = 1;
  head.cas = {{CaName("online-ca"), Bytes(600, 1)}};
  const std::size_t before = bytes_in_use();
  SnapshotWriter writer(head);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    SnapshotCertificate certificate{CaName("online-ca"), serial_of(i), CertificateKind::operational, name_of(i).get(),
                                    kNoExpiry,           std::nullopt, RevocationReason::unspecified};
    if (i % 100 == 0) certificate.revoked_at = UnixTime(1);
    writer.add(certificate);
  }
  for (std::uint32_t i = 0; i < kCount; ++i) writer.add(SnapshotDevice{name_of(i), DeviceState::claimed, true});
  std::vector<Bytes> portions = writer.take();
  ASSERT_GT(portions.size(), 5U);
  auto first = parse_snapshot_update(portions.front());
  ASSERT_TRUE(first) << first.error().detail;
  SnapshotAssembly assembly(*std::move(first));
  for (std::size_t i = 1; i < portions.size(); ++i) {
    EXPECT_LE(portions[i].size(), kMaxPortionBytes);
    const auto entries = parse_snapshot_portion(portions[i], assembly.head().cas);
    ASSERT_TRUE(entries) << entries.error().detail;
    assembly.add(*entries);
  }
  portions.clear();
  portions.shrink_to_fit();
  SnapshotState state;
  const auto change = state.apply(std::move(assembly));
  ASSERT_TRUE(change);
  EXPECT_TRUE(change->whole);
  EXPECT_EQ(state.certificate_count(), kCount);
  EXPECT_EQ(state.device_count(), kCount);
  for (std::uint32_t i = 0; i < kCount; i += 997) {
    const auto found = state.find_certificate(CaName("online-ca"), serial_of(i));
    ASSERT_TRUE(found) << i;
    EXPECT_EQ(found->subject, name_of(i).get());
    EXPECT_EQ(found->revoked_at.has_value(), i % 100 == 0);
    EXPECT_TRUE(state.find_device(name_of(i)));
  }
  EXPECT_LT(bytes_in_use(), before + 20'000'000);
}

TEST(SnapshotState, TellsWhatAChangeChanged) {
  const CaName ca("online-ca");
  const SnapshotCertificate certificate{ca,           serial_of(1), CertificateKind::operational, "abcdefgh22",
                                        UnixTime(50), std::nullopt, RevocationReason::unspecified};
  SnapshotState state;
  SnapshotUpdate full{.number = 1, .base = 0, .issued_at = UnixTime(1), .cas = {{ca, Bytes{1}}}, .root_crl = Bytes{1}};
  ASSERT_TRUE(state.apply(full)->whole);
  SnapshotUpdate change = full;
  change.number = 2;
  change.base = 1;
  change.certificates = {certificate};
  const auto changed = state.apply(change);
  ASSERT_TRUE(changed);
  EXPECT_FALSE(changed->whole);
  EXPECT_FALSE(changed->authorities);
  ASSERT_EQ(changed->certificates.size(), 1U);
  EXPECT_EQ(changed->certificates.front().second, certificate.serial);
  change.number = 3;
  change.base = 2;
  change.root_crl = Bytes{2};
  EXPECT_TRUE(state.apply(change)->authorities);
}

TEST(Snapshot, APortionNamesOnlyCasOfTheFirst) {
  SnapshotUpdate head;
  head.number = 1;
  head.cas = {{CaName("online-ca"), Bytes(records::kPortionBytes, 1)}};  // so that the first portion is full
  SnapshotWriter writer(head);
  writer.add(SnapshotCertificate{CaName("online-ca"), serial_of(1), CertificateKind::web, "abcdefgh22", UnixTime(5),
                                 std::nullopt, RevocationReason::unspecified});
  const auto portions = writer.take();
  ASSERT_EQ(portions.size(), 2U);
  EXPECT_TRUE(parse_snapshot_portion(portions[1], head.cas));
  EXPECT_FALSE(parse_snapshot_portion(portions[1], {}));
  EXPECT_FALSE(parse_snapshot_portion(portions[0], head.cas)) << "a first portion is not a later one";
}

TEST(Snapshot, ACaThatIsNamedTwiceIsRefused) {
  SnapshotUpdate head;
  head.number = 1;
  head.cas = {{CaName("online-ca"), Bytes{1}}, {CaName("online-ca"), Bytes{2}}};
  EXPECT_FALSE(parse_snapshot_update(encode_snapshot_update(head)));
}

}  // namespace
}  // namespace sallyport::records
