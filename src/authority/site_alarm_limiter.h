// Which alarms about factories are new enough to be kept: whoever holds a factory's key can repeat an attack for ever.
#pragma once

#include <map>
#include <string>

#include "base/time.h"

namespace sallyport::authority {

inline constexpr std::size_t kSiteAlarmsPerHour = 200;  // of one site

// Not thread-safe. Bounded by the number of sites.
class SiteAlarmLimiter {
 public:
  // Whether to keep an alarm of `site`: the same text once an hour, and kSiteAlarmsPerHour in all.
  bool take(const std::string& site, const std::string& text, Instant now);

 private:
  std::map<std::string, std::map<std::string, Instant>> told_;  // by site and text
};

}  // namespace sallyport::authority
