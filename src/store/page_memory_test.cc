#include "store/page_memory.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>

#include "store/detail/open_database.h"
#include "store/detail/test_folder.h"

namespace sallyport::store {
namespace {

constexpr const char* kTexts[] = {"CREATE TABLE t(text TEXT NOT NULL) STRICT"};
constexpr Schema kTextsSchema{.name = "test", .application_id = 0x53507878, .migrations = kTexts};
constexpr int kPageBytes = 4'096;

constexpr int kLarge = 100'000;

// What SQLite asked its allocator for.
struct Asked {
  int pages = 0;  // one page and what SQLite keeps beside it
  int large = 0;  // bytes that it holds in pieces over kLarge
};

Asked asked;
sqlite3_mem_methods below;

void* allocate(int bytes) {
  if (bytes > kPageBytes && bytes < 2 * kPageBytes) ++asked.pages;
  if (bytes > kLarge) asked.large += below.xRoundup(bytes);
  return below.xMalloc(bytes);
}

void give_back(void* piece) {
  if (const int bytes = below.xSize(piece); bytes > kLarge) asked.large -= bytes;
  below.xFree(piece);
}

void watch_allocator() {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &below);
  sqlite3_mem_methods watched = below;
  watched.xMalloc = allocate;
  watched.xFree = give_back;
  sqlite3_config(SQLITE_CONFIG_MALLOC, &watched);
}

bool fill(Database& database, int pages) {
  for (int i = 0; i < pages; ++i) {
    if (!database.run("INSERT INTO t VALUES(?1)", std::string(kPageBytes - 500, 'x'))) return false;
  }
  return true;
}

// What opening a database with a reader and using a hundred of its pages asked for; nothing when that failed.
Asked asked_by_use() {
  const TestFolder folder;
  auto database = open_writer(folder.file("database"), kTextsSchema);
  auto reader = open_reader(folder.file("database"));
  asked.pages = 0;
  const bool used = database && reader && fill(*database, 100) && reader->integer("SELECT sum(length(text)) FROM t");
  return used ? asked : Asked{};
}

// For a process of its own, whose SQLite nobody has touched.
[[noreturn]] void say_what_is_asked(bool at_once) {
  watch_allocator();
  if (at_once && !take_pages_at_once()) std::exit(1);
  const Asked by_use = asked_by_use();
  std::fprintf(stderr, "%d pages of their own, %d bytes in large pieces\n", by_use.pages, by_use.large);
  std::exit(0);
}

TEST(PageMemory, IsTakenPageByPageOrAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(say_what_is_asked(false), testing::ExitedWithCode(0),
              "^1[0-9]{2} pages of their own, 0 bytes in large pieces");
  // A megabyte of the writer's, and a quarter of the reader's.
  EXPECT_EXIT(say_what_is_asked(true), testing::ExitedWithCode(0),
              "^[0-9]{1,2} pages of their own, 1[23][0-9]{5} bytes in large pieces");
}

TEST(PageMemory, CannotBeSetOnceADatabaseWasOpened) {
  const TestFolder folder;
  ASSERT_TRUE(open_writer(folder.file("records"), kTextsSchema));
  const auto late = take_pages_at_once();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::internal);
}

}  // namespace
}  // namespace sallyport::store
