#include "authority/leases.h"

#include <algorithm>

namespace sallyport::authority {

void LeaseBook::subscribe(SubscriberId subscriber, std::uint64_t have_number) {
  subscribers_.insert_or_assign(subscriber, Subscriber{.number = have_number});
}

void LeaseBook::disconnected(SubscriberId subscriber) {
  if (const auto found = subscribers_.find(subscriber); found != subscribers_.end()) found->second.connected = false;
}

bool LeaseBook::deserves_lease(SubscriberId subscriber, std::uint64_t number) const {
  const auto found = subscribers_.find(subscriber);
  return found != subscribers_.end() && found->second.connected && found->second.number >= number;
}

void LeaseBook::leased(SubscriberId subscriber, Instant now) {
  if (const auto found = subscribers_.find(subscriber); found != subscribers_.end()) {
    found->second.leased_until = now + kLeaseLife + kLeaseMargin;
  }
}

void LeaseBook::acknowledged(SubscriberId subscriber, std::uint64_t number) {
  if (const auto found = subscribers_.find(subscriber); found != subscribers_.end()) {
    found->second.number = std::max(found->second.number, number);
  }
}

bool LeaseBook::in_force(std::uint64_t number, Instant now) {
  std::erase_if(subscribers_,
                [&](const auto& entry) { return !entry.second.connected && entry.second.leased_until <= now; });
  return behind(number, now).empty();
}

std::vector<LeaseBook::SubscriberId> LeaseBook::behind(std::uint64_t number, Instant now) const {
  std::vector<SubscriberId> out;
  for (const auto& [id, subscriber] : subscribers_) {
    if (subscriber.number < number && subscriber.leased_until > now) out.push_back(id);
  }
  return out;
}

}  // namespace sallyport::authority
