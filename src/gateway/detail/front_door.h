// From a connection that the relay hands over to one that is served: the handshake, and how many there may be.
#pragma once

#include <memory>
#include <optional>

#include "base/log_budget.h"
#include "base/time.h"
#include "crypto/tls.h"
#include "http/server.h"
#include "net/admissions.h"
#include "net/hand_over.h"

namespace sallyport::gateway {

inline constexpr milliseconds kHandshakeLimit{10'000};
// Connections at once, in all and per source (net::source_of). A flood of one kind takes no place of another: whoever
// shakes hands is gone after kHandshakeLimit, and a device counts with the certified ones from then on.
struct DoorLimits {
  std::size_t handshakes = 1'024, handshakes_per_source = 512;
  std::size_t strangers = 256, strangers_per_source = 32;       // who showed no certificate
  std::size_t certified = 4'096, certified_per_source = 2'048;  // a fleet may stand behind one address
};

// One thread. Borrows clock and server for its lifetime.
class FrontDoor {
 public:
  FrontDoor(const Clock& clock, const http::Server& server, DoorLimits limits = {});

  // Serves one connection until it ends. Closes it at once where there is no place for it, it is no TLS, or there is no
  // `context` yet. The peer's certificate is for `context` to verify.
  net::Task<void> serve(net::HandedOver connection, std::shared_ptr<crypto::TlsContext> context);

 private:
  using Place = std::optional<net::Admissions::Place>;
  net::Task<Result<net::StreamPtr>> shake_hands(net::StreamPtr lower, std::shared_ptr<crypto::TlsContext> context);
  Place admit(const net::PeerInfo& peer);
  void note_failed_handshake(const std::string& source, const Error& error);

  const Clock& clock_;
  const http::Server& server_;
  net::Admissions handshakes_;
  net::Admissions strangers_;
  net::Admissions certified_;
  log::Budget failed_handshakes_;
};

}  // namespace sallyport::gateway
