#include "console/login_limits.h"

namespace sallyport::console {
namespace {

// The account's counter is per source too, so that nobody can lock a person out from elsewhere.
std::string key_of_account(const std::string& login, const std::string& source) {
  return "account " + login + " from " + source;
}

std::string key_of_source(const std::string& source) {
  return "source " + source;
}

}  // namespace

Result<void> LoginLimits::take(const std::string& key, std::size_t most) {
  const auto is_old = [&](Instant at) { return clock_.monotonic() - at >= kLoginWindow; };
  if (tries_.size() >= kMaxRemembered && !tries_.contains(key)) {
    std::erase_if(tries_, [&](const auto& entry) { return entry.second.empty() || is_old(entry.second.back()); });
    if (tries_.size() >= kMaxRemembered) tries_.erase(tries_.begin());
  }
  std::vector<Instant>& tries = tries_[key];
  std::erase_if(tries, is_old);
  if (tries.size() >= most) return fail(Errc::overloaded, "too-many-requests: too many failed logins, wait a while");
  tries.push_back(clock_.monotonic());
  return {};
}

void LoginLimits::give_back(const std::string& key) {
  const auto found = tries_.find(key);
  if (found != tries_.end() && !found->second.empty()) found->second.pop_back();
}

Result<void> LoginLimits::begin(const std::string& login, const std::string& address) {
  const std::string source = net::source_of(address);
  TRY_VOID(take(key_of_source(source), kSourceTries));
  auto taken = take(key_of_account(login, source), kLoginTries);
  if (!taken) give_back(key_of_source(source));
  return taken;
}

void LoginLimits::ended(const std::string& login, const std::string& address, Outcome outcome) {
  if (outcome == Outcome::wrong) return;
  const std::string source = net::source_of(address);
  give_back(key_of_source(source));
  if (outcome == Outcome::unknown) return give_back(key_of_account(login, source));
  tries_.erase(key_of_account(login, source));
  known_.remember(source, clock_.monotonic());
}

std::optional<net::Admissions::Place> LoginLimits::admit_check(const std::string& address) {
  const std::string source = net::source_of(address);
  auto place = checks_.admit(source);
  if (place || !known_.contains(source, clock_.monotonic())) return place;
  return known_checks_.admit(source);
}

}  // namespace sallyport::console
