// By what time a certificate or answer is judged: a clock that is trusted, or a floor below which it cannot be.
#pragma once

#include "base/time.h"

namespace sallyport::pki {

// By which time something is judged. With a floor, what ended before it is expired, and everything else about time is
// deferred.
class TimeRule {
 public:
  static TimeRule clock(UnixTime now) { return {now, true}; }
  static TimeRule floor(UnixTime not_earlier_than) { return {not_earlier_than, false}; }

  UnixTime time() const { return time_; }
  bool is_clock() const { return is_clock_; }

 private:
  TimeRule(UnixTime time, bool is_clock) : time_(time), is_clock_(is_clock) {}
  UnixTime time_;
  bool is_clock_;
};

}  // namespace sallyport::pki
