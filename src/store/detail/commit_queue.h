// The one writer of a database: a thread that lets many works share one transaction and one fsync.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "store/detail/sqlite.h"

namespace sallyport::store {

// Thread-safe. Owns its connection. Its end commits what is waiting.
class CommitQueue {
 public:
  using Work = std::function<Result<void>(Database&)>;
  using Done = std::function<void(Result<void>)>;

  static constexpr std::size_t kMaxWaiting = 65'536;
  // Works that share one commit at most; bounds what a reader in memory waits for, and what one full disk undoes.
  static constexpr std::size_t kMaxGroup = 2'048;

  // `on_failure` (may be empty) is told once, on any thread, that everything is refused from now on.
  explicit CommitQueue(Database database, std::function<void()> on_failure = {});
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Runs `work` on the writer thread in a savepoint of its own: its error undoes it alone and goes to `done` at once
  // the group is committed. When the commit fails, all works of the group fail with its error, and none is kept.
  // Errc::overloaded when kMaxWaiting works wait. After an I/O error or found damage everything is refused with
  // Errc::unavailable until the process starts anew: what reached the disk is unknown. `done` is called once; on the
  // calling thread when the work is refused.
  void submit(Work work, Done done);
  // The same, waiting. Must not be called from a work or a completion of this queue.
  Result<void> submit_and_wait(Work work);

  // Runs `work` on the calling thread on the writing connection, between groups, refusing to write. For databases in
  // memory, which no second connection can see. Must not be called from a work of this queue.
  Result<void> read(const Work& work);

  // Groups that were committed, or tried to be, so far: raised before their completions are called.
  std::uint64_t commit_count() const { return commits_.load(std::memory_order_acquire); }

  // A reader met a disk that fails, or damage: from now on everything is refused.
  void stop_writing();

 private:
  struct Waiting {
    Work work;
    Done done;
  };
  void run();
  // The result of each work of `group`, in order.
  std::vector<Result<void>> commit(const std::deque<Waiting>& group);
  Result<std::vector<Result<void>>> commit_group(const std::deque<Waiting>& group);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;
  std::optional<Error> broken_;
  bool stopping_ = false;
  std::atomic<std::uint64_t> commits_ = 0;

  std::function<void()> on_failure_;  // empty once told
  std::mutex connection_mutex_;
  Database database_;
  std::thread thread_;  // last: runs over all of the above
};

}  // namespace sallyport::store
