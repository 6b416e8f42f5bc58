// Who holds which snapshot, and until when: the bookkeeping behind "a revocation is acknowledged when each live role
// has confirmed it or its lease has lapsed" (ARCHITECTURE.md, Life of a certificate).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/time.h"

namespace sallyport::authority {

inline constexpr milliseconds kLeaseLife{5'000};
// How often a role asks for its lease. It counts the lease from the moment it asked, so that no delay of the answer
// makes a lease outlast what is written here.
inline constexpr milliseconds kLeaseInterval{1'000};
// A lease is counted as live this much longer than it was given for, since clocks do not run equally fast.
inline constexpr milliseconds kLeaseMargin{500};
// A role may lag this much behind what is published and still get leases: otherwise a busy installation, which
// publishes all the time, would give none.
inline constexpr milliseconds kCatchUpLimit{1'000};

// Not thread-safe. A subscriber is one connection of one role.
class LeaseBook {
 public:
  using SubscriberId = std::uint64_t;

  // Leases of an earlier run of the authority may be live for kLeaseLife after `started`.
  explicit LeaseBook(Instant started) : earlier_leases_until_(started + kLeaseLife + kLeaseMargin) {}

  // `number` is on its way to every subscriber.
  void published(std::uint64_t number, Instant now);
  void subscribe(SubscriberId subscriber, std::uint64_t have_number);
  // A connection that ended may still work under its last lease: it counts until that has lapsed.
  void disconnected(SubscriberId subscriber);
  // Whether the subscriber works from all that is in force and from all that was published kCatchUpLimit ago: one that
  // does not gets no lease and stops admitting by itself.
  bool deserves_lease(SubscriberId subscriber, Instant now);
  // A lease was sent to the subscriber at `now`.
  void leased(SubscriberId subscriber, Instant now);
  void acknowledged(SubscriberId subscriber, std::uint64_t number);

  // Whether every role that may admit a session at `now` works from snapshot `number` or newer. Forgets the lapsed.
  // Once this is true nobody who lacks `number` gets a lease.
  bool in_force(std::uint64_t number, Instant now);
  // The same of the roles that this run knows.
  bool is_known(std::uint64_t number, Instant now) const { return behind(number, now).empty(); }
  // Who is missing, for the log.
  std::vector<SubscriberId> behind(std::uint64_t number, Instant now) const;

 private:
  struct Subscriber {
    std::uint64_t number = 0;
    Instant leased_until{};
    bool connected = true;
  };
  struct Publication {
    std::uint64_t number = 0;
    Instant at;
  };
  std::map<SubscriberId, Subscriber> subscribers_;
  Instant earlier_leases_until_;
  std::optional<std::uint64_t> newest_;
  std::deque<Publication> recent_;  // younger than kCatchUpLimit
  std::uint64_t required_ = 0;      // for a lease
};

}  // namespace sallyport::authority
