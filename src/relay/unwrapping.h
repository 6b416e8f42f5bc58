// Taking connections out of the WebSockets that they came in.
#pragma once

#include <memory>

#include "net/raw_socket.h"
#include "relay/first_flight.h"

namespace sallyport::relay {

// How long an unwrapped connection may be silent once one of its directions has ended; while both are open whoever has
// it knows better.
inline constexpr milliseconds kUnwrappedHalfClosedLimit{600'000};

// One thread. What is carried goes on when this ends, until its ends do.
class Unwrapping {
 public:
  // Takes a request for a WebSocket from `outside` and answers it; what its peer sends inside then comes out of the
  // socket that is returned, and the other way round. Its peer's address is that of `outside`. Errc::overloaded over
  // kMaxWebSockets; the errors of the system; those of Stream, where it does not take the answer.
  net::Task<Result<std::unique_ptr<net::RawSocket>>> begin(std::unique_ptr<net::RawSocket> outside, ToUnwrap upgrade);
  // How many are carried.
  std::size_t carried() const { return *carried_; }

 private:
  std::shared_ptr<std::size_t> carried_ = std::make_shared<std::size_t>(0);
};

}  // namespace sallyport::relay
