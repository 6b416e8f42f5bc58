// Outgoing connections.
#pragma once

#include <string>

#include "net/stream.h"

namespace sallyport::net {

struct ConnectOptions {
  SocketOptions socket{};
  // An IP address of this machine to connect from; what is found of the other family is left out. Empty: the system
  // chooses.
  std::string source{};
};

// Looks `address.host` up and tries what is found, in order, each at most kConnectAttempt while others are left.
// Errc::not_found when the name has no address, Errc::unavailable when none answers (the error names address and
// cause), Errc::malformed when `source` is no IP address, Errc::expired.
Task<Result<StreamPtr>> connect_tcp(Address address, Deadline deadline, ConnectOptions options = {});
inline constexpr milliseconds kConnectAttempt{5'000};

// Errc::not_found when there is no such socket, Errc::unavailable when nobody listens.
Task<Result<StreamPtr>> connect_unix(std::string path, Deadline deadline);

}  // namespace sallyport::net
