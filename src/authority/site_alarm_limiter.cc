#include "authority/site_alarm_limiter.h"

namespace sallyport::authority {
namespace {

constexpr std::chrono::hours kAlarmWindow{1};

}  // namespace

bool SiteAlarmLimiter::take(const std::string& site, const std::string& text, Instant now) {
  auto& told = told_[site];
  std::erase_if(told, [&](const auto& entry) { return now - entry.second >= kAlarmWindow; });
  if (told.size() >= kSiteAlarmsPerHour) return false;
  return told.try_emplace(text, now).second;
}

}  // namespace sallyport::authority
