// Outgoing connections.
#pragma once

#include <string>

#include "net/stream.h"

namespace sallyport::net {

// Looks `address.host` up and tries what is found, in order, each at most kConnectAttempt while others are left.
// Errc::not_found when the name has no address, Errc::unavailable when none answers (the error names address and
// cause), Errc::expired.
Task<Result<StreamPtr>> connect_tcp(Address address, Deadline deadline, SocketOptions options = {});
inline constexpr milliseconds kConnectAttempt{5'000};

// Errc::not_found when there is no such socket, Errc::unavailable when nobody listens.
Task<Result<StreamPtr>> connect_unix(std::string path, Deadline deadline);

}  // namespace sallyport::net
