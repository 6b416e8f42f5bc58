// What a device knows of the time, which may be little.
#pragma once

#include <algorithm>
#include <optional>

#include "base/time.h"
#include "pki/time_rule.h"

namespace sallyport::agent {

// Borrows the clock for its lifetime. Not thread-safe.
class DeviceTime {
 public:
  // `clock_is_trusted` is the operator's word; a clock that stands before `floor` is not believed whatever he says.
  DeviceTime(const Clock& clock, bool clock_is_trusted, UnixTime floor)
      : clock_(clock), clock_is_trusted_(clock_is_trusted), floor_(floor) {}

  bool has_clock() const { return clock_is_trusted_ && clock_.now() >= floor_; }
  // By what certificates and answers of a peer are judged.
  pki::TimeRule rule() const { return has_clock() ? pki::TimeRule::clock(clock_.now()) : pki::TimeRule::floor(floor_); }
  // The best there is: a trusted clock, the time of the last status answer and what has passed since, or the floor.
  UnixTime now() const {
    if (has_clock()) return clock_.now();
    if (!told_) return std::max(floor_, clock_.now());
    return *told_ + std::chrono::duration_cast<seconds>(clock_.monotonic() - heard_);
  }
  // Whether now() is more than a floor.
  bool is_known() const { return has_clock() || told_.has_value(); }
  UnixTime floor() const { return floor_; }
  Instant monotonic() const { return clock_.monotonic(); }

  // A status answer that was proven fresh by our nonce was made at `produced_at`.
  void learn(UnixTime produced_at) {
    floor_ = std::max(floor_, produced_at);
    told_ = produced_at;
    heard_ = clock_.monotonic();
  }

 private:
  const Clock& clock_;
  bool clock_is_trusted_;
  UnixTime floor_;
  std::optional<UnixTime> told_;
  Instant heard_{};
};

}  // namespace sallyport::agent
