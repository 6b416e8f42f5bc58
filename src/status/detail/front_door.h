// From a connection that the relay hands over to one that is served, and how many there may be.
#pragma once

#include <memory>

#include "crypto/tls.h"
#include "http/server.h"
#include "net/admissions.h"
#include "net/hand_over.h"

namespace sallyport::status {

inline constexpr milliseconds kHandshakeLimit{5'000};
// Between two questions of a connection, and until the first: a place is worth more than the next handshake.
inline constexpr seconds kStatusIdleLimit{10};
// Served at once, in all and per source (net::source_of): a fleet may stand behind one address, and none of its devices
// keeps a connection for longer than a few answers take.
inline constexpr std::size_t kMaxConnections = 32'768;
inline constexpr std::size_t kMaxConnectionsPerSource = 4'096;

// One thread. Borrows the server for its lifetime.
class FrontDoor {
 public:
  explicit FrontDoor(const http::Server& server, std::size_t most = kMaxConnections,
                     std::size_t most_per_source = kMaxConnectionsPerSource);

  // Serves one connection, in the clear or over TLS, until it ends. Closes it at once where there is no place for it,
  // or it is TLS and there is no `context` yet.
  net::Task<void> serve(net::HandedOver connection, std::shared_ptr<crypto::TlsContext> context);

 private:
  const http::Server& server_;
  net::Admissions admissions_;
};

}  // namespace sallyport::status
