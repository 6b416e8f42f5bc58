// The way out for networks that let nothing but HTTP pass: everything inside a WebSocket to the relay's plain port.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/proxy.h"
#include "base/random.h"
#include "net/connect.h"

namespace sallyport::agent {

// The inside of a WebSocket.
struct WebSocketReached {
  net::StreamPtr stream;  // a Unix socket
  std::string own_host;   // the address that the connection left by
};

// Opens one to `relay`, directly or through `proxy`: an HTTP proxy is asked in absolute form, with what `login`
// remembers, and must let the upgrade through. Borrows `random` for the life of the connection. Errors name who
// answered and no secret: those of connect_through(); Errc::unavailable where a WebSocket is refused, Errc::malformed
// where it is no WebSocket of a relay.
net::Task<Result<WebSocketReached>> open_web_socket(net::Address relay, std::optional<Proxy> proxy,
                                                    std::shared_ptr<tunnel::ProxyLogin> login, net::Deadline deadline,
                                                    net::ConnectOptions options, Random& random);

}  // namespace sallyport::agent
