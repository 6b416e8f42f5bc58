// The devices that are connected to this worker: their control connections, which of two stays, and who is told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "net/stream.h"
#include "relay/device_check.h"
#include "relay/reports.h"
#include "relay/resumption.h"
#include "tunnel/control_session.h"
#include "tunnel/displacement.h"
#include "tunnel/rendezvous.h"

namespace sallyport::relay {

struct DeviceEvents {
  std::function<void(tunnel::SessionId, std::span<const tunnel::Ticket>)> on_tickets;
  std::function<void(const tunnel::Ticket&, tunnel::RefuseCode)> on_refused;
  // All tickets of the session are void.
  std::function<void(tunnel::SessionId)> on_session_over;
};

// One thread. Borrows all that it is given until close().
class Devices {
 public:
  Devices(net::Executor executor, const Clock& clock, Random& random, const DeviceCheck& check,
          const ResumptionKeys& resumption, Reports& reports, tunnel::WorkerSlot slot, DeviceEvents events);
  ~Devices();
  Devices(const Devices&) = delete;
  Devices& operator=(const Devices&) = delete;

  // Takes a connection whose handshake is complete and whose certificate was confirmed.
  void take(net::StreamPtr stream, DeviceCertificate certificate);

  // The session of a device that is online; absent otherwise.
  std::optional<tunnel::SessionId> find(const DeviceName& device) const;
  // As tunnel::RelaySession; Errc::unavailable for a session that is over.
  Result<void> open(tunnel::SessionId session, tunnel::OpenFrame open);
  void settled(tunnel::SessionId session, const tunnel::Ticket& ticket);
  void ticket_lost(tunnel::SessionId session, const tunnel::Ticket& ticket);
  void renew(const DeviceName& device, Bytes sealed_grant);
  void cut(const DeviceName& device, const tunnel::GrantId& session);

  // Ends every connection that the snapshot no longer allows.
  void recheck();
  void end_all(std::string_view why);
  void on_round(Instant now);
  // Tells the authority of everybody who is online.
  void report_all();
  // GOAWAY to all, spread over the time in which they can be served again; returns when it was sent.
  net::Task<void> send_all_away();
  // GOAWAY to at most `count` of those for whom no user waits: they come back at once, to whoever then has the slot.
  void send_away(std::size_t count);
  std::size_t size() const;
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::relay
