// A database for many threads: one writer with group commit, readers that never wait for it.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "store/detail/commit_queue.h"
#include "store/detail/open_database.h"

namespace sallyport::store {

// Thread-safe.
class SharedDatabase {
 public:
  using Work = CommitQueue::Work;
  using Done = CommitQueue::Done;

  static constexpr std::size_t kMaxIdleReaders = 8;

  // `on_failure` and `state`: as of CommitQueue, whose rules are those of `schema`.
  static Result<std::unique_ptr<SharedDatabase>> open(
      const std::filesystem::path& path, const Schema& schema, std::function<void()> on_failure = {},
      std::unique_ptr<GroupState> state = std::make_unique<GroupState>());

  void write(Work work, Done done, Rerun rerun = Rerun::never) {
    writer_.submit(std::move(work), std::move(done), rerun);
  }
  Result<void> write_and_wait(Work work) { return writer_.submit_and_wait(std::move(work)); }
  // Runs `work` on the calling thread over one consistent state; writing in it is Errc::internal. Must not be called
  // from a work of write().
  Result<void> read(const Work& work) const;
  // Readers that are open and not in use.
  std::size_t idle_readers() const;
  // As of RecordDatabase.
  std::uint64_t commit_count() const { return writer_.commit_count(); }

 private:
  SharedDatabase(std::filesystem::path path, FileLock lock, Database writer, std::function<void()> on_failure,
                 std::unique_ptr<GroupState> state, const Schema& schema);
  struct Idle {
    Database reader;
    std::uint64_t read;  // the last one that it did
  };
  Result<Database> take_reader() const;
  void give_back(Database reader) const;

  std::filesystem::path path_;
  FileLock lock_;
  mutable CommitQueue writer_;
  mutable std::mutex mutex_;
  mutable std::vector<Idle> idle_readers_;  // the one that was in use last is the last
  mutable std::uint64_t reads_ = 0;
  const std::uint64_t idle_reader_kept_;
};

}  // namespace sallyport::store
