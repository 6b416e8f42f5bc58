// Data connections dialled before their user comes (docs/protocol/tunnel.md §3): he is spared the round trips of OPEN
// and dialling. None before the first user, few after him, none again when nobody came for a while.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "agent/device_time.h"
#include "net/stream.h"
#include "net/task_group.h"
#include "net/timer.h"
#include "tunnel/admission.h"
#include "tunnel/ticket.h"

namespace sallyport::agent {

inline constexpr milliseconds kReadyAfterUser{120'000};  // how long they are kept for the next one
inline constexpr double kReadyPerSecond = 2.0;           // dialled in the long run
inline constexpr std::size_t kReadyBurst = 24;
// What comes at once with a user, the other connections of his browser, is served before others are dialled for later
// ones.
inline constexpr milliseconds kReadyRefillDelay{50};
inline constexpr milliseconds kReadySweep{1'000};  // how often those that have broken are looked for

// Of one control connection, whose tickets they have. One thread; borrows `tasks` and the time for its lifetime. Shared
// by the tasks that it starts, so it is made by std::make_shared; close() ends them.
class ReadyConnections : public std::enable_shared_from_this<ReadyConnections> {
 public:
  struct Source {
    // A ticket to dial with; absent: none is free. Then it is spent but for its OPEN.
    std::function<std::optional<tunnel::Ticket>()> take_ticket;
    std::function<net::Task<Result<net::StreamPtr>>(tunnel::Ticket)> dial;
    // The connection of this ticket has gone.
    std::function<void(const tunnel::Ticket&)> lost;
  };
  ReadyConnections(net::TaskGroup& tasks, const DeviceTime& time, std::size_t most, Source source);

  // A user came; `was_ready` says whether a connection waited for him. The first that did not wait raises how many are
  // kept, twofold up to `most`. Those are dialled kReadyRefillDelay later.
  void user_came(bool was_ready);
  // The connection that was dialled with `ticket`, once it is there; null when it has broken meanwhile.
  static net::Task<net::StreamPtr> take(std::shared_ptr<ReadyConnections> self, tunnel::Ticket ticket);
  std::size_t size() const { return ready_.size(); }
  // Whether it will dial what is wanted without another user.
  bool will_refill() const { return refills_; }
  // Closes all; dials no more.
  void close();

 private:
  void refill();
  static net::Task<void> dial(std::shared_ptr<ReadyConnections> self, tunnel::Ticket ticket);
  static net::Task<void> refill_later(std::shared_ptr<ReadyConnections> self);
  static net::Task<void> keep(std::shared_ptr<ReadyConnections> self);
  void sweep();

  net::TaskGroup& tasks_;
  const DeviceTime& time_;
  std::size_t most_;
  Source source_;
  tunnel::TokenBucket budget_;
  std::map<tunnel::Ticket, net::StreamPtr> ready_;
  std::set<tunnel::Ticket> dialling_;
  net::Event dialled_;
  std::size_t wanted_ = 0;
  Instant last_user_{};
  bool keeps_ = false;    // keep() runs
  bool refills_ = false;  // refill_later() runs
  bool closed_ = false;
};

}  // namespace sallyport::agent
