// Configurations for a stock OpenVPN (2.6 and later) in which this PKI decides who gets in
// (docs/adr/0017-openvpn-asks-the-status-service.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/names.h"
#include "net/address.h"

namespace sallyport::cli {

enum class VpnTransport : std::uint8_t { udp, tcp };
Result<VpnTransport> parse_vpn_transport(std::string_view text);

// An IPv4 network: "10.88.0.0/24".
struct VpnNetwork {
  std::string address;
  std::string mask;
};
// Errc::malformed on anything else, on bits behind the prefix, and on prefixes that OpenVPN's `server` does not take.
Result<VpnNetwork> parse_vpn_network(std::string_view text);

// Whether OpenVPN reads it, inside quotes and out, as what it is: a path of letters, digits and . _ - + @ / alone.
Result<void> check_vpn_path(const std::filesystem::path& path);

struct VpnServerFacts {
  DnsName name;                   // in its certificate
  DnsName zone;                   // of the devices
  net::Address status;            // whom the hook asks
  std::filesystem::path folder;   // where the files lie on the VPN server
  std::filesystem::path program;  // sallyport there
  VpnNetwork network;
  std::uint16_t port = 0;
  VpnTransport transport = VpnTransport::udp;
};
// Files that it refers to in its folder: server.pem, server.key, roots.pem.
std::string encode_vpn_server(const VpnServerFacts& facts);

struct VpnClientFacts {
  DnsName name;                   // that the server's certificate must have
  net::Address remote;            // where the server is
  std::filesystem::path state;    // of the device's agent
  std::filesystem::path program;  // sallyport-agent there
  VpnTransport transport = VpnTransport::udp;
};
// The same for every device: it holds no secret, and refers to links in the agent's state folder that go with every
// renewal.
std::string encode_vpn_client(const VpnClientFacts& facts);

}  // namespace sallyport::cli
