// Which devices are online, as the relay workers tell: held in memory alone, gone with the worker that told it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "records/role_messages.h"

namespace sallyport::authority {

struct OnlineDevice {
  records::Presence presence;
  std::uint64_t worker = 0;
  UnixTime since;
  UnixTime last_report;
};

// Not thread-safe. A worker is one connection of a relay worker: when it comes back before its old connection is found
// dead, what ends with the old one is not what it told anew.
class PresenceTable {
 public:
  // Takes a report of worker `worker`. Returns whether anything that people see has changed. A worker that says
  // "offline" of a device that another worker holds is ignored: the device has moved.
  bool report(const records::Presence& presence, std::uint64_t worker, UnixTime now);
  // Forgets what worker `worker` told; returns the devices that are offline now.
  std::vector<DeviceName> worker_gone(std::uint64_t worker, UnixTime now);

  const OnlineDevice* find(const DeviceName& device) const;
  // When the device was last online; absent when it is online now or has not been since the start.
  std::optional<UnixTime> last_seen(const DeviceName& device) const;
  std::size_t size() const { return online_.size(); }

 private:
  std::map<DeviceName, OnlineDevice> online_;
  std::map<DeviceName, UnixTime> last_seen_;
};

}  // namespace sallyport::authority
