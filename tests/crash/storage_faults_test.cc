// The hostile cases D1, D3, D4 and D7 of issuance and storage: a full disk, a disk that fails, answers of the store
// that are lost, and database files that are not what they were.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <atomic>
#include <cerrno>

#include "issuance.h"

namespace sallyport::crash {
namespace {

using integration::kSite;

constexpr std::uint64_t kMostCalls = 1'000;  // more than one enrolment makes

// An installation whose ledger is in, and devices that come for the first time.
class StorageFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    scene_.put_back(scene_.base());
    SeededRandom random(1);
    auto run = AuthorityRun::open(scene_.installation(), scene_.database(), random);
    ASSERT_TRUE(run);
    ASSERT_TRUE((*run)->import_ledger(scene_.ledger(0, Issuance::kDevices)));
    run->reset();
    ready_ = read_image(scene_.folder());
  }
  void TearDown() override { FileCalls::get().stop(); }

  // Begins anew, under observation.
  void begin() {
    FileCalls::get().stop();
    scene_.put_back(ready_);
    FileCalls::get().watch(scene_.folder());
  }
  std::unique_ptr<AuthorityRun> open(std::function<void()> on_failure = {}) {
    auto run = AuthorityRun::open(scene_.installation(), scene_.database(), random_, std::move(on_failure));
    EXPECT_TRUE(run) << run.error().detail;
    return run ? *std::move(run) : nullptr;
  }
  // Sites, devices, certificates and the audit chain agree, and those leaves are in the record.
  void check(AuthorityRun& run, const std::vector<Ask>& done) {
    History history;
    history.asks = done;
    const auto held = run.database().read(
        [&](records::Records& records) { return scene_.check_records(records, history, FileCalls::get().position()); });
    EXPECT_TRUE(held) << held.error().detail;
  }
  static std::uint64_t enrolled(AuthorityRun& run) {
    std::uint64_t count = 0;
    EXPECT_TRUE(run.database().read([&](records::Records& records) -> Result<void> {
      TRY(auto site, records.sites().find(kSite));
      count = site->enrolled;
      return {};
    }));
    return count;
  }
  static Ask answered(Ask ask, Bytes leaf) {
    ask.leaf = std::move(leaf);
    ask.answered = 0;
    return ask;
  }
  // Says whether the sync that failed was one of the enrolment's own, or of the log's, after it.
  // `own`: whether the fault was met by what the device waits for.
  void crash_after_recovery(std::uint64_t number, bool& own);

  Issuance scene_;
  SeededRandom random_{20'261'121};
  Image ready_;
};

TEST_F(StorageFaults, D1DiskFullAtEachWriteOfIssuanceIsRefusedAndHealsByItself) {
  std::size_t refused = 0;
  for (std::uint64_t number = 1; number < kMostCalls; ++number) {
    begin();
    auto run = open();
    ASSERT_TRUE(run);
    const Ask ask = scene_.make_ask(Ask::Kind::enrol, 0);
    FileCalls::get().order({.call = Call::write, .first = number, .error = ENOSPC});
    auto leaf = run->ask(ask);
    const bool struck = FileCalls::get().has_struck();
    if (!leaf) {
      ++refused;
      ASSERT_EQ(leaf.error().code, Errc::overloaded) << number << ": " << leaf.error().detail;
    }
    check(*run, leaf ? std::vector{answered(ask, *leaf)} : std::vector<Ask>());
    FileCalls::get().heal();
    const auto again = run->ask(ask);
    ASSERT_TRUE(again) << number << ": " << again.error().detail;
    if (leaf) ASSERT_EQ(*again, *leaf) << number;
    ASSERT_EQ(enrolled(*run), 1U) << number;
    run.reset();
    run = open();
    check(*run, {answered(ask, *again)});
    ASSERT_FALSE(HasFailure()) << "disk full at write " << number;
    if (!struck) break;
  }
  EXPECT_GT(refused, 30U);
}

TEST_F(StorageFaults, D1DiskFullAtTheStartIsSaidAndTheNextStartSucceeds) {
  const Ask ask = scene_.make_ask(Ask::Kind::enrol, 0);
  for (std::uint64_t number = 1; number < kMostCalls; ++number) {
    begin();
    FileCalls::get().order({.call = Call::write, .first = number, .error = ENOSPC});
    auto run = AuthorityRun::open(scene_.installation(), scene_.database(), random_);
    const bool struck = FileCalls::get().has_struck();
    if (!run) EXPECT_NE(run.error().detail.find("disk is full"), std::string::npos) << run.error().detail;
    if (run) run->reset();
    FileCalls::get().heal();
    auto next = open();
    ASSERT_TRUE(next && next->ask(ask)) << number;
    ASSERT_EQ(enrolled(*next), 1U);
    if (!struck) return;
  }
  FAIL() << "more than " << kMostCalls << " writes at a start";
}

// What was acknowledged by the process after the one whose fsync failed must survive a power cut, though the kernel
// takes the pages that it lost for written.
void StorageFaults::crash_after_recovery(std::uint64_t number, bool& own) {
  const Ask first = scene_.make_ask(Ask::Kind::enrol, 0);
  begin();
  std::atomic<int> told = 0;
  auto run = open([&] { ++told; });
  FileCalls::get().order({.call = Call::sync, .first = number, .error = EIO});
  const auto leaf = run->ask(first);
  own = !leaf;
  if (leaf && !FileCalls::get().has_struck()) {
    const auto head = run->sign_log();
    ASSERT_EQ(head.has_value(), !FileCalls::get().has_struck()) << number;
  }
  if (!FileCalls::get().has_struck()) return;  // works that came at once shared a sync this time, so there were fewer
  const std::uint64_t tries = FileCalls::get().count(Call::sync);
  const auto other = run->ask(scene_.make_ask(Ask::Kind::enrol, 1));
  ASSERT_FALSE(other) << "writes must be refused once a sync has failed";
  EXPECT_EQ(other.error().code, Errc::unavailable);
  EXPECT_EQ(told, 1) << "the process must be told to end, once";
  run.reset();
  EXPECT_EQ(FileCalls::get().count(Call::sync), tries) << "a sync that failed must not be tried again";
  FileCalls::get().heal();

  run = open();
  std::vector<Ask> done;
  for (const Ask& ask : {first, scene_.make_ask(Ask::Kind::enrol, 1), scene_.make_ask(Ask::Kind::enrol, 2)}) {
    auto granted = run->ask(ask);
    ASSERT_TRUE(granted) << number << ": " << granted.error().detail;
    done.push_back(answered(ask, *granted));
  }
  if (leaf) ASSERT_EQ(*done.front().leaf, *leaf) << number;
  Disk disk(ready_);
  for (const Operation& operation : FileCalls::get().stop()) disk.apply(operation);
  run.reset();
  for (std::uint8_t survival = 0; survival < kSurvivals; ++survival) {
    SeededRandom random(number);
    scene_.put_back(disk.crash(static_cast<Survival>(survival), random));
    run = open();
    ASSERT_TRUE(run) << number;
    check(*run, done);
    ASSERT_EQ(enrolled(*run), done.size()) << number << ", survival " << static_cast<int>(survival);
    run.reset();
  }
}

TEST_F(StorageFaults, D3AnFsyncThatFailsStopsWritingAtOnceAndIsNeverTriedAgain) {
  begin();
  auto run = open();
  const std::uint64_t before = FileCalls::get().count(Call::sync);
  ASSERT_TRUE(run->ask(scene_.make_ask(Ask::Kind::enrol, 0)));
  ASSERT_TRUE(run->sign_log());
  const std::uint64_t syncs = FileCalls::get().count(Call::sync) - before;
  run.reset();
  EXPECT_GE(syncs, 3U) << "burning, intent, result";
  std::uint64_t own = 0;
  for (std::uint64_t number = 1; number <= syncs; ++number) {
    bool was_its_own = false;
    crash_after_recovery(number, was_its_own);
    ASSERT_FALSE(HasFailure()) << "fsync " << number << " of " << syncs;
    own += was_its_own ? 1U : 0U;
  }
  EXPECT_GE(own, 3U) << "a sync of the enrolment's own that fails is a refusal";
}

TEST_F(StorageFaults, D3AReadThatFailsIsAnErrorAndNothingIsLost) {
  const Ask ask = scene_.make_ask(Ask::Kind::enrol, 0);
  std::size_t refused = 0;
  for (std::uint64_t number = 1; number < kMostCalls; ++number) {
    begin();
    FileCalls::get().order({.call = Call::read, .first = number, .error = EIO});
    auto run = AuthorityRun::open(scene_.installation(), scene_.database(), random_);
    const auto leaf = run ? (*run)->ask(ask) : Result<Bytes>(fail(Errc::unavailable, "not open"));
    if (run) run->reset();
    const bool struck = FileCalls::get().has_struck();
    refused += leaf ? 0U : 1U;
    FileCalls::get().heal();
    auto next = open();
    ASSERT_TRUE(next);
    const auto again = next->ask(ask);
    ASSERT_TRUE(again) << number << ": " << again.error().detail;
    if (leaf) ASSERT_EQ(*leaf, *again);
    check(*next, {answered(ask, *again)});
    ASSERT_EQ(enrolled(*next), 1U);
    if (!struck) break;
  }
  EXPECT_GT(refused, 5U);
}

// The store of this installation is a file: its connection is lost when a write or the COMMIT's sync fails, and the
// answer of a COMMIT when the process dies before it is told. Whether the commit took place is unknown then.
TEST_F(StorageFaults, D4ACommitWhoseOutcomeIsUnknownIsRepeatedWithoutHarm) {
  const Ask ask = scene_.make_ask(Ask::Kind::enrol, 0);
  for (const Call call : {Call::write, Call::sync}) {
    std::uint64_t number = 1;
    std::size_t refused = 0;
    for (bool struck = true; struck && number < kMostCalls; ++number) {
      begin();
      auto run = open();
      FileCalls::get().order({.call = call, .first = number, .error = EIO});
      const auto leaf = run->ask(ask);
      struck = FileCalls::get().has_struck();
      // What strikes after the answer struck the log's own transactions.
      ASSERT_TRUE(leaf || struck) << number;
      refused += leaf ? 0U : 1U;
      Disk disk(ready_);
      for (const Operation& operation : FileCalls::get().stop()) disk.apply(operation);
      run.reset();
      SeededRandom random(number);
      for (const Survival survival : {Survival::everything, Survival::nothing, Survival::sectors}) {
        scene_.put_back(disk.crash(survival, random));
        run = open();
        ASSERT_TRUE(run);
        const auto once = run->ask(ask);
        const auto twice = run->ask(ask);
        ASSERT_TRUE(once && twice) << number;
        ASSERT_EQ(*once, *twice) << number;
        if (leaf) ASSERT_EQ(*once, *leaf);
        ASSERT_EQ(enrolled(*run), 1U) << number;
        check(*run, {answered(ask, *once)});
        run.reset();
      }
    }
    EXPECT_GE(refused, 3U) << "burning, intent, result";
  }
}

class D7DamagedDatabase : public StorageFaults {
 protected:
  static constexpr std::size_t kDatabasePage = 4'096;
  // Opening must fail in a sentence that says what to do, and leave the file as it is.
  void expect_refused(const Image& image, Errc code, std::string_view word) {
    write_image(scene_.folder(), image);
    const auto run = AuthorityRun::open(scene_.installation(), scene_.database(), random_);
    ASSERT_FALSE(run) << word;
    EXPECT_EQ(run.error().code, code) << run.error().detail;
    EXPECT_NE(run.error().detail.find(word), std::string::npos) << run.error().detail;
    EXPECT_NE(run.error().detail.find("records.db"), std::string::npos) << run.error().detail;
    EXPECT_TRUE(read_image(scene_.folder()).at("records.db") == image.at("records.db")) << "a damaged file was written";
  }
};

TEST_F(D7DamagedDatabase, ATruncatedFileIsRefused) {
  const Bytes whole = ready_.at("records.db");
  for (std::size_t size = kDatabasePage; size < whole.size(); size += kDatabasePage) {
    Image image = ready_;
    image["records.db"].resize(size);
    expect_refused(image, Errc::malformed, "restore a backup");
    ASSERT_FALSE(HasFailure()) << size << " of " << whole.size();
  }
  Image empty = ready_;
  empty["records.db"].clear();
  expect_refused(empty, Errc::malformed, "is empty");
}

TEST_F(D7DamagedDatabase, AForeignSchemaIsRefused) {
  Image image = ready_;
  image["records.db"][71] ^= 0x01U;  // the application id: octets 68 to 71 of the header
  expect_refused(image, Errc::conflict, "application id");
  image = ready_;
  image["records.db"][60] = 0x7F;  // the schema version: octets 60 to 63
  expect_refused(image, Errc::conflict, "use the newer program");
}

TEST_F(D7DamagedDatabase, ADamagedPageIsRefused) {
  const std::size_t pages = ready_.at("records.db").size() / kDatabasePage;
  for (std::size_t page = 1; page < pages; ++page) {
    Image image = ready_;
    for (std::size_t i = 0; i < 8; ++i) image["records.db"][page * kDatabasePage + i] ^= 0x5AU;  // its b-tree header
    expect_refused(image, Errc::malformed, "restore a backup");
    ASSERT_FALSE(HasFailure()) << "page " << page << " of " << pages;
  }
}

TEST_F(D7DamagedDatabase, AMissingFileBesideItsJournalIsRefused) {
  begin();
  auto run = open();
  ASSERT_TRUE(run->ask(scene_.make_ask(Ask::Kind::enrol, 0)));
  Image image = read_image(scene_.folder());
  FileCalls::get().stop();
  run.reset();
  ASSERT_TRUE(image.contains("records.db-wal"));
  image.erase("records.db");
  write_image(scene_.folder(), image);
  const auto opened = AuthorityRun::open(scene_.installation(), scene_.database(), random_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().detail.find("its journal is there"), std::string::npos) << opened.error().detail;
  EXPECT_FALSE(std::filesystem::exists(scene_.database())) << "it must not begin anew";
}

TEST_F(D7DamagedDatabase, ASecondProcessIsRefused) {
  write_image(scene_.folder(), ready_);
  const auto run = open();
  const auto second = AuthorityRun::open(scene_.installation(), scene_.database(), random_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_NE(second.error().detail.find("another process"), std::string::npos) << second.error().detail;
}

}  // namespace
}  // namespace sallyport::crash
