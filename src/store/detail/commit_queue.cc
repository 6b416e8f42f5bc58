#include "store/detail/commit_queue.h"

#include <future>
#include <utility>

namespace sallyport::store {
namespace {

// One work in its savepoint. An error that ended the whole transaction is for the caller to see in in_transaction().
Result<void> run_alone(Database& database, const CommitQueue::Work& work) {
  TRY(auto savepoint, Transaction::savepoint(database));
  TRY_VOID(work(database));
  return savepoint.commit();
}

}  // namespace

CommitQueue::CommitQueue(Database database, std::function<void()> on_failure)
    : on_failure_(std::move(on_failure)), database_(std::move(database)), thread_([this] { run(); }) {}

CommitQueue::~CommitQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  if (broken_) database_.leave_as_it_is();
}

void CommitQueue::stop_writing() {
  std::function<void()> tell;
  {
    const std::lock_guard lock(mutex_);
    if (!broken_) {
      broken_ = Error{Errc::unavailable, "database: writing has stopped after a storage failure; restart the program"};
    }
    tell = std::exchange(on_failure_, {});
  }
  if (tell) tell();
}

void CommitQueue::submit(Work work, Done done) {
  std::optional<Error> refusal;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) {
      refusal = *broken_;
    } else if (waiting_.size() >= kMaxWaiting) {
      refusal = Error{Errc::overloaded, fmt::format("database: {} writes are waiting", kMaxWaiting)};
    } else {
      waiting_.push_back({std::move(work), std::move(done)});
    }
  }
  if (refusal) return done(std::unexpected(std::move(*refusal)));
  wake_.notify_one();
}

Result<void> CommitQueue::submit_and_wait(Work work) {
  SALLYPORT_CHECK(std::this_thread::get_id() != thread_.get_id());
  std::promise<Result<void>> promise;
  auto answer = promise.get_future();
  submit(std::move(work), [&promise](Result<void> result) { promise.set_value(std::move(result)); });
  return answer.get();
}

Result<void> CommitQueue::read(const Work& work) {
  const std::lock_guard lock(connection_mutex_);
  TRY_VOID(database_.set_read_only(true));
  auto result = work(database_);
  TRY_VOID(database_.set_read_only(false));
  return result;
}

void CommitQueue::run() {
  for (;;) {
    std::deque<Waiting> group;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      while (!waiting_.empty() && group.size() < kMaxGroup) {
        group.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
      }
    }
    auto results = commit(group);
    for (std::size_t i = 0; i < group.size(); ++i) group[i].done(std::move(results[i]));
  }
}

std::vector<Result<void>> CommitQueue::commit(const std::deque<Waiting>& group) {
  const auto all = [&](const Error& error) { return std::vector<Result<void>>(group.size(), std::unexpected(error)); };
  const std::lock_guard connection_lock(connection_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return all(*broken_);
  }
  auto committed = commit_group(group);
  commits_.fetch_add(1, std::memory_order_release);
  if (database_.storage_failed()) stop_writing();
  return committed ? std::move(*committed) : all(committed.error());
}

Result<std::vector<Result<void>>> CommitQueue::commit_group(const std::deque<Waiting>& group) {
  std::vector<Result<void>> results;
  results.reserve(group.size());
  TRY(auto transaction, Transaction::begin(database_));
  for (const auto& waiting : group) {
    auto result = run_alone(database_, waiting.work);
    // A full disk or a failed one ends the whole transaction, and with it what the works before have done.
    if (!database_.in_transaction()) {
      if (result) return fail(Errc::internal, "database: a work ended its transaction");
      return std::unexpected(std::move(result).error());
    }
    results.push_back(std::move(result));
  }
  TRY_VOID(transaction.commit());
  return results;
}

}  // namespace sallyport::store
