// What speaks against a factory: kept in the audit log under the site's name, told to the consoles.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "authority/core.h"
#include "codec/json.h"

namespace sallyport::authority {

// The action of their audit entries; the subject is the site.
inline constexpr std::string_view kSiteAlarmAction = "site.alarm";
// What alarms that a role tells begin with, when they are about a site.
inline constexpr std::string_view kSiteAlarmPrefix = "site.";
inline constexpr std::size_t kShownSiteAlarms = 20;

struct SiteAlarm {
  SiteName site;
  std::string kind;    // stable dotted name: "site.ledger.fork", "site.certificate.alternative_names", "site.reuse.key"
  std::string detail;  // a sentence
  codec::Json::Object facts = {};
};

// Records the alarm and tells of it, unless it is about a site that does not exist or was told within the hour
// (SiteAlarmLimiter). `actor` is who noticed.
net::Task<void> raise_site_alarm(Core& core, SiteAlarm alarm, std::string actor);

// The newest kShownSiteAlarms of a site, newest first, as docs/api/openapi.yaml has them (Alarm).
Result<codec::Json::Array> list_site_alarms(records::Records& records, const SiteName& site);

}  // namespace sallyport::authority
