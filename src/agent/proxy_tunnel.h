// Connections through a proxy to somebody else.
#pragma once

#include "agent/proxy.h"
#include "net/connect.h"
#include "tunnel/proxy_login.h"

namespace sallyport::agent {

// "proxy HOST:PORT", for errors.
std::string name_of(const Proxy& proxy);

// Connects to `proxy` and asks it to connect to `target`, whose bytes the stream's then are. An HTTP proxy that asks
// for a login is asked again, by another connection where it does not keep the first: `login` is what is remembered of
// it, and may be null for a SOCKS proxy. Errors name the proxy and no secret: those of net::connect_tcp;
// Errc::unavailable where it refuses or closes, with its reason; Errc::malformed for what is no answer; Errc::expired;
// those of Stream.
net::Task<Result<net::StreamPtr>> connect_through(Proxy proxy, std::shared_ptr<tunnel::ProxyLogin> login,
                                                  net::Address target, net::Deadline deadline,
                                                  net::ConnectOptions options);

}  // namespace sallyport::agent
