// A factory that used twice what may be used once, seen when a device shows its factory certificate.
#pragma once

#include <optional>

#include "authority/site_alarms.h"
#include "pki/verify.h"

namespace sallyport::authority {

// The alarm when `shown`, a factory certificate that verified as `identity`, contradicts the white-list: its serial id
// is listed with another certificate, or its certificate serial or key belong to another one that is listed.
Result<std::optional<SiteAlarm>> find_factory_reuse(records::Records& records, const pki::FactoryIdentity& identity,
                                                    const pki::Certificate& shown);

}  // namespace sallyport::authority
