// What an operator chose for the devices of one factory.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/names.h"
#include "records/database.h"

namespace sallyport::authority {

// Whether a device has to leave its factory key behind at its first connection. The factory certificate is replaced
// whatever is chosen.
enum class Replace : std::uint8_t {
  required = 1,
  optional = 2,  // for hardware that holds a single key: whoever copied it at the factory is taken for the device
};
std::string_view to_string(Replace replace);
// Errc::malformed.
Result<Replace> replace_from(std::string_view text);

struct SitePolicy {
  Replace replace = Replace::required;
};

// The default where nobody chose.
Result<SitePolicy> find_site_policy(records::Records& records, const SiteName& site);
Result<void> put_site_policy(records::Records& records, const SiteName& site, const SitePolicy& policy);

}  // namespace sallyport::authority
