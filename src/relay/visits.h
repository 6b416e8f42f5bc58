// Users on their way to a device: waiting, joined with a data connection, counted, cut. One thread.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "net/raw_socket.h"
#include "net/splice.h"
#include "relay/device_check.h"
#include "relay/devices.h"
#include "relay/grant_table.h"
#include "relay/reports.h"
#include "tunnel/rendezvous.h"

namespace sallyport::relay {

// Borrows all that it is given until close(). The pipes are made by the constructor, so before privileges are dropped.
class Visits {
 public:
  Visits(net::Executor executor, const Clock& clock, Devices& devices, const DeviceCheck& check, Reports& reports,
         std::size_t pipes, std::size_t pipe_bytes);
  ~Visits();
  Visits(const Visits&) = delete;
  Visits& operator=(const Visits&) = delete;

  // A user whose ClientHello, still unread, names the label of `grant`, which is in force. Whom the device cannot or
  // may not serve gets the same alert as an unknown name.
  void on_user(std::unique_ptr<net::RawSocket> user, const LiveGrant& grant);
  // A data connection that showed `ticket`; its preface was taken.
  void on_data(std::unique_ptr<net::RawSocket> data, const tunnel::Ticket& ticket);
  // The same inside TLS, for networks that let nothing else through: its bytes are copied.
  void on_tls_data(net::StreamPtr data, const tunnel::Ticket& ticket);

  // Of Devices.
  void on_tickets(tunnel::SessionId session, std::span<const tunnel::Ticket> tickets);
  void on_refused(const tunnel::Ticket& ticket, tunnel::RefuseCode code);
  void on_session_over(tunnel::SessionId session);

  // Ends every connection of an access session at once and tells the authority its last counts.
  void end_session(const tunnel::GrantId& session, std::string_view why);
  // Ends those of devices that users may no longer reach.
  void recheck();
  void end_all(std::string_view why);
  void on_round(Instant now);

  // Whether a data connection with this ticket is expected here.
  bool expects(const tunnel::Ticket& ticket) const;
  // Tells the last counts of all sessions, which go on at another process, and aborts what is still live here.
  void leave();

  std::size_t waiting() const;
  std::size_t joined() const;
  std::size_t ready() const;
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::relay
