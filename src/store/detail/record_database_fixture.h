// What the tests of every interface of the records share.
#pragma once

#include <gtest/gtest.h>

#include "store/detail/test_folder.h"
#include "store/record_database.h"

namespace sallyport::store {

inline records::Digest digest(std::uint8_t fill) {
  records::Digest out;
  out.fill(fill);
  return out;
}

// Each test runs on a database in memory and on one in a file that is opened again before it is read.
class RecordDatabaseTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { reopen(); }
  void reopen() {
    if (database_ && !GetParam()) return;
    database_.reset();
    auto opened = open_record_database(GetParam() ? folder_.file("records.db") : ":memory:");
    ASSERT_TRUE(opened) << opened.error().detail;
    database_ = std::move(*opened);
  }
  Result<void> write(const records::RecordDatabase::Work& work) { return database_->write_and_wait(work); }
  void must_write(const records::RecordDatabase::Work& work) {
    const auto written = write(work);
    ASSERT_TRUE(written) << written.error().detail;
  }
  Errc refused(const records::RecordDatabase::Work& work) {
    const auto written = write(work);
    EXPECT_FALSE(written);
    return written ? Errc::internal : written.error().code;
  }
  void read(const records::RecordDatabase::Work& work) {
    reopen();
    const auto result = database_->read(work);
    ASSERT_TRUE(result) << result.error().detail;
  }
  std::uint64_t change_number() {
    std::uint64_t number = 0;
    read([&](records::Records& records) -> Result<void> {
      TRY(number, records.change_number());
      return {};
    });
    return number;
  }

  TestFolder folder_;
  std::unique_ptr<records::RecordDatabase> database_;
};

}  // namespace sallyport::store
