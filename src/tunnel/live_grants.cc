#include "tunnel/live_grants.h"

#include <algorithm>

#include "tunnel/limits.h"

namespace sallyport::tunnel {

LiveGrants::LiveGrants(DeviceName device, DnsName zone) : device_(std::move(device)), zone_(std::move(zone)) {}

bool LiveGrants::is_over(const AccessGrant& grant, UnixTime now) const {
  return !check_grant(grant, device_, now);
}

void LiveGrants::forget_old_cuts(UnixTime now) {
  std::erase_if(cut_, [now](const auto& entry) { return entry.second <= now; });
}

Result<void> LiveGrants::admit(const AccessGrant& grant, UnixTime now) {
  TRY_VOID(check_grant(grant, device_, now));
  forget_old_cuts(now);
  if (cut_.contains(grant.session())) return fail(Errc::conflict, "live grants: the session was cut");
  const auto found = by_label_.find(grant.label);
  if (found == by_label_.end()) {
    if (by_label_.size() >= kMaxLiveGrants)
      return failf(Errc::overloaded, "live grants: {}, want at most that many", kMaxLiveGrants);
    by_label_.emplace(grant.label, grant);
    return {};
  }
  // An OPEN may overtake nothing, but it may carry the grant that was the newest when its user arrived.
  if (grant.expires < found->second.expires) return check_renewal(grant, found->second);
  TRY_VOID(check_renewal(found->second, grant));
  found->second = grant;
  return {};
}

std::vector<LiveGrants::Ended> LiveGrants::cut(const GrantId& session, UnixTime now) {
  forget_old_cuts(now);
  // Beyond the limit the cut that matters least goes: the one whose grants expire first.
  if (cut_.size() >= kMaxLiveGrants)
    cut_.erase(std::ranges::min_element(cut_, {}, [](const auto& entry) { return entry.second; }));
  UnixTime until = now + kMaxGrantLife + 2 * kGrantClockTolerance;
  std::vector<Ended> ended;
  for (auto it = by_label_.begin(); it != by_label_.end();) {
    if (it->second.session() != session) {
      ++it;
      continue;
    }
    until = std::max(until, it->second.session_end + kGrantClockTolerance);
    ended.push_back({.grant = std::move(it->second), .why = Ended::Why::cut});
    it = by_label_.erase(it);
  }
  cut_[session] = until;
  return ended;
}

std::vector<LiveGrants::Ended> LiveGrants::cut_all(UnixTime now) {
  std::vector<GrantId> sessions;
  for (const auto& [label, grant] : by_label_) sessions.push_back(grant.session());
  std::vector<Ended> ended;
  for (const GrantId& session : sessions) {
    for (Ended& one : cut(session, now)) ended.push_back(std::move(one));
  }
  return ended;
}

std::vector<LiveGrants::Ended> LiveGrants::expire(UnixTime now) {
  forget_old_cuts(now);
  std::vector<Ended> ended;
  for (auto it = by_label_.begin(); it != by_label_.end();) {
    if (!is_over(it->second, now)) {
      ++it;
      continue;
    }
    ended.push_back({.grant = std::move(it->second), .why = Ended::Why::expired});
    it = by_label_.erase(it);
  }
  return ended;
}

bool LiveGrants::is_live(const GrantId& session) const {
  return std::ranges::any_of(by_label_, [&](const auto& entry) { return entry.second.session() == session; });
}

std::vector<GrantId> LiveGrants::sessions_of(const ServiceName& service) const {
  std::vector<GrantId> out;
  for (const auto& [label, grant] : by_label_) {
    if (grant.service == service) out.push_back(grant.session());
  }
  return out;
}

Result<AccessGrant> LiveGrants::find(const DnsName& server_name, UnixTime now) const {
  const auto none = [] { return fail(Errc::not_found, "live grants: none for this name"); };
  const auto label = find_label(server_name, device_, zone_);
  if (!label) return none();
  const auto found = by_label_.find(*label);
  if (found == by_label_.end() || is_over(found->second, now)) return none();
  return found->second;
}

}  // namespace sallyport::tunnel
