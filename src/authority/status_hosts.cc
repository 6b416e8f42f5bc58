#include "authority/status_hosts.h"

#include <algorithm>
#include <utility>

#include "authority/leases.h"

namespace sallyport::authority {
namespace {

bool went_long_ago(const StatusHost& host, UnixTime now) {
  return host.gone_at && *host.gone_at + kStatusHostStays < now;
}

}  // namespace

std::string_view to_string(HostState state) {
  switch (state) {
    case HostState::answering:
      return "answering";
    case HostState::without_lease:
      return "without-lease";
    case HostState::gone:
      return "gone";
  }
  return "gone";
}

HostState StatusHost::state(UnixTime now) const {
  if (gone_at) return HostState::gone;
  return leased_at && now - *leased_at <= kLeaseLife ? HostState::answering : HostState::without_lease;
}

seconds StatusHost::snapshot_age(UnixTime now) const {
  if (state(now) == HostState::answering) return seconds(0);
  return std::max(now - leased_at.value_or(report.snapshot_issued_at), seconds(0));
}

Result<void> StatusHosts::report(ConnectionId connection, records::StatusReport report, UnixTime now) {
  const auto speaks_for_another = [&](const auto& each) {
    return each.second.connection == connection && each.first != report.host;
  };
  if (std::ranges::any_of(hosts_, speaks_for_another))
    return fail(Errc::unauthorized, "status report: of another host than this connection's");
  auto found = hosts_.find(report.host);
  if (found == hosts_.end()) {
    if (!make_room(now))
      return failf(Errc::overloaded, "status report: of another host than the {} that are known", hosts_.size());
    found = hosts_.emplace(report.host, Host{}).first;
  }
  Host& host = found->second;
  host.connection = connection;
  host.shown.report = std::move(report);
  host.shown.reported_at = now;
  host.shown.gone_at.reset();
  if (const auto known = confirmed_.find(connection); known != confirmed_.end()) {
    host.shown.number = known->second.number;
    if (known->second.leased_at) host.shown.leased_at = known->second.leased_at;
  }
  return {};
}

void StatusHosts::confirmed(ConnectionId connection, std::uint64_t number, bool leased, UnixTime now) {
  Confirmed& known = confirmed_[connection];
  known.number = number;
  if (leased) known.leased_at = now;
  for (auto& [name, host] : hosts_) {
    if (host.connection != connection) continue;
    host.shown.number = number;
    if (leased) host.shown.leased_at = now;
  }
}

bool StatusHosts::gone(ConnectionId connection, UnixTime now) {
  confirmed_.erase(connection);
  bool is_of_host = false;
  for (auto& [name, host] : hosts_) {
    if (host.connection != connection || host.shown.gone_at) continue;
    host.shown.gone_at = now;
    is_of_host = true;
  }
  return is_of_host;
}

std::vector<StatusHost> StatusHosts::list(UnixTime now) const {
  std::vector<StatusHost> out;
  for (const auto& [name, host] : hosts_) {
    if (!went_long_ago(host.shown, now)) out.push_back(host.shown);
  }
  return out;
}

bool StatusHosts::make_room(UnixTime now) {
  std::erase_if(hosts_, [now](const auto& each) { return went_long_ago(each.second.shown, now); });
  if (hosts_.size() < kMaxStatusHosts) return true;
  auto first = hosts_.end();
  for (auto each = hosts_.begin(); each != hosts_.end(); ++each) {
    const auto& gone_at = each->second.shown.gone_at;
    if (gone_at && (first == hosts_.end() || *gone_at < *first->second.shown.gone_at)) first = each;
  }
  if (first == hosts_.end()) return false;
  hosts_.erase(first);
  return true;
}

}  // namespace sallyport::authority
