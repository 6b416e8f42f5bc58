// Host and port.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport::net {

struct Address {
  std::string host;  // a name or an IP address in its canonical text form, IPv6 without brackets
  std::uint16_t port = 0;

  friend bool operator==(const Address&, const Address&) = default;
};

// Parses "host:port", "1.2.3.4:443" or "[::1]:443". The host is a DNS name of base/names.h in any case, returned in
// lower case, or an IP address; the port is decimal, 0 to 65535. Errc::malformed otherwise.
Result<Address> parse_address(std::string_view text);
// The form that parse_address reads.
std::string to_string(const Address& address);
bool is_loopback(const Address& address);
// The octets of an IP address.
struct IpOctets {
  std::array<std::uint8_t, 16> octets{};
  std::size_t size = 0;  // 4 or 16; the rest is 0
};
// Absent for a name, and for an address in another form than inet_pton(3) reads.
std::optional<IpOctets> find_ip_octets(const std::string& host);
// What find_ip_octets reads.
std::string to_string(const IpOctets& address);
// Whether `host` is an IP address and not a name.
bool is_ip(std::string_view host);

}  // namespace sallyport::net
