#include "store/detail/commit_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <latch>
#include <thread>

#include "store/detail/open_database.h"
#include "store/detail/shared_database.h"
#include "store/detail/test_folder.h"

namespace sallyport::store {
namespace {

constexpr const char* kMigrations[] = {"CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB NOT NULL) STRICT"};
constexpr Schema kSchema{.name = "test", .application_id = 0x53507878, .migrations = kMigrations};

Result<void> insert(Database& database, std::int64_t key, std::size_t size = 1) {
  TRY_VOID(database.run("INSERT INTO t VALUES(?1, ?2)", key, Bytes(size, 1)));
  return {};
}

class CommitQueueTest : public testing::Test {
 protected:
  std::int64_t count() {
    std::int64_t found = -1;
    EXPECT_TRUE(database_->read([&](Database& database) -> Result<void> {
      TRY(found, database.integer("SELECT count(*) FROM t"));
      return {};
    }));
    return found;
  }
  // The same database by other rules for a crowd.
  void reopen(const CrowdRules& crowd) {
    Schema schema = kSchema;
    schema.crowd = crowd;
    database_.reset();
    database_ = SharedDatabase::open(folder_.file("a.db"), schema).value();
  }

  TestFolder folder_;
  std::unique_ptr<SharedDatabase> database_ = SharedDatabase::open(folder_.file("a.db"), kSchema).value();
};

TEST_F(CommitQueueTest, UndoesOnlyTheWorkThatFails) {
  std::latch held(1);
  std::latch done(4);
  std::array<std::optional<Result<void>>, 4> results;
  const auto keep = [&](std::size_t i) {
    return [&, i](Result<void> result) {
      results[i] = std::move(result);
      done.count_down();
    };
  };
  // The first work holds the writer until the rest are queued, so that those share one transaction.
  database_->write(
      [&](Database& database) {
        held.wait();
        return insert(database, 1);
      },
      keep(0));
  database_->write([](Database& database) { return insert(database, 2); }, keep(1));
  database_->write(
      [](Database& database) -> Result<void> {
        TRY_VOID(insert(database, 3));
        return fail(Errc::unauthorized, "refused after writing");
      },
      keep(2));
  database_->write([](Database& database) -> Result<void> { return insert(database, 2); }, keep(3));
  held.count_down();
  done.wait();
  EXPECT_TRUE(*results[0]);
  EXPECT_TRUE(*results[1]);
  EXPECT_EQ(results[2]->error().code, Errc::unauthorized);
  EXPECT_EQ(results[3]->error().code, Errc::conflict) << "each work sees those before it";
  EXPECT_EQ(count(), 2);
}

// A group that waits until it is let go, so that all that is written meanwhile shares one transaction.
class Group {
 public:
  explicit Group(SharedDatabase& database) : database_(database) {
    database_.write(
        [this](Database&) -> Result<void> {
          begun_.count_down();
          held_.wait();
          return {};
        },
        [](Result<void>) {});
    begun_.wait();
  }
  void write(CommitQueue::Work work, Rerun rerun) {
    const std::size_t place = results_.size();
    results_.emplace_back();
    database_.write(
        std::move(work), [this, place](Result<void> result) { results_[place].set_value(std::move(result)); }, rerun);
  }
  // The result of each work, in order.
  std::vector<Result<void>> let_go() {
    held_.count_down();
    std::vector<Result<void>> out;
    for (auto& result : results_) out.push_back(result.get_future().get());
    return out;
  }

 private:
  SharedDatabase& database_;
  std::latch begun_{1};
  std::latch held_{1};
  std::deque<std::promise<Result<void>>> results_;
};

TEST_F(CommitQueueTest, BeginsAGroupAnewForAWorkThatFailsAfterItChangedSomething) {
  int runs = 0;
  Group group(*database_);
  const auto counted = [&runs](std::int64_t key) {
    return [&runs, key](Database& database) {
      ++runs;
      return insert(database, key);
    };
  };
  group.write(counted(1), Rerun::allowed);
  group.write(
      [&](Database& database) -> Result<void> {
        TRY_VOID(counted(2)(database));
        return fail(Errc::unauthorized, "refused after writing");
      },
      Rerun::allowed);
  group.write(counted(2), Rerun::allowed);
  group.write(counted(1), Rerun::allowed);
  const auto results = group.let_go();
  EXPECT_TRUE(results[0]);
  EXPECT_EQ(results[1].error().code, Errc::unauthorized);
  EXPECT_TRUE(results[2]) << "what was refused is not there";
  EXPECT_EQ(results[3].error().code, Errc::conflict) << "each work sees those before it";
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(runs, 2 + 4) << "the first two, and then all";
}

TEST_F(CommitQueueTest, RunsNothingAgainForAWorkThatFailsBeforeItChangesAnything) {
  int runs = 0;
  Group group(*database_);
  group.write(
      [&runs](Database& database) {
        ++runs;
        return insert(database, 1);
      },
      Rerun::allowed);
  group.write([](Database&) -> Result<void> { return fail(Errc::unauthorized, "refused"); }, Rerun::allowed);
  group.write([](Database& database) { return insert(database, 1); }, Rerun::allowed);
  const auto results = group.let_go();
  EXPECT_TRUE(results[0]);
  EXPECT_EQ(results[1].error().code, Errc::unauthorized);
  EXPECT_EQ(results[2].error().code, Errc::conflict);
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(runs, 1);
}

TEST_F(CommitQueueTest, NeverRunsAWorkAgainThatMayNotBe) {
  std::array<int, 3> runs{};
  Group group(*database_);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    // The second fails after it wrote.
    const Rerun rerun = i == 0 ? Rerun::never : Rerun::allowed;
    group.write(
        [&runs, i](Database& database) -> Result<void> {
          ++runs[i];
          TRY_VOID(insert(database, static_cast<std::int64_t>(i)));
          return i == 1 ? Result<void>(fail(Errc::unauthorized, "refused after writing")) : Result<void>();
        },
        rerun);
  }
  const auto results = group.let_go();
  EXPECT_TRUE(results[0]);
  EXPECT_EQ(results[1].error().code, Errc::unauthorized);
  EXPECT_TRUE(results[2]);
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(runs, (std::array{1, 1, 1}));
}

TEST_F(CommitQueueTest, CompletesInOrderAfterTheCommit) {
  std::vector<int> order;
  std::promise<void> last;
  for (int i = 0; i < 100; ++i) {
    database_->write([i](Database& database) { return insert(database, i); },
                     [&, i](Result<void> result) {
                       EXPECT_TRUE(result);
                       order.push_back(i);
                       // Another connection sees it: it is committed.
                       EXPECT_GT(count(), i);
                       if (i == 99) last.set_value();
                     });
  }
  last.get_future().get();
  EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(CommitQueueTest, ServesManyThreads) {
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i)
          if (!database_->write_and_wait([&](Database& database) { return insert(database, t * 1'000 + i); }))
            ++failures;
      });
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(count(), 800);
}

TEST_F(CommitQueueTest, CommitsWhatIsWaitingAtItsEnd) {
  std::atomic<int> done = 0;
  for (int i = 0; i < 50; ++i)
    database_->write([i](Database& database) { return insert(database, i); }, [&](Result<void>) { ++done; });
  database_.reset();
  EXPECT_EQ(done, 50);
  database_ = SharedDatabase::open(folder_.file("a.db"), kSchema).value();
  EXPECT_EQ(count(), 50);
}

TEST_F(CommitQueueTest, RefusesWhenTooManyWait) {
  constexpr std::size_t kSubmitted = CommitQueue::kMaxWaiting + CommitQueue::kMaxGroup + 2'000;
  std::latch held(1);
  std::latch answered(kSubmitted);
  std::atomic<int> refused = 0;
  database_->write(
      [&](Database&) -> Result<void> {
        held.wait();
        return {};
      },
      [](Result<void>) {});
  for (std::size_t i = 0; i < kSubmitted; ++i) {
    database_->write([](Database&) -> Result<void> { return {}; },
                     [&](Result<void> result) {
                       if (!result && result.error().code == Errc::overloaded) ++refused;
                       answered.count_down();
                     });
  }
  EXPECT_GE(refused, 2'000);
  held.count_down();
  answered.wait();
  EXPECT_TRUE(database_->write_and_wait([](Database& database) { return insert(database, 1); }));
}

TEST_F(CommitQueueTest, LetsNoReaderWrite) {
  const auto written = database_->read([](Database& database) { return insert(database, 1); });
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::internal);
  auto memory = SharedDatabase::open(":memory:", kSchema).value();
  EXPECT_EQ(memory->read([](Database& database) { return insert(database, 1); }).error().code, Errc::internal);
  EXPECT_TRUE(memory->write_and_wait([](Database& database) { return insert(database, 1); }));
}

// Reads `depth` times at once.
Result<void> read_within(const SharedDatabase& database, int depth) {
  if (depth == 0) return {};
  return database.read([&](Database&) { return read_within(database, depth - 1); });
}

TEST_F(CommitQueueTest, ClosesReadersThatAreNotNeededForAWhile) {
  EXPECT_TRUE(read_within(*database_, 5));
  const auto read = [&](std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) EXPECT_TRUE(read_within(*database_, 1));
  };
  read(kSchema.idle_reader_kept - 5);
  EXPECT_EQ(database_->idle_readers(), 5U);
  EXPECT_TRUE(read_within(*database_, 2));
  read(kSchema.idle_reader_kept - 2);
  EXPECT_EQ(database_->idle_readers(), 2U) << "two were needed since";
  read(2);
  EXPECT_EQ(database_->idle_readers(), 1U);
}

TEST_F(CommitQueueTest, ReadsOneStateThroughout) {
  ASSERT_TRUE(database_->read([&](Database& database) -> Result<void> {
    TRY(auto before, database.integer("SELECT count(*) FROM t"));
    TRY_VOID(database_->write_and_wait([](Database& writer) { return insert(writer, 1); }));
    TRY(auto after, database.integer("SELECT count(*) FROM t"));
    EXPECT_EQ(before, after);
    return {};
  }));
  EXPECT_EQ(count(), 1);
}

TEST_F(CommitQueueTest, SaysThatTheDiskIsFullAndRecoversWhenItIsNot) {
  std::int64_t pages = 0;
  ASSERT_TRUE(database_->write_and_wait([&](Database& database) -> Result<void> {
    TRY(pages, database.integer("PRAGMA page_count"));
    return insert(database, 1);
  }));
  const auto limit = [&](std::int64_t most) {
    ASSERT_TRUE(database_->write_and_wait([&](Database& database) -> Result<void> {
      return database.execute(fmt::format("PRAGMA max_page_count = {}", most));
    }));
  };
  limit(pages + 20);
  std::optional<Error> error;
  std::int64_t stored = 1;
  for (std::int64_t key = 2; key < 100 && !error; ++key) {
    auto result = database_->write_and_wait([&](Database& database) { return insert(database, key, 4'000); });
    if (result) ++stored;
    if (!result) error = std::move(result).error();
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::overloaded);
  EXPECT_NE(error->detail.find("disk is full"), std::string::npos) << error->detail;
  EXPECT_EQ(count(), stored) << "what was acknowledged stays, what was refused is not there";
  limit(1'000'000);
  EXPECT_TRUE(database_->write_and_wait([&](Database& database) { return insert(database, 1'000, 4'000); }));
}

TEST_F(CommitQueueTest, BeginsNoGroupAnewAfterDamageWasFound) {
  Group group(*database_);
  int runs = 0;
  group.write(
      [&runs](Database& database) {
        ++runs;
        return insert(database, 1);
      },
      Rerun::allowed);
  group.write(
      [](Database& database) -> Result<void> {
        TRY_VOID(insert(database, 2));
        return database.error(11);  // SQLITE_CORRUPT, as a statement would have it
      },
      Rerun::allowed);
  for (const auto& result : group.let_go()) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unavailable);
  }
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(count(), 0);
}

TEST_F(CommitQueueTest, GathersWhileManyWriteAtOnceAndLosesNone) {
  reopen({.gathering = milliseconds(5)});
  constexpr int kWorks = 3 * static_cast<int>(CommitQueue::kGathered) + 1;
  std::latch done(kWorks);
  std::atomic<int> failures = 0;
  for (int i = 0; i < kWorks; ++i) {
    database_->write([i](Database& database) { return insert(database, i); },
                     [&](Result<void> result) {
                       if (!result) ++failures;
                       done.count_down();
                     });
  }
  done.wait();
  EXPECT_EQ(failures, 0);
  EXPECT_TRUE(database_->write_and_wait([](Database& database) { return insert(database, kWorks); }));
  EXPECT_EQ(count(), kWorks + 1);
}

TEST_F(CommitQueueTest, KeepsThePagesOfACrowdForAsLongAsItLasts) {
  reopen({.cache_kib = 9'000});
  std::int64_t cache = 0;
  const auto look = [&](Database& database) -> Result<void> {
    TRY(cache, database.integer("PRAGMA cache_size"));
    return {};
  };
  ASSERT_TRUE(database_->write_and_wait(look));
  EXPECT_EQ(cache, -kWriterCacheKib);
  Group group(*database_);
  for (std::size_t i = 0; i < CommitQueue::kCrowd; ++i) group.write(look, Rerun::never);
  for (const auto& result : group.let_go()) EXPECT_TRUE(result);
  EXPECT_EQ(cache, -9'000);
  for (std::size_t i = 1; i < CommitQueue::kGroupsAfterCrowd; ++i) ASSERT_TRUE(database_->write_and_wait(look));
  EXPECT_EQ(cache, -9'000);
  ASSERT_TRUE(database_->write_and_wait(look));
  EXPECT_EQ(cache, -kWriterCacheKib);
}

// Not only those that are too many: which are left is chance, and each would hold the memory about it.
TEST_F(CommitQueueTest, KeepsNoPageOfACrowd) {
  reopen({.cache_kib = 9'000});
  std::int64_t cached = 0;
  const auto look = [&](Database& database) -> Result<void> {
    cached = database.cached_bytes();
    return {};
  };
  Group group(*database_);
  constexpr std::size_t kRow = 3'000;  // hardly two on a page
  for (std::size_t i = 0; i < CommitQueue::kCrowd; ++i) {
    const auto key = static_cast<std::int64_t>(i);
    group.write([key](Database& database) { return insert(database, key, kRow); }, Rerun::never);
  }
  for (const auto& result : group.let_go()) EXPECT_TRUE(result);
  ASSERT_TRUE(database_->write_and_wait(look));
  const std::int64_t of_crowd = cached;
  EXPECT_GT(of_crowd, 100'000);
  for (std::size_t i = 0; i <= CommitQueue::kGroupsAfterCrowd; ++i) ASSERT_TRUE(database_->write_and_wait(look));
  EXPECT_LT(cached, of_crowd / 2);
}

TEST_F(CommitQueueTest, GivesThePagesOfACrowdBackWhereNobodyWrites) {
  reopen({.cache_kib = 9'000, .pages_kept = milliseconds(1)});
  Group group(*database_);
  for (std::size_t i = 0; i < CommitQueue::kCrowd; ++i) {
    group.write([](Database&) -> Result<void> { return {}; }, Rerun::never);
  }
  for (const auto& result : group.let_go()) EXPECT_TRUE(result);
  // Fewer groups than give them back by their number.
  std::int64_t cache = 0;
  for (std::size_t i = 1; i < CommitQueue::kGroupsAfterCrowd && cache != -kWriterCacheKib; ++i) {
    std::this_thread::sleep_for(milliseconds(20));
    ASSERT_TRUE(database_->write_and_wait([&](Database& database) -> Result<void> {
      TRY(cache, database.integer("PRAGMA cache_size"));
      return {};
    }));
  }
  EXPECT_EQ(cache, -kWriterCacheKib);
}

TEST_F(CommitQueueTest, StopsWritingAfterDamageWasFound) {
  ASSERT_TRUE(database_->write_and_wait([](Database& database) -> Result<void> {
    for (int i = 0; i < 100; ++i) TRY_VOID(insert(database, i, 1'000));
    return {};
  }));
  const auto damaged = database_->write_and_wait([](Database& database) -> Result<void> {
    return database.error(11);  // SQLITE_CORRUPT, as a statement would have it
  });
  EXPECT_EQ(damaged.error().code, Errc::malformed);
  const auto after = database_->write_and_wait([](Database& database) { return insert(database, 1'000); });
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().code, Errc::unavailable);
  EXPECT_EQ(count(), 100) << "reading goes on";
}

}  // namespace
}  // namespace sallyport::store
