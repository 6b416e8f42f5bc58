// When an agent dials again.
#pragma once

#include <optional>

#include "base/random.h"
#include "base/time.h"
#include "tunnel/frames.h"

namespace sallyport::tunnel {

struct BackoffLimits {
  milliseconds least{1'000};
  milliseconds most{300'000};
  milliseconds stable{60'000};  // a connection that lived so long starts the count anew
};

// Decorrelated jitter: each delay is drawn from [least, 3 × the last one], at most `most`; so a fleet that lost its
// relay in one instant comes back spread out. A GOAWAY that names a time is obeyed: that time and up to a tenth more.
class Backoff {
 public:
  explicit Backoff(BackoffLimits limits = {}) : limits_(limits), last_(limits.least) {}

  void on_connected(Instant now) { connected_ = now; }
  // The connection, or the attempt, failed at `now`: how long to wait.
  milliseconds on_lost(std::optional<GoAwayFrame> go_away, Instant now, Random& random);

 private:
  BackoffLimits limits_;
  milliseconds last_;
  std::optional<Instant> connected_;
};

// The come_back_in for a relay that goes down: spreads `devices` evenly at random over the time in which
// `handshakes_per_second` serve them, at most kMaxComeBackIn.
milliseconds draw_come_back_in(std::size_t devices, std::size_t handshakes_per_second, Random& random);

}  // namespace sallyport::tunnel
