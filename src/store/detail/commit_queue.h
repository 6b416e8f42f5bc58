// The one writer of a database: a thread that lets many works share one transaction and one fsync.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "store/detail/schema.h"
#include "store/detail/sqlite.h"

namespace sallyport::store {

// What the works of a group know together about the open transaction, so that each need not read and store it. All
// calls are the writer's. This one knows nothing.
class GroupState {
 public:
  virtual ~GroupState() = default;
  // A transaction begins: whatever is known is forgotten.
  virtual void begin() {}
  // A work begins; back_to_mark() when it is undone.
  virtual void mark() {}
  virtual void back_to_mark() {}
  // Writes what is to be kept, as the last thing before the commit. An error fails the group.
  virtual Result<void> store(Database&) { return {}; }
};

// Whether a work that was undone may be run again in place of that.
enum class Rerun : std::uint8_t { never, allowed };

// Thread-safe. Owns its connection. Its end commits what is waiting.
class CommitQueue {
 public:
  using Work = std::function<Result<void>(Database&)>;
  using Done = std::function<void(Result<void>)>;

  static constexpr std::size_t kMaxWaiting = 65'536;
  // A group as large as this means that many write at once; the next then waits up to the gathering time for more.
  static constexpr std::size_t kCrowd = 32;
  // With so many it waits no longer.
  static constexpr std::size_t kGathered = 128;
  // After so many smaller groups nobody counts on a crowd any more, and its pages are given back; where nobody writes
  // at all, after the time that its rules say.
  static constexpr std::size_t kGroupsAfterCrowd = 64;
  // Works that share one commit at most; bounds what a reader in memory waits for, and what one full disk undoes.
  static constexpr std::size_t kMaxGroup = 2'048;

  // `on_failure` (may be empty) is told once, on any thread, that everything is refused from now on.
  explicit CommitQueue(Database database, std::function<void()> on_failure = {},
                       std::unique_ptr<GroupState> state = std::make_unique<GroupState>(),
                       const CrowdRules& crowd = {});
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Runs `work` on the writer thread: its error undoes it alone and goes to `done` at once the group is committed. When
  // the commit fails, all works of the group fail with its error, and none is kept. Errc::overloaded when kMaxWaiting
  // works wait. After an I/O error or found damage everything is refused with Errc::unavailable until the process
  // starts anew: what reached the disk is unknown. `done` is called once; on the calling thread when the work is
  // refused.
  //
  // A savepoint of its own costs a work a third of what it does itself. Works that may be run again have none before
  // the first that may not: where one of them fails after it has changed something, the group begins anew with a
  // savepoint for each.
  void submit(Work work, Done done, Rerun rerun = Rerun::never);
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
    Rerun rerun;
  };
  using Group = std::vector<Waiting>;
  using Results = std::vector<Result<void>>;
  enum class Savepoints : std::uint8_t { where_needed, always };
  void run();
  // The works of the next commit; none at the end.
  Group take_group();
  // Keeps as many pages as a group of this size is worth. For who has the connection.
  void fit_cache(std::size_t group);
  void keep_pages(std::int64_t kib);
  // For who has not.
  void give_pages_back();
  // The result of each work of `group`, in order.
  Results commit(const Group& group);
  Result<Results> commit_group(const Group& group);
  // Absent, and nothing is kept, when a work without a savepoint is to be undone.
  Result<std::optional<Results>> try_group(const Group& group, Savepoints savepoints);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> waiting_;
  std::optional<Error> broken_;
  bool stopping_ = false;
  std::size_t enough_ = 1;  // with so many waiting the writer is to be woken
  std::atomic<std::uint64_t> commits_ = 0;

  const CrowdRules crowd_;
  std::function<void()> on_failure_;  // empty once told
  // The writer's.
  std::size_t last_group_ = 0;
  std::size_t smaller_groups_ = 0;  // since the last crowd
  std::int64_t cache_kib_ = kWriterCacheKib;
  std::mutex connection_mutex_;
  Database database_;
  std::unique_ptr<GroupState> state_;
  std::thread thread_;  // last: runs over all of the above
};

}  // namespace sallyport::store
