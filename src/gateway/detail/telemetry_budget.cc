#include "gateway/detail/telemetry_budget.h"

#include <algorithm>
#include <cmath>

namespace sallyport::gateway {
namespace {

const TelemetryRate& rate_of(bool is_claimed) {
  return is_claimed ? kClaimedTelemetry : kUnclaimedTelemetry;
}

}  // namespace

double TelemetryBudget::refill(const Bucket& bucket, Instant now) {
  const TelemetryRate& rate = rate_of(bucket.is_claimed);
  const double passed = std::chrono::duration<double>(now - bucket.refilled).count();
  return std::min(rate.burst, bucket.left + std::max(passed, 0.0) * rate.per_second);
}

bool TelemetryBudget::take(const DeviceName& device, bool is_claimed, std::size_t bytes, Instant now) {
  const Bucket whole{.is_claimed = is_claimed, .left = rate_of(is_claimed).burst, .refilled = now};
  auto found = buckets_.find(device);
  if (found == buckets_.end()) {
    const auto is_whole = [&](const auto& entry) {
      return refill(entry.second, now) >= rate_of(entry.second.is_claimed).burst;
    };
    if (buckets_.size() >= kMaxTelemetryBudgets) std::erase_if(buckets_, is_whole);
    if (buckets_.size() >= kMaxTelemetryBudgets) return false;
    found = buckets_.emplace(device, whole).first;
  }
  Bucket& bucket = found->second;
  if (bucket.is_claimed != is_claimed) bucket = whole;
  bucket.left = refill(bucket, now);
  bucket.refilled = now;
  if (bucket.left < static_cast<double>(bytes)) return false;
  bucket.left -= static_cast<double>(bytes);
  return true;
}

seconds TelemetryBudget::wait_for(const DeviceName& device, bool is_claimed, std::size_t bytes, Instant now) const {
  const TelemetryRate& rate = rate_of(is_claimed);
  const auto found = buckets_.find(device);
  const bool is_whole = found == buckets_.end() || found->second.is_claimed != is_claimed;
  const double missing = static_cast<double>(bytes) - (is_whole ? rate.burst : refill(found->second, now));
  if (missing <= 0) return seconds(0);
  const double wait = std::ceil(missing / rate.per_second);
  return wait < static_cast<double>(kMostTelemetryWait.count()) ? seconds(static_cast<std::int64_t>(wait))
                                                                : kMostTelemetryWait;
}

}  // namespace sallyport::gateway
