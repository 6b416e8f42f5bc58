#include "authority/site_alarms.h"

#include "authority/audit.h"
#include "base/log.h"

namespace sallyport::authority {
namespace {

using codec::Json;

Json alarm_json(const records::AuditEntry& entry) {
  Json::Object out{{"time", to_iso8601(entry.time)}, {"kind", nullptr}, {"detail", nullptr}};
  const auto detail = codec::parse_json(entry.detail);
  if (!detail) return out;
  for (const char* name : {"kind", "detail"}) {
    if (const Json* value = detail->find(name)) out[name] = *value;
  }
  return out;
}

}  // namespace

net::Task<void> raise_site_alarm(Core& core, SiteAlarm alarm, std::string actor) {
  const std::string text = alarm.kind + alarm.detail + Json(alarm.facts).write();
  if (!core.site_alarm_limiter().take(alarm.site.get(), text, core.clock().monotonic())) co_return;
  const UnixTime now = core.clock().now();
  const auto keep = [alarm, actor, now](records::Records& records) -> Result<void> {
    TRY(const auto site, records.sites().find(alarm.site));
    if (!site) return fail(Errc::not_found, "alarm: no such site");
    Json::Object detail = alarm.facts;
    detail.insert_or_assign("kind", alarm.kind);
    detail.insert_or_assign("detail", alarm.detail);
    return append_audit(records, now, actor, kSiteAlarmAction, alarm.site.get(), std::move(detail));
  };
  if (auto kept = co_await core.commit(keep); !kept) {
    log::error("site.alarm-lost", {{"site", alarm.site.get()}, {"kind", alarm.kind}, {"error", kept.error()}});
    co_return;
  }
  core.announce_alarm(alarm.kind, {}, alarm.site.get(), alarm.detail);
}

Result<Json::Array> list_site_alarms(records::Records& records, const SiteName& site) {
  const records::AuditFilter filter{
      .action = std::string(kSiteAlarmAction), .subject = site.get(), .limit = kShownSiteAlarms, .newest_first = true};
  TRY(const auto entries, records.audit().list(filter));
  Json::Array out;
  for (const auto& entry : entries) out.push_back(alarm_json(entry));
  return out;
}

}  // namespace sallyport::authority
