#include "authority/try_limiter.h"

namespace sallyport::authority {
namespace {

constexpr std::chrono::hours kTryWindow{1};

}  // namespace

std::deque<Instant>& TryLimiter::recent(const std::string& key, Instant now) {
  std::deque<Instant>& tries = tries_[key];
  while (!tries.empty() && now - tries.front() >= kTryWindow) tries.pop_front();
  return tries;
}

void TryLimiter::forget_idle(Instant now) {
  std::erase_if(tries_,
                [&](const auto& entry) { return entry.second.empty() || now - entry.second.back() >= kTryWindow; });
}

Result<void> TryLimiter::take(const std::string& actor, const std::string& subject, Instant now) {
  if (tries_.size() + 2 > kMaxTryKeys) forget_idle(now);
  if (tries_.size() + 2 > kMaxTryKeys) return fail(Errc::overloaded, "too-many-requests: too many tries by too many");
  for (const std::string& key : {"by " + actor, "at " + subject}) {
    if (recent(key, now).size() >= kTriesPerHour) {
      return failf(Errc::overloaded, "too-many-requests: {} tries within the hour, want to wait", kTriesPerHour);
    }
  }
  recent("by " + actor, now).push_back(now);
  recent("at " + subject, now).push_back(now);
  return {};
}

void TryLimiter::give_back(const std::string& actor, const std::string& subject) {
  for (const std::string& key : {"by " + actor, "at " + subject}) {
    const auto found = tries_.find(key);
    if (found != tries_.end() && !found->second.empty()) found->second.pop_back();
  }
}

}  // namespace sallyport::authority
