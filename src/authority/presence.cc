#include "authority/presence.h"

namespace sallyport::authority {
namespace {

bool looks_the_same(const records::Presence& a, const records::Presence& b) {
  return records::encode(a) == records::encode(b);
}

}  // namespace

bool PresenceTable::report(const records::Presence& presence, std::uint64_t worker, UnixTime now) {
  const auto found = online_.find(presence.device);
  if (!presence.online) {
    if (found == online_.end() || found->second.worker != worker) return false;
    online_.erase(found);
    last_seen_.insert_or_assign(presence.device, now);
    return true;
  }
  last_seen_.erase(presence.device);
  if (found == online_.end()) {
    online_.emplace(presence.device, OnlineDevice{presence, worker, now, now});
    return true;
  }
  const bool changed = found->second.worker != worker || !looks_the_same(found->second.presence, presence);
  if (found->second.presence.boot_id != presence.boot_id) found->second.since = now;
  found->second.presence = presence;
  found->second.worker = worker;
  found->second.last_report = now;
  return changed;
}

std::vector<DeviceName> PresenceTable::worker_gone(std::uint64_t worker, UnixTime now) {
  std::vector<DeviceName> gone;
  for (auto entry = online_.begin(); entry != online_.end();) {
    if (entry->second.worker != worker) {
      ++entry;
      continue;
    }
    gone.push_back(entry->first);
    last_seen_.insert_or_assign(entry->first, now);
    entry = online_.erase(entry);
  }
  return gone;
}

const OnlineDevice* PresenceTable::find(const DeviceName& device) const {
  const auto found = online_.find(device);
  return found == online_.end() ? nullptr : &found->second;
}

std::optional<UnixTime> PresenceTable::last_seen(const DeviceName& device) const {
  const auto found = last_seen_.find(device);
  return found == last_seen_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace sallyport::authority
