#include "sealed/detail/results.h"

#include <algorithm>

namespace sallyport::sealed {
namespace {

// What a result costs beside its text.
constexpr std::size_t kResultOverhead = 256;
constexpr std::size_t kFinishedSlack = 64;

std::size_t cost_of(const ReplyBody& answer) {
  return answer.json.size() + kResultOverhead;
}

}  // namespace

Results::Results(const ResponderLimits& limits, Random& random, IsOwed is_owed)
    : limits_(limits), hash_(random), is_owed_(std::move(is_owed)) {}

Results::Found Results::find(const Principal& principal, const CallId& id) {
  const auto owner = owners_.find(principal);
  if (owner == owners_.end()) return {};
  const auto record = owner->second.records.find(id);
  if (record != owner->second.records.end()) return {.known = Known::recorded, .record = &record->second};
  return {.known = owner->second.spent.contains(id) ? Known::spent : Known::unknown};
}

void Results::drop_result(Owner& owner, Records::iterator record) {
  owner.bytes -= cost_of(*record->second.answer);
  --owner.results;
  owner.records.erase(record);
}

bool Results::spend_one(Owner& owner) {
  for (auto id = owner.finished.begin(); id != owner.finished.end();) {
    const auto record = owner.records.find(*id);
    // Forgotten since; what runs under the same id now is another call.
    if (record == owner.records.end() || !record->second.answer) {
      id = owner.finished.erase(id);
      continue;
    }
    if (!is_owed_(record->second.to)) {
      owner.spent.insert(*id);
      drop_result(owner, record);
      owner.finished.erase(id);
      return true;
    }
    ++id;
  }
  return false;
}

bool Results::has_room(Owner& owner) {
  if (owner.running >= limits_.running_per_principal || size_ >= limits_.calls) return false;
  if (owner.records.size() + owner.spent.size() >= limits_.calls_per_principal) return false;
  while (owner.results >= limits_.results_per_principal || owner.bytes >= limits_.result_bytes_per_principal) {
    if (!spend_one(owner)) return false;
  }
  return true;
}

CallRecord* Results::start(const Principal& principal, const CallId& id, UnixTime deadline, bool stored,
                           const ReplyTo& to) {
  Owner& owner = owners_.try_emplace(principal, hash_).first->second;
  if (!has_room(owner)) return nullptr;
  const auto [place, is_new] = owner.records.emplace(id, CallRecord());
  SALLYPORT_CHECK(is_new);
  CallRecord& record = place->second;
  record.deadline = deadline;
  record.is_stored = stored;
  record.execution = ++last_execution_;
  record.to = to;
  executions_.emplace(record.execution, Execution{.owner = &owner, .record = &*place});
  ++owner.running;
  ++size_;
  if (!stored) due_[deadline].push_back({.owner = &owner, .id = id});
  return &record;
}

std::optional<std::uint64_t> Results::start_question(const Principal& principal, const ReplyTo& to) {
  Owner& owner = owners_.try_emplace(principal, hash_).first->second;
  if (owner.running >= limits_.running_per_principal) return std::nullopt;
  ++owner.running;
  questions_.emplace(++last_execution_, Question{.owner = &owner, .to = to});
  return last_execution_;
}

ReplyTo* Results::running(std::uint64_t execution) {
  if (const auto question = questions_.find(execution); question != questions_.end()) return &question->second.to;
  const auto found = executions_.find(execution);
  return found == executions_.end() ? nullptr : &found->second.record->second.to;
}

void Results::finish(std::uint64_t execution, const ReplyBody& answer) {
  if (const auto question = questions_.find(execution); question != questions_.end()) {
    --question->second.owner->running;
    questions_.erase(question);
    return;
  }
  const auto found = executions_.find(execution);
  SALLYPORT_CHECK(found != executions_.end());
  Owner& owner = *found->second.owner;
  auto& [id, record] = *found->second.record;
  executions_.erase(found);
  --owner.running;
  // What a stored call left is on disk; what was not executed may come again.
  if (record.is_stored || record.is_over || answer.status == ReplyStatus::overloaded) {
    if (!record.is_stored && !record.is_over) forget_due(owner, id, record.deadline);
    owner.records.erase(CallId(id));
    --size_;
    return;
  }
  record.answer = answer;
  ++owner.results;
  owner.bytes += cost_of(answer);
  owner.finished.push_back(id);
  // The ids of calls that were forgotten since.
  if (owner.finished.size() > 2 * owner.results + kFinishedSlack)
    std::erase_if(owner.finished, [&](const CallId& one) { return !owner.records.contains(one); });
}

void Results::forget_due(const Owner& owner, const CallId& id, UnixTime deadline) {
  const auto bucket = due_.find(deadline);
  SALLYPORT_CHECK(bucket != due_.end());
  std::erase_if(bucket->second, [&](const Due& due) { return due.owner == &owner && due.id == id; });
  if (bucket->second.empty()) due_.erase(bucket);
}

void Results::forget_call(const Due& due) {
  Owner& owner = *due.owner;
  if (owner.spent.erase(due.id) > 0) {
    --size_;
    return;
  }
  const auto record = owner.records.find(due.id);
  if (!record->second.answer) {
    record->second.is_over = true;
    return;
  }
  drop_result(owner, record);
  --size_;
}

void Results::forget(UnixTime now) {
  bool forgot = false;
  while (!due_.empty() && due_.begin()->first < now) {
    forgotten_ = std::max(forgotten_, due_.begin()->first);
    for (const Due& due : due_.begin()->second) forget_call(due);
    due_.erase(due_.begin());
    forgot = true;
  }
  if (!forgot) return;
  std::erase_if(owners_, [](const auto& owner) { return owner.second.is_idle(); });
}

}  // namespace sallyport::sealed
