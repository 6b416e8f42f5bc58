// What the relay tells the authority: who is online, what sessions carry, alarms. One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "net/timer.h"
#include "records/role_messages.h"
#include "rolelink/role_link.h"
#include "tunnel/grant.h"

namespace sallyport::relay {

// Keeps the newest of each device and session until it was told, in the order of their first change; so it is bounded
// by what it describes, and an authority that was away hears where things stand.
class Reports {
 public:
  // Borrows `link` until close().
  Reports(net::Executor executor, rolelink::RoleLink& link);
  ~Reports();
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;

  void presence(records::Presence presence);
  void session(const tunnel::GrantId& session, records::AccessSessionReport report);
  // Dropped over kMaxAlarms: they are in the log as well.
  void alarm(records::Alarm alarm);
  void acknowledge_grant(const tunnel::GrantId& grant);
  // Returns when everything was told, or at the deadline.
  net::Task<void> until_told(net::Deadline deadline);
  void close();

 private:
  struct State;
  static net::Task<void> tell_presence(std::shared_ptr<State> state);
  static net::Task<void> tell_presence_of(std::shared_ptr<State> state, records::Presence presence);
  static net::Task<void> tell_sessions(std::shared_ptr<State> state);
  static net::Task<void> tell_alarms(std::shared_ptr<State> state);
  static net::Task<void> tell_grant(std::shared_ptr<State> state, Bytes id);
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::relay
