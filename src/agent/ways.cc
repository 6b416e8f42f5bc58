#include "agent/ways.h"

#include <algorithm>

namespace sallyport::agent {

std::string Way::label() const {
  const std::string_view how = is_web_socket ? " by WebSocket" : "";
  if (!proxy) return fmt::format("direct to {}{}", net::to_string(target), how);
  return fmt::format("to {} through the {}proxy {}{}", net::to_string(target),
                     proxy->kind == ProxyKind::socks5 ? "SOCKS " : "", net::to_string(proxy->address), how);
}

std::string_view to_string(WayState state) {
  switch (state) {
    case WayState::untried:
      return "untried";
    case WayState::works:
      return "works";
    case WayState::failed:
      return "failed";
  }
  return "unknown";
}

Ways::Ways(const Settings& settings, std::string_view remembered) {
  std::vector<Way> direct{{.target = settings.relay_address, .proxy = std::nullopt}};
  if (const auto fallback = settings.fallback()) direct.push_back({.target = *fallback, .proxy = std::nullopt});
  if (const auto& web_socket = settings.relay_web_socket)
    direct.push_back({.target = *web_socket, .proxy = std::nullopt, .is_web_socket = true});
  for (Way way : direct) {
    if (!settings.proxy || settings.no_proxy.matches(way.target)) continue;
    way.proxy = settings.proxy;
    ways_.push_back(std::move(way));
  }
  const bool is_direct_too = ways_.empty() || settings.proxy_else_direct;
  for (Way& way : direct) {
    const bool is_met = settings.proxy && settings.no_proxy.matches(way.target);
    if (is_direct_too || is_met) ways_.push_back(std::move(way));
  }
  records_.resize(ways_.size());
  const auto found = std::ranges::find(ways_, remembered, &Way::label);
  if (found != ways_.end()) used_ = static_cast<std::size_t>(found - ways_.begin());
}

std::vector<std::size_t> Ways::order(Instant now) {
  if (!began_) began_ = now;
  std::vector<std::size_t> better;
  std::vector<std::size_t> rest;
  for (std::size_t way = 0; way < ways_.size(); ++way) {
    if (way == used_) continue;
    // What has not been tried since the start was, before it, when another one worked.
    const Instant since = std::max(records_[way].failed_at, *began_);
    const bool is_due = used_ && way < *used_ && now - since >= kTryBetterAfter;
    (is_due ? better : rest).push_back(way);
  }
  std::vector<std::size_t> out = std::move(better);
  if (used_) out.push_back(*used_);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

void Ways::on_worked(std::size_t way) {
  records_[way] = WayRecord{.state = WayState::works, .error = {}};
  used_ = way;
}

bool Ways::on_failed(std::size_t way, const Attempt& attempt, Instant now) {
  WayRecord& record = records_[way];
  record.state = WayState::failed;
  record.error = attempt.detail;
  record.is_inspected = attempt.hurdle == Hurdle::inspected;
  record.failed_at = now;
  ++record.failures;
  return attempt.hurdle != Hurdle::broken || way != used_ || record.failures >= kBrokenBeforeOthers;
}

}  // namespace sallyport::agent
