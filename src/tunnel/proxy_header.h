// The PROXY protocol, version 2, binary (haproxy.org proxy-protocol.txt §2.2): how a role learns whom the relay speaks
// for. Accepted on role-to-role sockets only; an address told is a hint.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace sallyport::tunnel {

struct ProxyAddressV4 {
  std::array<std::uint8_t, 4> source{}, destination{};
  std::uint16_t source_port = 0, destination_port = 0;
  friend bool operator==(const ProxyAddressV4&, const ProxyAddressV4&) = default;
};
struct ProxyAddressV6 {
  std::array<std::uint8_t, 16> source{}, destination{};
  std::uint16_t source_port = 0, destination_port = 0;
  friend bool operator==(const ProxyAddressV6&, const ProxyAddressV6&) = default;
};
// The sender speaks for itself (health checks).
struct ProxyLocal {
  friend bool operator==(const ProxyLocal&, const ProxyLocal&) = default;
};

struct ProxyTlv {
  std::uint8_t type = 0;
  Bytes value;
  friend bool operator==(const ProxyTlv&, const ProxyTlv&) = default;
};
inline constexpr std::uint8_t kProxyTlvAuthority = 0x02;
inline constexpr std::uint8_t kProxyTlvUniqueId = 0x05;

struct ProxyHeader {
  std::variant<ProxyLocal, ProxyAddressV4, ProxyAddressV6> address;
  std::vector<ProxyTlv> tlvs;
  std::size_t wire_size = 0;  // set by the parser: bytes that the header takes up
};

// Reads a header at the start of `received`. Absent: more bytes are needed. Fails with Errc::malformed at the first
// byte that cannot be one, on families other than TCP over IPv4 or IPv6, and with Errc::overloaded over kMaxProxyHeader
// or kMaxProxyTlvs.
Result<std::optional<ProxyHeader>> parse_proxy_header(ByteView received);
// `wire_size` is ignored.
Bytes encode_proxy_header(const ProxyHeader& header);

}  // namespace sallyport::tunnel
