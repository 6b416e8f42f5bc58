#include "store/detail/shared_database.h"

#include <algorithm>
#include <iterator>

namespace sallyport::store {

Result<std::unique_ptr<SharedDatabase>> SharedDatabase::open(const std::filesystem::path& path, const Schema& schema,
                                                             std::function<void()> on_failure,
                                                             std::unique_ptr<GroupState> state) {
  TRY(auto lock, FileLock::take(path));
  TRY(auto writer, open_writer(path, schema));
  return std::unique_ptr<SharedDatabase>(
      new SharedDatabase(path, std::move(lock), std::move(writer), std::move(on_failure), std::move(state), schema));
}

SharedDatabase::SharedDatabase(std::filesystem::path path, FileLock lock, Database writer,
                               std::function<void()> on_failure, std::unique_ptr<GroupState> state,
                               const Schema& schema)
    : path_(std::move(path)),
      lock_(std::move(lock)),
      writer_(std::move(writer), std::move(on_failure), std::move(state), schema.crowd),
      idle_reader_kept_(schema.idle_reader_kept) {}

Result<Database> SharedDatabase::take_reader() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_readers_.empty()) {
      Database reader = std::move(idle_readers_.back().reader);
      idle_readers_.pop_back();
      return reader;
    }
  }
  return open_reader(path_);
}

Result<void> SharedDatabase::read(const Work& work) const {
  if (path_ == ":memory:") return writer_.read(work);
  TRY(auto reader, take_reader());
  const auto work_in_transaction = [&]() -> Result<void> {
    TRY(auto transaction, Transaction::begin_read(reader));
    auto worked = work(reader);
    TRY_VOID(transaction.commit());
    return worked;
  };
  auto result = work_in_transaction();
  if (reader.storage_failed()) writer_.stop_writing();
  if (reader.storage_failed() || reader.in_transaction()) return result;
  give_back(std::move(reader));
  return result;
}

void SharedDatabase::give_back(Database reader) const {
  std::vector<Idle> unneeded;  // outlives the lock: to close them takes time
  const std::lock_guard lock(mutex_);
  ++reads_;
  if (idle_readers_.size() < kMaxIdleReaders) idle_readers_.push_back({.reader = std::move(reader), .read = reads_});
  const auto last = std::prev(idle_readers_.end());
  const auto needed = std::find_if(idle_readers_.begin(), last,
                                   [&](const Idle& idle) { return reads_ - idle.read < idle_reader_kept_; });
  std::move(idle_readers_.begin(), needed, std::back_inserter(unneeded));
  idle_readers_.erase(idle_readers_.begin(), needed);
}

std::size_t SharedDatabase::idle_readers() const {
  const std::lock_guard lock(mutex_);
  return idle_readers_.size();
}

}  // namespace sallyport::store
