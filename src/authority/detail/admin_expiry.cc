// What ends when, and the figures for a monitor.
#include <memory>

#include "authority/detail/admin_methods.h"
#include "authority/expiry.h"
#include "authority/metrics.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::CertificateKind;
using records::Records;

constexpr std::int64_t kDefaultWithinDays = 30;
constexpr std::int64_t kMostWithinDays = 36'500;

Json link_json(const Link& link, UnixTime now) {
  return Json::Object{{"kind", to_string(link.kind)},
                      {"name", link.name},
                      {"not_before", to_iso8601(link.from)},
                      {"not_after", to_iso8601(link.until)},
                      {"due_at", to_iso8601(link.due_at())},
                      {"stage", to_string(link.stage(now))},
                      {"stops_the_service", link.stops_the_service()},
                      {"remedy", link.remedy()}};
}

Json devices_json(const DeviceCertificates& counted) {
  Json::Array ending;
  for (const auto& one : counted.ending) {
    ending.emplace_back(
        Json::Object{{"device", one.device}, {"not_after", to_iso8601(one.until)}, {"stage", to_string(one.stage)}});
  }
  return Json::Object{
      {"in_time", counted.in_time}, {"due", counted.due}, {"ended", counted.ended}, {"ending", std::move(ending)}};
}

Result<std::int64_t> within_days(const Json& parameters) {
  TRY_VOID(parameters.only_keys({"within_days"}));
  const Json* given = parameters.find("within_days");
  if (given == nullptr) return kDefaultWithinDays;
  TRY(const auto days, given->integer());
  if (days < 0 || days > kMostWithinDays)
    return failf(Errc::malformed, "within_days: found {}, want 0 to {}", days, kMostWithinDays);
  return days;
}

}  // namespace

AdminAnswer pki_expiry(AdminCall call) {
  CO_TRY(const auto days, within_days(call.parameters));
  const UnixTime now = call.now();
  const auto out = std::make_shared<Json::Object>();
  const auto work = [out, now, days, installation = call.core.installation()](Records& records) -> Result<void> {
    TRY(const auto links, list_links(records, installation));
    Json::Array shown;
    for (const Link& link : links) shown.push_back(link_json(link, now));
    TRY(const auto operational,
        count_device_certificates(records, CertificateKind::operational, now, now + days * kDay));
    TRY(const auto web, count_device_certificates(records, CertificateKind::web, now, now + days * kDay));
    *out = {{"now", to_iso8601(now)},
            {"within_days", days},
            {"links", std::move(shown)},
            {"operational", devices_json(operational)},
            {"web", devices_json(web)}};
    return {};
  };
  CO_TRY_VOID(co_await call.core.read_aside(work));
  co_return Json(std::move(*out));
}

AdminAnswer metrics_show(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({}));
  CO_TRY(const auto figures, co_await collect_figures(call.core));
  co_return Json(Json::Object{{"text", to_prometheus(figures)}});
}

}  // namespace sallyport::authority
