#include "authority/clone_alarm.h"

#include <memory>
#include <optional>

#include "authority/audit.h"
#include "base/log.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

using records::DeviceState;

// The owner's choice alone: by default a copied factory key stops nothing.
net::Task<void> freeze_if_wished(Core& core, CloneSighting seen) {
  const UnixTime now = core.clock().now();
  const auto frozen = std::make_shared<std::optional<DeviceName>>();
  const auto freeze = [frozen, seen, now](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find(seen.site, seen.serial_id));
    if (!device || !device->freeze_on_alarm || device->state != DeviceState::claimed) return {};
    device->state = DeviceState::suspended;
    TRY_VOID(records.devices().update(*device));
    *frozen = device->name;
    return append_audit(records, now, "authority", "device.frozen", device->serial_id.get(),
                        {{"site", device->site.get()}, {"reason", "clone alarm, as its owner wishes"}});
  };
  if (auto done = co_await core.commit(freeze); !done) log::error("enrolment.not-frozen", {{"error", done.error()}});
  if (!*frozen) co_return;
  co_await core.cut_sessions_of(**frozen, "the device was suspended by a clone alarm");
  core.announce_device(**frozen);
}

}  // namespace

net::Task<void> raise_clone_alarm(Core& core, CloneSighting seen) {
  co_await freeze_if_wished(core, seen);
  const UnixTime now = core.clock().now();
  const std::string device_key = seen.serial_id.get() + "." + seen.site.get();
  if (!core.alarm_limiter().take(device_key, device_key, core.clock().monotonic())) co_return;
  const auto tenant = std::make_shared<std::string>();
  const auto count = [seen, now, tenant](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find(seen.site, seen.serial_id));
    if (!device) return {};
    *tenant = device->tenant;
    device->alarms += 1;
    TRY_VOID(records.devices().update(*device));
    return append_audit(records, now, "role:gateway", "enrolment.refused", device->serial_id.get(),
                        {{"site", device->site.get()},
                         {"reason", "burnt factory certificate shown with another key"},
                         {"key", codec::encode_hex(seen.key)},
                         {"source", seen.source}});
  };
  if (auto done = co_await core.commit(count); !done) log::error("enrolment.alarm-lost", {{"error", done.error()}});
  core.announce_device(seen.site, seen.serial_id);
  core.announce_alarm("enrolment.refused", *tenant, seen.serial_id.get(),
                      "burnt factory certificate shown with another key");
}

}  // namespace sallyport::authority
