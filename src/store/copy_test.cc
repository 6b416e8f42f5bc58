#include "store/copy.h"

#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "store/detail/record_database_fixture.h"

namespace sallyport::store {
namespace {

using namespace records;

RecordDatabase::Work put(std::uint32_t value) {
  return [value](Records& records) -> Result<void> {
    TRY_VOID(records.put_value("a", Writer().u32(value).view()));
    return records.put_value("b", Writer().u32(value).view());
  };
}

std::optional<Bytes> value_in(const std::filesystem::path& path, std::string_view name) {
  const auto database = open_record_database(path);
  EXPECT_TRUE(database) << (database ? "" : database.error().detail);
  std::optional<Bytes> found;
  EXPECT_TRUE((*database)->read([&](Records& records) -> Result<void> {
    TRY(found, records.find_value(name));
    return {};
  }));
  return found;
}

TEST(CopyOfADatabase, IsMadeWhileItIsOpenAndHasWhatWasCommitted) {
  const TestFolder folder;
  const auto database = open_record_database(folder.file("records.db"));
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->write_and_wait(put(1)));
  const auto copied = copy_database(folder.file("records.db"), folder.file("copy.db"));
  ASSERT_TRUE(copied) << copied.error().detail;
  ASSERT_TRUE((*database)->write_and_wait(put(2)));
  EXPECT_EQ(value_in(folder.file("copy.db"), "a"), to_bytes(Writer().u32(1).view()));
  ASSERT_TRUE(check_record_database(folder.file("copy.db")));
  struct stat status{};
  ASSERT_EQ(::stat(folder.file("copy.db").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST(CopyOfADatabase, IsOfOneMomentThoughItIsWrittenTo) {
  const TestFolder folder;
  const auto database = open_record_database(folder.file("records.db"));
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->write_and_wait(put(0)));
  std::atomic<bool> is_over = false;
  std::thread writer([&] {
    for (std::uint32_t i = 1; !is_over; ++i) EXPECT_TRUE((*database)->write_and_wait(put(i)));
  });
  for (int i = 0; i < 20; ++i) {
    const auto copy = folder.file(fmt::format("copy-{}.db", i));
    const auto copied = copy_database(folder.file("records.db"), copy);
    EXPECT_TRUE(copied) << copied.error().detail;
    EXPECT_EQ(value_in(copy, "a"), value_in(copy, "b"));
  }
  is_over = true;
  writer.join();
}

TEST(CopyOfADatabase, ReplacesNothingAndMakesNothingOfNothing) {
  const TestFolder folder;
  EXPECT_EQ(copy_database(folder.file("nothing.db"), folder.file("copy.db")).error().code, Errc::not_found);
  EXPECT_FALSE(std::filesystem::exists(folder.file("nothing.db")));
  {
    ASSERT_TRUE(open_record_database(folder.file("records.db")));
  }
  std::ofstream(folder.file("copy.db")) << "mine";
  EXPECT_EQ(copy_database(folder.file("records.db"), folder.file("copy.db")).error().code, Errc::conflict);
}

}  // namespace
}  // namespace sallyport::store
