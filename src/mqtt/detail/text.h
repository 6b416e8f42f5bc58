// Text on the wire: UTF-8 Encoded Strings (MQTT 5 §1.5.4).
#pragma once

#include <string_view>

#include "base/result.h"

namespace sallyport::mqtt {

// Well-formed UTF-8 without surrogates (RFC 3629) and without the control characters U+0000 to U+001F and U+007F to
// U+009F, which the standard lets a receiver refuse.
bool is_plain_utf8(std::string_view text);

// What MQTT demands of the topic in a PUBLISH: not empty, plain UTF-8, no wildcard. Errc::malformed.
Result<void> check_wire_topic(std::string_view text);

}  // namespace sallyport::mqtt
