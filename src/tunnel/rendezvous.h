// Where users and data connections meet: the bookkeeping of one relay worker. Every ticket is in exactly one of these
// states: issued (given to the agent), ready (a data connection waits with it), awaited (a user waits with it, its OPEN
// sent), or forgotten. It is taken once: by the second of the two to come.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/time.h"
#include "tunnel/limits.h"
#include "tunnel/ticket.h"

namespace sallyport::tunnel {

// Names that the owner gives to its objects; unique over the life of the Rendezvous.
using SessionId = Strong<std::uint64_t, struct SessionIdTag>;  // a control connection
using UserId = Strong<std::uint64_t, struct UserIdTag>;        // a user's connection
using DataId = Strong<std::uint64_t, struct DataIdTag>;        // a data connection

struct RendezvousLimits {
  std::size_t users_per_device = kMaxUsersWaitingPerDevice;
  std::size_t users = kMaxUsersWaiting;
  std::size_t ready_per_device = kMaxReadyPerDevice;
  std::size_t ready = kMaxReady;
  milliseconds user_deadline = kUserWaitDeadline;
};

// One per worker. One thread. Time is only what it is told.
class Rendezvous {
 public:
  explicit Rendezvous(RendezvousLimits limits = {}) : limits_(limits) {}

  // Enters tickets that the session's agent was given. A ticket that is already known is a broken invariant.
  void issue(SessionId session, std::span<const Ticket> tickets);

  // A user wants this device: send OPEN with the ticket. With a data connection that was ready both are joined at once.
  struct Claim {
    Ticket ticket;
    std::optional<DataId> joined;
  };
  // Errc::not_found when the session is unknown, Errc::overloaded over a limit or without a ticket left.
  Result<Claim> claim(SessionId session, UserId user, Instant now);

  // A data connection showed `ticket`: joined with the user that waits, or kept ready.
  struct Arrival {
    SessionId session;
    std::optional<UserId> joined;
  };
  // Errc::not_found for a ticket that is unknown, spent or void, Errc::conflict for one shown before, Errc::overloaded.
  Result<Arrival> arrive(const Ticket& ticket, DataId data);

  // Whether a data connection may still come with it.
  bool knows(const Ticket& ticket) const { return tickets_.contains(ticket); }

  // The agent refused, or OPEN could not be sent. Returns the user that waited.
  std::optional<UserId> refuse(const Ticket& ticket);
  // The user hung up. Returns the ticket, now void; settle it with the session.
  std::optional<Ticket> user_gone(UserId user);
  // A ready connection broke. Returns its session and ticket, now void.
  struct Lost {
    SessionId session;
    Ticket ticket;
  };
  std::optional<Lost> data_gone(DataId data);

  // The control connection ended: all its tickets are void. Users and ready connections to close.
  struct Orphans {
    std::vector<UserId> users;
    std::vector<DataId> data;
  };
  Orphans end_session(SessionId session);

  // Users whose time is over, with their tickets, now void.
  struct Late {
    SessionId session;
    UserId user;
    Ticket ticket;
  };
  std::vector<Late> on_tick(Instant now);
  // When on_tick() has something to do next.
  std::optional<Instant> next_deadline() const;

  std::size_t users_waiting() const { return users_.size(); }
  std::size_t ready() const { return data_.size(); }
  std::size_t known_tickets() const { return tickets_.size(); }

 private:
  struct Issued {};
  struct Ready {
    DataId data;
  };
  struct Awaited {
    UserId user;
    Instant deadline;
  };
  struct Entry {
    SessionId session;
    std::variant<Issued, Ready, Awaited> state;
  };
  struct Session {
    std::vector<Ticket> issued;
    std::vector<Ticket> ready;
    std::vector<Ticket> awaited;
  };
  void forget_user(UserId user, Instant deadline);

  RendezvousLimits limits_;
  std::unordered_map<Ticket, Entry> tickets_;
  std::unordered_map<SessionId, Session> sessions_;
  std::unordered_map<UserId, Ticket> users_;
  std::unordered_map<DataId, Ticket> data_;
  std::multimap<Instant, UserId> deadlines_;
};

}  // namespace sallyport::tunnel
