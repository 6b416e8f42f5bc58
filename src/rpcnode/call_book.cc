#include "rpcnode/call_book.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::rpcnode {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 9> kOutcomes = {"answered", "failed", "unknown",    "unheard", "unsent",
                                                       "lost",     "late",   "overloaded", "broken"};
constexpr std::array<std::string_view, 3> kCallStates = {"ready", "running", "ended"};
// A call that was begun and is not sent was given up by whoever began it.
constexpr seconds kReadyLife{60};

bool is_under_way(const CallRecord& record) {
  return record.state != CallRecord::State::ended;
}

// Of one sending, whatever became of those before it.
bool is_only_of_last_sending(CallOutcome outcome) {
  return outcome == CallOutcome::unsent || outcome == CallOutcome::unheard || outcome == CallOutcome::late ||
         outcome == CallOutcome::overloaded;
}

// A node that has a call by one key does not know it by another, and would run it again.
Result<void> check_same_key(const sealed::KeyId& before, const sealed::KeyId& key) {
  if (before == key) return {};
  return failf(Errc::conflict, "state-conflict: this call was sent by key '{}', and '{}' is kept now", before.get(),
               key.get());
}

// The id is in it: by that alone no two calls are the same.
std::string text_of(const BeginRequest& request, const sealed::CallId& id) {
  return sealed::rpc_request(Json(sealed::to_text(id)), request.method, request.params);
}

}  // namespace

std::string_view to_string(CallOutcome outcome) {
  return kOutcomes.at(static_cast<std::size_t>(outcome));
}

std::size_t CallRecord::size() const {
  std::size_t out = text.size() + end.result.size() + end.error.size() + end.detail.size();
  for (const std::string& line : progress) out += line.size();
  return out;
}

std::size_t CallBook::running() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(calls_, [](const auto& entry) { return is_under_way(entry.second); }));
}

Result<void> CallBook::check_room(std::string_view by) {
  std::size_t all = 0;
  std::size_t of_person = 0;
  for (const auto& [id, record] : calls_) {
    if (!is_under_way(record)) continue;
    ++all;
    if (record.request.by == by) ++of_person;
  }
  if (all >= kMaxRunningCalls || of_person >= kMaxRunningCallsOfPerson)
    return fail(Errc::overloaded, "too-many-requests: too many calls are under way");
  return {};
}

Result<void> CallBook::begin(BeginRequest request, sealed::KeyId key, UnixTime now, Instant at) {
  SALLYPORT_CHECK(request.id.has_value());
  const sealed::CallId id = *request.id;
  std::string text = text_of(request, id);
  request.params = Json(nullptr);
  const auto found = calls_.find(id);
  if (found != calls_.end()) {
    const CallRecord& before = found->second;
    if (before.request.by != request.by || before.request.node != request.node || before.text != text)
      return fail(Errc::conflict, "state-conflict: this id is another call's");
    if (is_under_way(before)) return fail(Errc::conflict, "state-conflict: this call is under way");
    TRY_VOID(check_same_key(before.key, key));
  }
  if (request.key) {
    TRY_VOID(check_same_key(*request.key, key));
  }
  TRY_VOID(check_room(request.by));
  CallRecord record;
  record.request = std::move(request);
  record.text = std::move(text);
  record.key = std::move(key);
  record.asked = found == calls_.end() ? 0 : found->second.asked;
  record.began = now;
  record.began_at = at;
  calls_.insert_or_assign(id, std::move(record));
  make_room();
  return {};
}

Result<const CallRecord*> CallBook::find(const sealed::CallId& id, std::string_view by) const {
  const auto found = calls_.find(id);
  if (found == calls_.end() || found->second.request.by != by)
    return fail(Errc::not_found, "not-found: no such call is known here any more");
  return &found->second;
}

Result<const CallRecord*> CallBook::run(const sealed::CallId& id, std::string_view by) {
  TRY_VOID(find(id, by));
  CallRecord& record = calls_.at(id);
  if (record.state != CallRecord::State::ready)
    return fail(Errc::conflict, "state-conflict: this call was sent already");
  record.state = CallRecord::State::running;
  ++record.asked;
  return &record;
}

void CallBook::add_progress(const sealed::CallId& id, std::string json) {
  const auto found = calls_.find(id);
  if (found == calls_.end() || found->second.state != CallRecord::State::running) return;
  CallRecord& record = found->second;
  if (json.size() > kMaxProgressLine) {
    ++record.progress_left_out;
    return;
  }
  record.progress.push_back(std::move(json));
  if (record.progress.size() <= kMaxProgressLines) return;
  record.progress.pop_front();
  ++record.progress_left_out;
}

CallOutcome CallBook::end(const sealed::CallId& id, CallEnd end, Instant at) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return end.outcome;
  if (found->second.is_asked_again() && is_only_of_last_sending(end.outcome)) {
    end.outcome = CallOutcome::unknown;
    end.detail = "asked again: " + end.detail;
  }
  const CallOutcome told = end.outcome;
  found->second.state = CallRecord::State::ended;
  found->second.end = std::move(end);
  found->second.took = std::chrono::duration_cast<milliseconds>(at - found->second.began_at);
  make_room();
  return told;
}

// Of those that have ended, the ones that began longest ago go until the rest is few and small enough.
void CallBook::make_room() {
  const auto total = [&] {
    std::size_t bytes = 0;
    for (const auto& [id, record] : calls_) bytes += record.size();
    return bytes;
  };
  while (calls_.size() > kMaxKeptCalls || total() > kMaxKeptCallBytes) {
    auto oldest = calls_.end();
    for (auto each = calls_.begin(); each != calls_.end(); ++each) {
      if (is_under_way(each->second)) continue;
      if (oldest == calls_.end() || each->second.began_at < oldest->second.began_at) oldest = each;
    }
    if (oldest == calls_.end()) return;
    calls_.erase(oldest);
  }
}

void CallBook::on_tick(Instant at) {
  std::erase_if(calls_, [&](const auto& entry) {
    const auto age = at - entry.second.began_at;
    if (entry.second.state == CallRecord::State::ready) return age >= kReadyLife;
    return entry.second.state == CallRecord::State::ended && age >= kKeptCallLife;
  });
}

std::string call_json(const CallRecord& record) {
  const bool has_ended = record.state == CallRecord::State::ended;
  const Json head(Json::Object{{"id", sealed::to_text(record.request.id.value_or(sealed::CallId()))},
                               {"node", record.request.node.get()},
                               {"method", record.request.method},
                               {"state", kCallStates.at(static_cast<std::size_t>(record.state))},
                               {"outcome", has_ended ? Json(to_string(record.end.outcome)) : Json()},
                               {"detail", record.end.detail},
                               {"asked", record.asked},
                               {"began", to_iso8601(record.began)},
                               {"took_ms", has_ended ? Json(std::int64_t{record.took.count()}) : Json()},
                               {"progress_left_out", record.progress_left_out}});
  // What came from the node was written by our own writer, and goes in as it is.
  std::string out = head.write();
  out.pop_back();
  out += R"(,"progress":[)";
  for (std::size_t i = 0; i < record.progress.size(); ++i) {
    if (i > 0) out += ',';
    out += record.progress[i];
  }
  out += fmt::format(R"(],"result":{},"error":{}}})", record.end.result.empty() ? "null" : record.end.result,
                     record.end.error.empty() ? "null" : record.end.error);
  return out;
}

}  // namespace sallyport::rpcnode
