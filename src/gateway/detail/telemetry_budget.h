// How many bytes of telemetry a device may have stored: one that was taken over must not fill the disk for all.
#pragma once

#include <map>

#include "base/names.h"
#include "base/time.h"

namespace sallyport::gateway {

// So many bytes at once, and so many a second in the long run.
struct TelemetryRate {
  double burst = 0;
  double per_second = 0;
};
// A gigabyte an hour, and what a device has gathered in some days without a network at once.
inline constexpr TelemetryRate kClaimedTelemetry{.burst = 64.0 * 1'048'576, .per_second = 256.0 * 1'024};
// Nobody reads it yet: one batch, and then as much as tells that the device is alive.
inline constexpr TelemetryRate kUnclaimedTelemetry{.burst = 1'048'576, .per_second = 64};
inline constexpr std::size_t kMaxTelemetryBudgets = 100'000;
// The longest that a device is told to wait for its budget: it may be claimed meanwhile, or send less.
inline constexpr seconds kMostTelemetryWait{3'600};

// A token bucket per device, in bounded memory. One thread.
class TelemetryBudget {
 public:
  // Whether `bytes` of `device` may be stored now, which takes them from its budget. A device that is claimed, or given
  // up, begins with a whole one. False also while kMaxTelemetryBudgets others have spent of theirs.
  bool take(const DeviceName& device, bool is_claimed, std::size_t bytes, Instant now);
  // How long until take() of the same would succeed if nothing else is taken meanwhile; 0 when it would now, and
  // kMostTelemetryWait at most. Takes nothing.
  seconds wait_for(const DeviceName& device, bool is_claimed, std::size_t bytes, Instant now) const;

 private:
  struct Bucket {
    bool is_claimed = false;
    double left = 0;
    Instant refilled{};
  };
  static double refill(const Bucket& bucket, Instant now);

  std::map<DeviceName, Bucket> buckets_;  // of those that have spent of it
};

}  // namespace sallyport::gateway
