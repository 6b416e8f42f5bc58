// Where a connection goes, by the name in its ClientHello. Pure.
#pragma once

#include <string_view>
#include <variant>

#include "base/names.h"
#include "tunnel/ticket.h"

namespace sallyport::relay {

struct ToRole {
  std::string_view role;  // "gateway", "status", "console"
};
struct ToControl {  // "<name>.relay.<zone>"
  DeviceName device;
};
struct ToDevice {  // "<label>.<name>.<zone>"
  GrantLabel label;
  DeviceName device;
};
struct ToNobody {};
using Route = std::variant<ToNobody, ToRole, ToControl, ToDevice>;

// The zone's own names are "gateway." and "status."; the console's are `console_name` and "api." below it.
Route find_route(const DnsName& server_name, const DnsName& zone, const DnsName& console_name);

// The worker that a device belongs to: the same in every worker, on every machine and in every version (FNV-1a).
tunnel::WorkerSlot owner_of(const DeviceName& device, std::uint16_t workers);

}  // namespace sallyport::relay
