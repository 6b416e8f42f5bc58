#include "records/log_record.h"

#include <future>
#include <latch>

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

// What works of one commit know together goes back with the one that is undone, whether it has a savepoint of its own
// or the others are run again.
TEST_P(LogRecordsTest, WorksOfOneCommitCountOnFromEachOtherAndNotFromWhatWasUndone) {
  std::latch begun(1);
  std::latch held(1);
  database_->write(
      [&](Records&) -> Result<void> {
        begun.count_down();
        held.wait();
        return {};
      },
      [](Result<void>) {});
  begun.wait();
  std::array<std::promise<Result<void>>, 6> answers;
  const auto append = [](std::uint64_t index, bool fails) {
    return [index, fails](Records& records) -> Result<void> {
      TRY(const auto size, records.log().size());
      EXPECT_EQ(size, index);
      TRY_VOID(records.log().append(index, row(static_cast<std::uint8_t>(index))));
      TRY_VOID(records.raise_change_number());
      TRY(const auto number, records.change_number());
      EXPECT_EQ(number, index + 1);
      return fails ? Result<void>(fail(Errc::unauthorized, "no")) : Result<void>();
    };
  };
  const auto answer = [&](std::size_t i) {
    return [&answers, i](Result<void> result) { answers[i].set_value(std::move(result)); };
  };
  database_->write_repeatable(append(0, false), answer(0));
  database_->write_repeatable(append(1, true), answer(1));
  database_->write_repeatable(append(1, false), answer(2));
  database_->write(append(2, true), answer(3));
  database_->write(append(2, false), answer(4));
  database_->write_repeatable([](Records& records) { return records.log().append(2, row(9)); }, answer(5));
  held.count_down();
  const std::array wanted = {true, false, true, false, true, false};
  for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i].get_future().get().has_value(), wanted[i]) << i;
  EXPECT_EQ(change_number(), 3U);
  read([](Records& records) -> Result<void> {
    EXPECT_EQ(*records.log().size(), 3U);
    EXPECT_EQ(*records.log().entries(0, 9), (std::vector<Bytes>{Bytes(4, 0), Bytes(4, 1), Bytes(4, 2)}));
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
