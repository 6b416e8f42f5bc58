// Taking connections that the relay accepted and hands over with their bytes unread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <set>
#include <string>

#include "net/listener.h"

namespace sallyport::net {

// A connection as the relay passed it on.
struct HandedOver {
  StreamPtr stream;
  bool is_tls = false;  // whether its first byte is that of a TLS record (RFC 8446 §5.1: 22, handshake)
  std::string source;   // the peer's address as the relay told it: a hint, never an authorisation
};

// Accepts channels on `listener` from peers whose uid is in `givers`, and gives each connection that comes through them
// to `take`, which must not block. Returns when the listener is closed.
Task<void> serve_hand_over(Listener& listener, std::set<uid_t> givers, std::function<void(HandedOver)> take);
// The same for one channel; returns when it ends.
Task<void> serve_hand_over(StreamPtr channel, std::function<void(HandedOver)> take);

}  // namespace sallyport::net
