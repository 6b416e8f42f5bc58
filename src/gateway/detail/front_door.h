// From a connection that the relay hands over to one that is served: the handshake, and how many there may be.
#pragma once

#include <memory>

#include "base/log_budget.h"
#include "base/time.h"
#include "crypto/tls.h"
#include "gateway/detail/door_places.h"
#include "http/server.h"
#include "net/hand_over.h"

namespace sallyport::gateway {

inline constexpr milliseconds kHandshakeLimit{5'000};
// Between two requests of a connection: a device that has nothing to say makes room, and comes back when it has. One
// that nobody has claimed yet asks every 30 s, and is not to shake hands for each.
inline constexpr seconds kDeviceIdleLimit{45};
// What a device with a good certificate is told to wait when there is no place for it.
inline constexpr seconds kFullRetryAfter{30};

// One thread. Borrows clock and server for its lifetime.
class FrontDoor {
 public:
  FrontDoor(const Clock& clock, const http::Server& server, DoorLimits limits = {});

  // Serves one connection until it ends. Closes it at once where there is no place for it, it is no TLS, or there is no
  // `context` yet; a device for which there is none is answered 503 before. The peer's certificate is for `context` to
  // verify.
  net::Task<void> serve(net::HandedOver connection, std::shared_ptr<crypto::TlsContext> context);

 private:
  void note_failed_handshake(const std::string& source, const Error& error);

  const Clock& clock_;
  const http::Server& server_;
  http::Server full_;  // for those for whom there is no place
  DoorPlaces places_;
  log::Budget failed_handshakes_;
};

}  // namespace sallyport::gateway
