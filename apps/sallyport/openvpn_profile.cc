#include "openvpn_profile.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace sallyport::cli {
namespace {

constexpr int kShortestPrefix = 8;
constexpr int kLongestPrefix = 29;  // what `server` needs at least
constexpr int kAddressBits = 32;
// OpenVPN goes on with the old key for a while after it has begun to ask for the next. Both together are how long an
// answer counts: about a device 15 minutes, about the server an hour (docs/threat-model.md, P5).
constexpr int kTransition = 60;
constexpr int kServerRenegotiation = 900 - kTransition;
constexpr int kClientRenegotiation = 3'600 - kTransition;

std::string dotted(std::uint32_t address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  const in_addr raw{.s_addr = htonl(address)};
  ::inet_ntop(AF_INET, &raw, text.data(), text.size());
  return text.data();
}

std::unexpected<Error> no_network() {
  return failf(Errc::malformed, "--network: want an IPv4 network with a prefix of {} to {} bits, such as 10.88.0.0/24",
               kShortestPrefix, kLongestPrefix);
}

}  // namespace

Result<VpnTransport> parse_vpn_transport(std::string_view text) {
  if (text == "udp") return VpnTransport::udp;
  if (text == "tcp") return VpnTransport::tcp;
  return fail(Errc::malformed, "--proto: want udp or tcp");
}

Result<VpnNetwork> parse_vpn_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return no_network();
  const std::string address(text.substr(0, slash));
  const std::string_view bits = text.substr(slash + 1);
  int prefix = 0;
  const auto [end, fault] = std::from_chars(bits.data(), bits.data() + bits.size(), prefix);
  in_addr raw{};
  const bool is_sound = fault == std::errc() && end == bits.data() + bits.size() && prefix >= kShortestPrefix &&
                        prefix <= kLongestPrefix && ::inet_pton(AF_INET, address.c_str(), &raw) == 1;
  if (!is_sound) return no_network();
  const std::uint32_t mask = ~std::uint32_t{0} << static_cast<unsigned>(kAddressBits - prefix);
  if ((ntohl(raw.s_addr) & ~mask) != 0) return no_network();
  return VpnNetwork{.address = address, .mask = dotted(mask)};
}

Result<void> check_vpn_path(const std::filesystem::path& path) {
  constexpr std::string_view kPlain = "._-+@/";
  const bool is_plain = std::ranges::all_of(path.native(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kPlain.contains(c);
  });
  if (is_plain && path.is_absolute()) return {};
  return failf(Errc::malformed,
               "{}: want an absolute path of letters, digits and {} alone: OpenVPN reads others its way", path.native(),
               kPlain);
}

std::string encode_vpn_server(const VpnServerFacts& facts) {
  const std::string folder = facts.folder.native();
  return fmt::format(
      R"(# OpenVPN server {name}, made by `sallyport export openvpn-server`.
# Start: openvpn --config {folder}/server.conf
port {port}
proto {proto}
dev tun
topology subnet
server {network} {mask}
keepalive 10 30
persist-key
persist-tun
user nobody
group nogroup

# Who this server is, and the root under which everybody else must be.
ca {folder}/roots.pem
cert {folder}/server.pem
key {folder}/server.key
dh none
tls-version-min 1.3
verify-client-cert require
remote-cert-tls client

# Every device is asked about before it gets in, and again at every renegotiation: whether its certificate was issued
# and not revoked, and the device is neither suspended nor retired. No answer, or none that proves itself, means no.
script-security 2
tls-export-cert /tmp
tls-verify "{program} openvpn verify --root {folder}/roots.pem --zone {zone} --status {status} --"
reneg-sec {reneg}
tran-window {transition}
)",
      fmt::arg("name", facts.name.get()), fmt::arg("folder", folder), fmt::arg("port", facts.port),
      fmt::arg("proto", facts.transport == VpnTransport::udp ? "udp" : "tcp-server"),
      fmt::arg("network", facts.network.address), fmt::arg("mask", facts.network.mask),
      fmt::arg("program", facts.program.native()), fmt::arg("zone", facts.zone.get()),
      fmt::arg("status", net::to_string(facts.status)), fmt::arg("reneg", kServerRenegotiation),
      fmt::arg("transition", kTransition));
}

std::string encode_vpn_client(const VpnClientFacts& facts) {
  return fmt::format(
      R"(# OpenVPN client of {name}, made by `sallyport export openvpn-client`. The same file serves every device: it holds
# no secret. Run it as the user of sallyport-agent or as root.
client
dev tun
proto {proto}
remote {host} {port}
nobind
resolv-retry infinite
connect-retry 2 60
persist-tun

# Links that the agent keeps on its newest key, certificate and roots. They are read anew at every reconnection, so
# there must be no persist-key here.
ca {state}/device-roots.pem
cert {state}/device.pem
key {state}/device.key
tls-version-min 1.3
remote-cert-tls server
verify-x509-name {name} name

# The server is asked about before the tunnel carries a byte, and again at every renegotiation, by the rules by which
# the agent judges its own servers. No answer, or none that proves itself, means no.
script-security 2
tls-export-cert /tmp
tls-verify "{program} openvpn-verify --state {state} --name {name} --"
reneg-sec {reneg}
tran-window {transition}
)",
      fmt::arg("name", facts.name.get()),
      fmt::arg("proto", facts.transport == VpnTransport::udp ? "udp" : "tcp-client"),
      fmt::arg("host", facts.remote.host), fmt::arg("port", facts.remote.port), fmt::arg("state", facts.state.native()),
      fmt::arg("program", facts.program.native()), fmt::arg("reneg", kClientRenegotiation),
      fmt::arg("transition", kTransition));
}

}  // namespace sallyport::cli
