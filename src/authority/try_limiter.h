// Counts tries per key over a sliding hour, in bounded memory.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace sallyport::authority {

inline constexpr std::size_t kTriesPerHour = 10;
inline constexpr std::size_t kMaxTryKeys = 100'000;

// Not thread-safe.
class TryLimiter {
 public:
  // Counts a try of `actor` at `subject`. Errc::overloaded ("too-many-requests: …") when either has had kTriesPerHour
  // within the last hour, or when too many keys are remembered.
  Result<void> take(const std::string& actor, const std::string& subject, Instant now);
  // Takes the newest back: for what is counted before it is known whether it counts.
  void give_back(const std::string& actor, const std::string& subject);

 private:
  std::deque<Instant>& recent(const std::string& key, Instant now);
  void forget_idle(Instant now);

  std::map<std::string, std::deque<Instant>> tries_;
};

}  // namespace sallyport::authority
