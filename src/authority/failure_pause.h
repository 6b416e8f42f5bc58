// Clients that fail again and again are left unanswered for longer and longer, in bounded memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/time.h"

namespace sallyport::authority {

inline constexpr std::uint32_t kFreeFailures = 10;  // the last of them begins the first pause
inline constexpr seconds kFirstPause{60};
inline constexpr seconds kLongestPause{24 * 3'600};
inline constexpr seconds kPauseMemory{48 * 3'600};  // after its last failure a client is as new
inline constexpr std::size_t kMaxPausedClients = 100'000;

// Not thread-safe. Forgotten with the process: a restart of the authority forgives.
class FailurePause {
 public:
  struct Standing {
    std::uint32_t failures = 0;  // since the last success
    seconds remaining{0};        // of the pause; zero: answered
  };

  // Absent when nothing is held against the client.
  std::optional<Standing> find(const std::string& client, Instant now) const;
  // How long the client is to wait, rounded up; zero when it is to be answered.
  seconds remaining(const std::string& client, Instant now) const;
  // Counts a failure. From kFreeFailures on each begins a pause, twice as long as the one before. Beyond
  // kMaxPausedClients nobody new is remembered. Returns the pause that begins, zero without one.
  seconds failed(const std::string& client, Instant now);
  // A success, or an operator's word. False when nothing was held against the client.
  bool forget(const std::string& client);

 private:
  struct Record {
    std::uint32_t failures = 0;
    Instant last;
    Instant paused_until;
  };
  std::map<std::string, Record> records_;
};

}  // namespace sallyport::authority
