// How often an agent speaks so that its NAT remembers it and a dead peer is noticed within kDeadPeerDeadline.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "tunnel/limits.h"

namespace sallyport::tunnel {

// Learns the interval over many connections of one agent through one network: starts at the longest, halves when a
// connection dies of a lost ping, grows by a second after ten answered pings up to its ceiling. The ceiling is a second
// below the shortest interval that a connection died of; after kAnswersToForget pings at the ceiling it is raised by a
// second, and after each loss at the ceiling it takes twice as many, up to 32 times as many.
// Always within kMinPingInterval and kMaxPingInterval.
class PingInterval {
 public:
  // What is worth remembering: where a later agent goes on.
  struct Learnt {
    seconds current = kMaxPingInterval;
    seconds ceiling = kMaxPingInterval;
    friend bool operator==(const Learnt&, const Learnt&) = default;
  };
  PingInterval() = default;
  // From what was remembered; what is outside the bounds is brought inside.
  explicit PingInterval(const Learnt& learnt);

  seconds current() const { return learnt_.current; }
  const Learnt& learnt() const { return learnt_; }
  void on_answered();
  // The connection died of a ping that was sent after current() of silence.
  void on_lost();

 private:
  Learnt learnt_;
  unsigned answered_ = 0;
  unsigned patience_ = 1;  // times kAnswersToForget
};
inline constexpr unsigned kAnswersToForget = 500;

}  // namespace sallyport::tunnel
