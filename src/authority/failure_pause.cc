#include "authority/failure_pause.h"

#include <algorithm>

namespace sallyport::authority {
namespace {

seconds pause_after(std::uint32_t failures) {
  seconds pause = kFirstPause;
  for (std::uint32_t n = kFreeFailures; n < failures && pause < kLongestPause; ++n) pause *= 2;
  return std::min(pause, kLongestPause);
}

}  // namespace

std::optional<FailurePause::Standing> FailurePause::find(const std::string& client, Instant now) const {
  const auto found = records_.find(client);
  if (found == records_.end() || now - found->second.last >= kPauseMemory) return std::nullopt;
  const Record& record = found->second;
  Standing out{.failures = record.failures};
  if (record.paused_until > now) out.remaining = std::chrono::ceil<seconds>(record.paused_until - now);
  return out;
}

seconds FailurePause::remaining(const std::string& client, Instant now) const {
  const auto standing = find(client, now);
  return standing ? standing->remaining : seconds(0);
}

seconds FailurePause::failed(const std::string& client, Instant now) {
  if (!records_.contains(client) && records_.size() >= kMaxPausedClients) {
    std::erase_if(records_, [&](const auto& entry) { return now - entry.second.last >= kPauseMemory; });
    if (records_.size() >= kMaxPausedClients) return seconds(0);
  }
  Record& record = records_[client];
  if (record.failures > 0 && now - record.last >= kPauseMemory) record = {};
  record.failures += 1;
  record.last = now;
  if (record.failures < kFreeFailures) return seconds(0);
  const seconds pause = pause_after(record.failures);
  record.paused_until = now + pause;
  return pause;
}

bool FailurePause::forget(const std::string& client) {
  return records_.erase(client) > 0;
}

}  // namespace sallyport::authority
