#include "authority/expiry_round.h"

#include <memory>

#include "base/log.h"
#include "net/timer.h"

namespace sallyport::authority {
namespace {

void say(const Link& link, UnixTime now) {
  const auto days = (link.until - now) / kDay;
  if (link.stage(now) == Stage::ended) {
    log::error("link.ended", {{"kind", to_string(link.kind)},
                              {"name", link.name},
                              {"until", to_iso8601(link.until)},
                              {"next", link.remedy()}});
  } else {
    log::warn("link.due", {{"kind", to_string(link.kind)},
                           {"name", link.name},
                           {"until", to_iso8601(link.until)},
                           {"days", days},
                           {"next", link.remedy()}});
  }
}

struct Seen {
  std::vector<Link> links;
  DeviceCertificates devices;
};

}  // namespace

net::Task<Result<void>> say_what_ends(Core& core, ExpiryWatch& watch) {
  const auto seen = std::make_shared<Seen>();
  const UnixTime now = core.clock().now();
  const auto work = [seen, now, installation = core.installation()](records::Records& records) -> Result<void> {
    TRY(seen->links, list_links(records, installation));
    TRY(seen->devices, count_device_certificates(records, records::CertificateKind::operational, now, UnixTime(0)));
    return {};
  };
  CO_TRY_VOID(co_await core.read_aside(work));
  for (const Link& link : watch.to_say(seen->links, now)) say(link, now);
  const DeviceCertificates& devices = seen->devices;
  if (watch.is_devices_turn(devices, now))
    log::warn("devices.renewal-due", {{"due", devices.due}, {"ended", devices.ended}, {"in_time", devices.in_time}});
  co_return Result<void>{};
}

net::Task<void> keep_saying_what_ends(Core& core) {
  ExpiryWatch watch;
  for (;;) {
    if (const auto said = co_await say_what_ends(core, watch); !said)
      log::warn("links.not-read", {{"error", said.error()}});
    co_await net::sleep_for(kExpiryRound);
  }
}

}  // namespace sallyport::authority
