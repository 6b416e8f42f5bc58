#include "authority/leases.h"

#include <algorithm>

namespace sallyport::authority {

void LeaseBook::published(std::uint64_t number, Instant now) {
  // What is there at first may have been in force in an earlier run.
  if (!newest_) required_ = number;
  if (newest_ && *newest_ >= number) return;
  newest_ = number;
  recent_.push_back({number, now});
}

void LeaseBook::subscribe(SubscriberId subscriber, std::uint64_t have_number) {
  subscribers_.insert_or_assign(subscriber, Subscriber{.number = have_number});
}

void LeaseBook::disconnected(SubscriberId subscriber) {
  if (const auto found = subscribers_.find(subscriber); found != subscribers_.end()) found->second.connected = false;
}

bool LeaseBook::deserves_lease(SubscriberId subscriber, Instant now) {
  while (!recent_.empty() && now - recent_.front().at >= kCatchUpLimit) {
    required_ = std::max(required_, recent_.front().number);
    recent_.pop_front();
  }
  const auto found = subscribers_.find(subscriber);
  return newest_ && found != subscribers_.end() && found->second.connected && found->second.number >= required_;
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
  if (now < earlier_leases_until_ || !is_known(number, now)) return false;
  required_ = std::max(required_, number);
  return true;
}

std::vector<LeaseBook::SubscriberId> LeaseBook::behind(std::uint64_t number, Instant now) const {
  std::vector<SubscriberId> out;
  for (const auto& [id, subscriber] : subscribers_) {
    if (subscriber.number < number && subscriber.leased_until > now) out.push_back(id);
  }
  return out;
}

}  // namespace sallyport::authority
