// The answer to plain HTTP that is not for the status service: go to https, under a name of ours alone. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/names.h"

namespace sallyport::relay {

// Reads the head of a request (RFC 9112 §3) and returns the whole response to send. Absent: more bytes are needed. A
// head over kMaxPlainHead, or without exactly one Host field that names the console, the zone or something below
// either, is Errc::malformed: we send nobody to a stranger's site.
Result<std::optional<Bytes>> find_redirect(ByteView received, const DnsName& zone, const DnsName& console_name,
                                           std::uint16_t public_port);

}  // namespace sallyport::relay
