// How often an agent speaks so that its NAT remembers it and a dead peer is noticed within kDeadPeerDeadline.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {

// Learns the interval over many connections of one agent: starts at the longest, halves when a connection dies of a
// lost ping, grows by a second after ten answered pings. Always within kMinPingInterval and kMaxPingInterval.
class PingInterval {
 public:
  seconds current() const { return current_; }
  void on_answered();
  void on_lost();

 private:
  seconds current_ = kMaxPingInterval;
  unsigned answered_ = 0;
};

}  // namespace sallyport::tunnel
