// Who holds which snapshot, and until when: the bookkeeping behind "a revocation is acknowledged when each live role
// has confirmed it or its lease has lapsed" (DESIGN §8).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace sallyport::authority {

inline constexpr milliseconds kLeaseLife{5'000};
inline constexpr milliseconds kLeaseInterval{1'000};
// A lease is counted as live this much longer than the role was told, for the time that the message took.
inline constexpr milliseconds kLeaseMargin{500};

// Not thread-safe. A subscriber is one connection of one role.
class LeaseBook {
 public:
  using SubscriberId = std::uint64_t;

  void subscribe(SubscriberId subscriber, std::uint64_t have_number);
  // A connection that ended may still work under its last lease: it counts until that has lapsed.
  void disconnected(SubscriberId subscriber);
  // Whether the subscriber works from `number` or newer: one that is behind gets no lease and stops admitting by
  // itself.
  bool deserves_lease(SubscriberId subscriber, std::uint64_t number) const;
  // A lease was sent to the subscriber at `now`.
  void leased(SubscriberId subscriber, Instant now);
  void acknowledged(SubscriberId subscriber, std::uint64_t number);

  // Whether every role that may admit a session at `now` works from snapshot `number` or newer. Forgets the lapsed.
  bool in_force(std::uint64_t number, Instant now);
  // Who is missing, for the log.
  std::vector<SubscriberId> behind(std::uint64_t number, Instant now) const;

 private:
  struct Subscriber {
    std::uint64_t number = 0;
    Instant leased_until{};
    bool connected = true;
  };
  std::map<SubscriberId, Subscriber> subscribers_;
};

}  // namespace sallyport::authority
