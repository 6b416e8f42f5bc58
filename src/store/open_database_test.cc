#include "store/detail/open_database.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/random.h"
#include "store/detail/commit_queue.h"
#include "store/detail/shared_database.h"
#include "store/detail/test_folder.h"
#include "store/record_database.h"
#include "store/telemetry_sink.h"

namespace sallyport::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFirst[] = {"CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT NOT NULL) STRICT"};
constexpr const char* kSecond[] = {kFirst[0], "ALTER TABLE t ADD COLUMN c INTEGER NOT NULL DEFAULT 7"};
constexpr const char* kBroken[] = {kFirst[0], "CREATE TABLE u(a INTEGER) STRICT; INSERT INTO nowhere VALUES(1)"};
constexpr Schema kVersion1{.name = "test", .application_id = 0x53507878, .migrations = kFirst};
constexpr Schema kVersion2{.name = "test", .application_id = 0x53507878, .migrations = kSecond};
constexpr Schema kVersion2Broken{.name = "test", .application_id = 0x53507878, .migrations = kBroken};
constexpr Schema kOther{.name = "other", .application_id = 0x53507879, .migrations = kFirst};

Errc error_of(const fs::path& path, const Schema& schema) {
  const auto opened = open_writer(path, schema);
  EXPECT_FALSE(opened);
  return opened ? Errc::internal : opened.error().code;
}

void make(const fs::path& path, int rows = 100) {
  auto database = open_writer(path, kVersion1);
  ASSERT_TRUE(database) << database.error().detail;
  for (int i = 0; i < rows; ++i) ASSERT_TRUE(database->run("INSERT INTO t(b) VALUES(?1)", std::string(100, 'x')));
}

TEST(OpenDatabase, MakesAWholeFileOfMode0600) {
  const TestFolder folder;
  make(folder.file("a.db"));
  const auto mode = fs::status(folder.file("a.db")).permissions();
  EXPECT_EQ(mode, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_FALSE(fs::exists(folder.file("a.db.new")));
  auto again = open_writer(folder.file("a.db"), kVersion1).value();
  EXPECT_EQ(again.integer("SELECT count(*) FROM t").value(), 100);
  {
    auto mode_query = again.query("PRAGMA journal_mode");
    ASSERT_TRUE(mode_query && mode_query->next().value());
    EXPECT_EQ(mode_query->text(0), "wal");
  }
  EXPECT_EQ(again.integer("PRAGMA synchronous").value(), 2);
  EXPECT_EQ(again.integer("PRAGMA foreign_keys").value(), 1);
}

TEST(OpenDatabase, RunsMissingMigrations) {
  const TestFolder folder;
  make(folder.file("a.db"), 1);
  auto database = open_writer(folder.file("a.db"), kVersion2).value();
  EXPECT_EQ(database.integer("SELECT c FROM t").value(), 7);
  EXPECT_EQ(database.integer("PRAGMA user_version").value(), 2);
}

TEST(OpenDatabase, UndoesAMigrationThatFails) {
  const TestFolder folder;
  make(folder.file("a.db"), 1);
  EXPECT_FALSE(open_writer(folder.file("a.db"), kVersion2Broken));
  auto database = open_writer(folder.file("a.db"), kVersion1).value();
  EXPECT_EQ(database.integer("PRAGMA user_version").value(), 1);
  EXPECT_EQ(database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'u'").value(), 0);
}

TEST(OpenDatabase, RefusesANewerSchemaInOneSentence) {
  const TestFolder folder;
  {
    ASSERT_TRUE(open_writer(folder.file("a.db"), kVersion2));
  }
  const auto refused = open_writer(folder.file("a.db"), kVersion1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_EQ(refused.error().detail,
            folder.file("a.db").native() + ": found schema version 2, this program knows 1; use the newer program");
}

TEST(OpenDatabase, RefusesWhatIsNotOurs) {
  const TestFolder folder;
  make(folder.file("a.db"));
  EXPECT_EQ(error_of(folder.file("a.db"), kOther), Errc::conflict);
  std::ofstream(folder.file("empty.db")).flush();
  EXPECT_EQ(error_of(folder.file("empty.db"), kVersion1), Errc::malformed);
  std::ofstream(folder.file("text.db")) << std::string(8'192, 'x');
  EXPECT_EQ(error_of(folder.file("text.db"), kVersion1), Errc::malformed);
  fs::create_directory(folder.file("folder.db"));
  EXPECT_EQ(error_of(folder.file("folder.db"), kVersion1), Errc::malformed);
  EXPECT_EQ(error_of(folder.file("none") / "a.db", kVersion1), Errc::unavailable);
}

TEST(OpenDatabase, NeverBeginsAnewBesideAnOrphanedJournal) {
  const TestFolder folder;
  std::ofstream(folder.file("a.db-wal")) << "x";
  EXPECT_EQ(error_of(folder.file("a.db"), kVersion1), Errc::malformed);
  EXPECT_FALSE(fs::exists(folder.file("a.db")));
}

TEST(OpenDatabase, ReplacesWhatACrashLeftUnfinished) {
  const TestFolder folder;
  std::ofstream(folder.file("a.db.new")) << "half";
  make(folder.file("a.db"));
}

TEST(OpenDatabase, NoticesATruncatedFile) {
  const TestFolder folder;
  make(folder.file("a.db"), 1'000);
  const auto whole = fs::file_size(folder.file("a.db"));
  ASSERT_GT(whole, 40'000U);
  for (const auto size : {whole / 2, whole - 4'096, std::uintmax_t{4'096}, std::uintmax_t{100}}) {
    fs::copy_file(folder.file("a.db"), folder.file("cut.db"), fs::copy_options::overwrite_existing);
    fs::resize_file(folder.file("cut.db"), size);
    EXPECT_EQ(error_of(folder.file("cut.db"), kVersion1), Errc::malformed) << size;
  }
}

TEST(OpenDatabase, SurvivesBitFlipsWithoutWritingToADamagedFile) {
  const TestFolder folder;
  make(folder.file("a.db"), 300);
  SeededRandom random(5);
  int noticed = 0;
  for (int round = 0; round < 100; ++round) {
    const auto path = folder.file("flipped.db");
    fs::copy_file(folder.file("a.db"), path, fs::copy_options::overwrite_existing);
    for (int i = 0; i < 8; ++i) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      // Page structure: the first bytes of each page.
      const auto offset =
          static_cast<std::streamoff>(random.below(fs::file_size(path) / 4'096) * 4'096 + random.below(64));
      file.seekg(offset);
      const int byte = file.get();
      file.seekp(offset);
      file.put(static_cast<char>(static_cast<unsigned>(byte) ^ (1U << random.below(8))));
    }
    auto opened = open_writer(path, kVersion1);
    if (opened) continue;
    ++noticed;
    EXPECT_FALSE(opened.error().detail.empty());
  }
  EXPECT_GT(noticed, 80) << "of 100";
}

TEST(FileLock, KeepsASecondUserOut) {
  const TestFolder folder;
  const auto first = SharedDatabase::open(folder.file("a.db"), kVersion1);
  ASSERT_TRUE(first) << first.error().detail;
  const auto second = SharedDatabase::open(folder.file("a.db"), kVersion1);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(FileLock::take(folder.file("a.db")) ? 1 : 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(FileLock, IsFreeAfterItsEnd) {
  const TestFolder folder;
  {
    ASSERT_TRUE(FileLock::take(folder.file("a.db")));
  }
  EXPECT_TRUE(FileLock::take(folder.file("a.db")));
}

TEST(Schemas, AllOpenTwiceAndAreDistinct) {
  const TestFolder folder;
  const Schema* schemas[] = {&kRecordsSchema, &kTelemetryQueueSchema, &kTelemetrySinkSchema};
  for (const Schema* schema : schemas) {
    const auto path = folder.file(std::string(schema->name));
    for (int i = 0; i < 2; ++i) {
      const auto opened = open_writer(path, *schema);
      ASSERT_TRUE(opened) << opened.error().detail;
    }
    for (const Schema* other : schemas) {
      if (other != schema) EXPECT_EQ(error_of(path, *other), Errc::conflict);
    }
  }
}

TEST(Schemas, AreStrictThroughout) {
  for (const Schema* schema : {&kRecordsSchema, &kTelemetryQueueSchema, &kTelemetrySinkSchema}) {
    auto database = open_writer(":memory:", *schema).value();
    EXPECT_EQ(database
                  .integer("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' "
                           "AND strict = 0")
                  .value(),
              0);
  }
}

}  // namespace
}  // namespace sallyport::store
