#include "store/detail/commit_queue.h"

#include <algorithm>
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

Error stopped() {
  return {Errc::unavailable, "database: writing has stopped after a storage failure; restart the program"};
}

}  // namespace

CommitQueue::CommitQueue(Database database, std::function<void()> on_failure, std::unique_ptr<GroupState> state,
                         const CrowdRules& crowd)
    : crowd_(crowd),
      on_failure_(std::move(on_failure)),
      database_(std::move(database)),
      state_(std::move(state)),
      thread_([this] { run(); }) {}

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
    if (!broken_) broken_ = stopped();
    tell = std::exchange(on_failure_, {});
  }
  if (tell) tell();
}

void CommitQueue::submit(Work work, Done done, Rerun rerun) {
  std::optional<Error> refusal;
  bool is_enough = false;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) {
      refusal = *broken_;
    } else if (waiting_.size() >= kMaxWaiting) {
      refusal = Error{Errc::overloaded, fmt::format("database: {} writes are waiting", kMaxWaiting)};
    } else {
      waiting_.push_back({std::move(work), std::move(done), rerun});
      is_enough = waiting_.size() == enough_;
    }
  }
  if (refusal) return done(std::unexpected(std::move(*refusal)));
  if (is_enough) wake_.notify_one();
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
  for (Group group = take_group(); !group.empty(); group = take_group()) {
    auto results = commit(group);
    for (std::size_t i = 0; i < group.size(); ++i) group[i].done(std::move(results[i]));
  }
}

CommitQueue::Group CommitQueue::take_group() {
  std::unique_lock lock(mutex_);
  const auto has_enough = [this] { return stopping_ || waiting_.size() >= enough_; };
  if (cache_kib_ != kWriterCacheKib && !wake_.wait_for(lock, crowd_.pages_kept, has_enough)) {
    lock.unlock();
    give_pages_back();
    lock.lock();
  }
  wake_.wait(lock, has_enough);
  if (last_group_ >= kCrowd && crowd_.gathering.count() > 0) {
    enough_ = kGathered;
    wake_.wait_for(lock, crowd_.gathering, has_enough);
    enough_ = 1;
  }
  Group group;
  group.reserve(std::min(waiting_.size(), kMaxGroup));
  while (!waiting_.empty() && group.size() < kMaxGroup) {
    group.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  last_group_ = group.size();
  return group;
}

void CommitQueue::fit_cache(std::size_t group) {
  smaller_groups_ = group >= kCrowd ? 0 : smaller_groups_ + 1;
  std::int64_t wanted = cache_kib_;
  if (smaller_groups_ == 0) wanted = crowd_.cache_kib;
  if (smaller_groups_ >= kGroupsAfterCrowd) wanted = kWriterCacheKib;
  keep_pages(wanted);
}

void CommitQueue::keep_pages(std::int64_t kib) {
  if (kib == cache_kib_ || !database_.set_cache(kib)) return;
  // Those that are evicted lie anywhere: what is left would hold the memory of the crowd's, in pieces.
  if (kib < cache_kib_) database_.drop_cache();
  cache_kib_ = kib;
}

void CommitQueue::give_pages_back() {
  const std::lock_guard lock(connection_mutex_);
  keep_pages(kWriterCacheKib);
}

CommitQueue::Results CommitQueue::commit(const Group& group) {
  const auto all = [&](const Error& error) { return Results(group.size(), std::unexpected(error)); };
  const std::lock_guard connection_lock(connection_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return all(*broken_);
  }
  fit_cache(group.size());
  auto committed = commit_group(group);
  commits_.fetch_add(1, std::memory_order_release);
  if (database_.storage_failed()) stop_writing();
  return committed ? std::move(*committed) : all(committed.error());
}

Result<CommitQueue::Results> CommitQueue::commit_group(const Group& group) {
  TRY(auto results, try_group(group, Savepoints::where_needed));
  if (!results) {
    if (database_.storage_failed()) return std::unexpected(stopped());
    TRY(results, try_group(group, Savepoints::always));
  }
  SALLYPORT_CHECK(results.has_value());
  return *std::move(results);
}

Result<std::optional<CommitQueue::Results>> CommitQueue::try_group(const Group& group, Savepoints savepoints) {
  Results results;
  results.reserve(group.size());
  state_->begin();
  TRY(auto transaction, Transaction::begin(database_));
  bool has_savepoint = savepoints == Savepoints::always;
  for (const Waiting& waiting : group) {
    has_savepoint = has_savepoint || waiting.rerun == Rerun::never;
    const std::int64_t changes = database_.total_changes();
    state_->mark();
    auto result = has_savepoint ? run_alone(database_, waiting.work) : waiting.work(database_);
    // A full disk or a failed one ends the whole transaction, and with it what the works before have done.
    if (!database_.in_transaction()) {
      if (result) return fail(Errc::internal, "database: a work ended its transaction");
      return std::unexpected(std::move(result).error());
    }
    if (!result) state_->back_to_mark();
    if (!result && !has_savepoint && database_.total_changes() != changes) return std::optional<Results>();
    results.push_back(std::move(result));
  }
  TRY_VOID(state_->store(database_));
  TRY_VOID(transaction.commit());
  return std::optional(std::move(results));
}

}  // namespace sallyport::store
