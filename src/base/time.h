// Civil time, monotonic time, and the clock that programs hand down. Nothing below apps/ reads a clock by itself.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
inline constexpr seconds kDay{86'400};

// Civil time in whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 5280 §4.1.2.5 works the same
// way).
class UnixTime {
 public:
  UnixTime() = default;
  constexpr explicit UnixTime(std::int64_t since_epoch) : seconds_(since_epoch) {}

  constexpr std::int64_t since_epoch() const { return seconds_; }
  constexpr UnixTime operator+(seconds d) const { return UnixTime(seconds_ + d.count()); }
  constexpr UnixTime operator-(seconds d) const { return UnixTime(seconds_ - d.count()); }
  constexpr seconds operator-(UnixTime other) const { return seconds(seconds_ - other.seconds_); }
  friend constexpr bool operator==(UnixTime, UnixTime) = default;
  friend constexpr auto operator<=>(UnixTime, UnixTime) = default;

 private:
  std::int64_t seconds_ = 0;
};

// RFC 5280 §4.1.2.5: "99991231235959Z" is the notAfter of a certificate that has no well-defined expiration date.
inline constexpr UnixTime kNoExpiry{253'402'300'799};

// A broken-down UTC time of the proleptic Gregorian calendar.
struct CivilTime {
  int year = 1970;
  unsigned month = 1, day = 1, hour = 0, minute = 0, second = 0;
};
CivilTime to_civil(UnixTime time);
// Fails with Errc::malformed when a field is outside its range (30 February, 24:00, second 60).
Result<UnixTime> from_civil(const CivilTime& civil);

// "2026-01-02T03:04:05Z".
std::string to_iso8601(UnixTime time);
// Accepts exactly the form that to_iso8601 writes.
Result<UnixTime> parse_iso8601(std::string_view text);

// A point of a monotonic clock that goes on during suspend (CLOCK_BOOTTIME); comparable within one boot only.
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

// What a program knows about time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixTime now() const = 0;
  virtual Instant monotonic() const = 0;
};

// The operating system's clocks. Made once, in main.
class SystemClock final : public Clock {
 public:
  UnixTime now() const override;
  Instant monotonic() const override;
};

// A clock that stands still until it is told otherwise.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(UnixTime start) : now_(start) {}
  UnixTime now() const override { return now_; }
  Instant monotonic() const override { return monotonic_; }
  void advance(milliseconds by) {
    fraction_ += by;
    monotonic_ += by;
    now_ = now_ + std::chrono::duration_cast<seconds>(fraction_);
    fraction_ %= seconds(1);
  }

 private:
  UnixTime now_;
  Instant monotonic_{};
  milliseconds fraction_{0};
};

}  // namespace sallyport
