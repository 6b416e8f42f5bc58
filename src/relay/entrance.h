// The way in: accepts, looks at the first bytes of a connection, and brings it where it belongs. One thread.
#pragma once

#include <memory>

#include "crypto/tls.h"
#include "net/raw_socket.h"
#include "relay/device_check.h"
#include "relay/devices.h"
#include "relay/grant_table.h"
#include "relay/passing.h"
#include "relay/resumption.h"
#include "relay/settings.h"
#include "relay/visits.h"

namespace sallyport::relay {

// What a connection is judged by and brought to.
struct Inside {
  const Settings& settings;
  const Clock& clock;
  const rolelink::RoleLink& link;
  DeviceCheck& check;
  const ResumptionKeys& resumption;
  const GrantTable& grants;
  Devices& devices;
  Visits& visits;
};

// Borrows what `inside` refers to until close().
class Entrance {
 public:
  Entrance(net::Executor executor, Inside inside);
  ~Entrance();
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;

  // Takes our own certificate for control connections; until then there are none.
  Result<void> use_identity(crypto::TlsIdentity identity);
  // Devices are told of these CAs, whose certificates they need not show.
  Result<void> use_issuers(std::vector<Bytes> names);
  // Accepts until the listener is closed.
  net::Task<void> accept_from(net::RawListener& listener);
  // Takes a connection that another worker passed on, or that comes back from the process before this one.
  void take_passed(std::unique_ptr<net::RawSocket> socket, Came came);
  // Until forget_predecessor(), or until the channel breaks: what this process does not know of its own slot goes to
  // the one before it, which leaves.
  void follow(net::StreamPtr predecessor);
  void forget_predecessor();
  // From now on no WebSocket is opened here, and what this process does not know goes back to the one after it.
  void leave();
  // Connections whose WebSockets are taken off here, and those of them that are devices'.
  std::size_t unwrapped() const;
  std::size_t unwrapped_for_devices() const;
  // Strangers at this moment.
  std::size_t strangers() const;
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::relay
