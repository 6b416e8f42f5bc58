// The names of the system, each a type with one strict grammar, checked at the edge and never again.
// All are lower-case LDH labels (RFC 5890 §2.3.1), so that none needs escaping in a DNS name, a path or a log line.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/strong.h"

namespace sallyport {

// The factory's id of a device: 1 to 63 characters, a-z 0-9 and inner '-'. The first label of its factory certificate.
using SerialId = Strong<std::string, struct SerialIdTag>;
// A factory (manufacturing site): the same grammar.
using SiteName = Strong<std::string, struct SiteNameTag>;
// The name allocated to a device at first connection: exactly ten lower-case base32 characters (RFC 4648 §6).
using DeviceName = Strong<std::string, struct DeviceNameTag>;
// The public label of one access grant: exactly sixteen lower-case base32 characters.
using GrantLabel = Strong<std::string, struct GrantLabelTag>;
// A service of a device: 1 to 32 characters, a-z 0-9 and inner '-'.
using ServiceName = Strong<std::string, struct ServiceNameTag>;
// A DNS name of at most 253 characters in lower case, at least one label, no trailing dot, no wildcard.
using DnsName = Strong<std::string, struct DnsNameTag>;

inline constexpr std::size_t kDeviceNameLength = 10;
inline constexpr std::size_t kGrantLabelLength = 16;
inline constexpr std::size_t kServiceNameMaxLength = 32;

// Each fails with Errc::malformed, naming the first rule broken; the offending text is never in the error.
Result<SerialId> parse_serial_id(std::string_view text);
Result<SiteName> parse_site_name(std::string_view text);
Result<DeviceName> parse_device_name(std::string_view text);
Result<GrantLabel> parse_grant_label(std::string_view text);
Result<ServiceName> parse_service_name(std::string_view text);
Result<DnsName> parse_dns_name(std::string_view text);

// Returns a name that has not been drawn before but by chance (50 and 80 bits).
DeviceName draw_device_name(Random& random);
GrantLabel draw_grant_label(Random& random);

// Whether `name` lies strictly below `zone` ("a.example" below "example").
bool is_below(const DnsName& name, const DnsName& zone);
// Returns `label` + "." + `zone`.
DnsName under(std::string_view label, const DnsName& zone);

// The labels directly under the zone that no device can have.
bool is_reserved_label(std::string_view label);

}  // namespace sallyport
