#include "records/log_record.h"

#include "store/detail/record_database_fixture.h"

namespace sallyport::store {
namespace {

using namespace records;

using LogRecordsTest = RecordDatabaseTest;
INSTANTIATE_TEST_SUITE_P(Kinds, LogRecordsTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "file" : "memory"; });

LogRow row(std::uint8_t fill) {
  return {.entry = Bytes(4, fill), .certificate = std::nullopt, .audit_sequence = std::nullopt};
}

TEST_P(LogRecordsTest, KeepsEntriesInOrderWithoutGaps) {
  read([](Records& records) -> Result<void> {
    EXPECT_EQ(*records.log().size(), 0U);
    EXPECT_TRUE(records.log().entries(0, 10)->empty());
    return {};
  });
  EXPECT_EQ(refused([](Records& records) { return records.log().append(1, row(1)); }), Errc::conflict);
  for (std::uint8_t i = 0; i < 5; ++i) {
    must_write([&](Records& records) { return records.log().append(i, row(i)); });
  }
  EXPECT_EQ(refused([](Records& records) { return records.log().append(4, row(9)); }), Errc::conflict);
  EXPECT_EQ(refused([](Records& records) { return records.log().append(6, row(9)); }), Errc::conflict);
  read([](Records& records) -> Result<void> {
    EXPECT_EQ(*records.log().size(), 5U);
    const auto some = records.log().entries(2, 2);
    EXPECT_EQ(*some, (std::vector<Bytes>{Bytes(4, 2), Bytes(4, 3)}));
    EXPECT_EQ(records.log().entries(4, 100)->size(), 1U);
    return {};
  });
}

TEST_P(LogRecordsTest, TakesNoEntryFromATransactionThatFailed) {
  EXPECT_EQ(refused([](Records& records) -> Result<void> {
              TRY_VOID(records.log().append(0, row(1)));
              return fail(Errc::unauthorized, "no");
            }),
            Errc::unauthorized);
  read([](Records& records) -> Result<void> {
    EXPECT_EQ(*records.log().size(), 0U);
    return {};
  });
}

TEST_P(LogRecordsTest, LogsNoCertificateAndNoAuditEventTwice) {
  LogRow certificate = row(1);
  certificate.certificate = digest(7);
  LogRow event = row(2);
  event.audit_sequence = 9;
  must_write([&](Records& records) { return records.log().append(0, certificate); });
  must_write([&](Records& records) { return records.log().append(1, event); });
  EXPECT_EQ(refused([&](Records& records) { return records.log().append(2, certificate); }), Errc::conflict);
  EXPECT_EQ(refused([&](Records& records) { return records.log().append(2, event); }), Errc::conflict);
  read([](Records& records) -> Result<void> {
    EXPECT_EQ(*records.log().find_certificate(digest(7)), 0U);
    EXPECT_EQ(*records.log().find_certificate(digest(8)), std::nullopt);
    EXPECT_EQ(*records.log().last_audit_sequence(), 9U);
    return {};
  });
}

TEST_P(LogRecordsTest, KeepsTilesAndKnowsHowFarTheyGo) {
  const Bytes hashes(3 * 32, 5);
  must_write([&](Records& records) -> Result<void> {
    EXPECT_EQ(*records.log().hashed(), 0U);
    TRY_VOID(records.log().put_tile(0, 0, Bytes(32, 1)));
    TRY_VOID(records.log().put_tile(0, 0, Bytes(256 * 32, 1)));
    TRY_VOID(records.log().put_tile(0, 1, hashes));
    return records.log().put_tile(1, 0, Bytes(32, 2));
  });
  read([&](Records& records) -> Result<void> {
    EXPECT_EQ(*records.log().hashed(), 259U);
    EXPECT_EQ(*records.log().find_tile(0, 1), hashes);
    EXPECT_EQ(*records.log().find_tile(1, 0), Bytes(32, 2));
    EXPECT_EQ(*records.log().find_tile(2, 0), std::nullopt);
    return {};
  });
  for (const std::size_t size : {0UL, 31UL, 33UL, 257UL * 32}) {
    EXPECT_FALSE(write([&](Records& records) { return records.log().put_tile(0, 2, Bytes(size, 1)); })) << size;
  }
}

}  // namespace
}  // namespace sallyport::store
