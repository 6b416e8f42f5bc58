// A connection to a proxy that becomes one to somebody else.
#pragma once

#include "agent/proxy.h"
#include "net/stream.h"

namespace sallyport::agent {

// Asks `proxy`, to which `stream` leads, to connect to `target`; afterwards the stream's bytes are the target's.
// Borrows the stream until it returns. Errors name the proxy and no secret: Errc::unavailable where it refuses or
// closes, with its reason; Errc::malformed for what is no answer; Errc::expired; those of Stream.
net::Task<Result<void>> open_tunnel(net::Stream& stream, Proxy proxy, net::Address target, net::Deadline deadline);

}  // namespace sallyport::agent
