// What the people who run a device have written about it: agent.toml, read once, complete or refused.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/proxy.h"
#include "base/names.h"
#include "net/address.h"
#include "telemetry/queue.h"
#include "tunnel/frames.h"

namespace sallyport::agent {

// The service that the agent itself answers; no other may have its name.
inline constexpr std::string_view kDeviceService = "device";

// A local server that users may reach.
struct LocalTarget {
  tunnel::Service service;
  net::Address target;
  bool script_cookies = false;  // kind http: it also gets cookies that its scripts write, which others can plant
  bool proxy_protocol =
      false;  // kinds tcp and tls: it gets a header of the PROXY protocol before the user's first byte
};

// The node of the device (docs/operate/rpc.md), a process of its own under the agent.
struct NodeChoice {
  bool run = true;                    // where its folder is
  std::filesystem::path folder;       // empty: "rpc" in the state folder
  std::optional<std::uint32_t> user;  // the numeric user that it becomes, which its folder must belong to
  std::string name;                   // that its rpc.toml must have; always there with `user`, whose file that is
  friend bool operator==(const NodeChoice&, const NodeChoice&) = default;
};
inline constexpr std::uint32_t kLargestNodeUser = 65'533;

inline constexpr std::size_t kMaxNamedStreams = 64;  // as many as a device may have (telemetry/sink.h)

// A port of the device at which users come in without the relay (docs/operate/agent.md).
struct DirectChoice {
  net::Address listen;                       // an IP address
  std::optional<std::uint16_t> public_port;  // that users see, where something forwards another; absent: that of listen
  friend bool operator==(const DirectChoice&, const DirectChoice&) = default;
};

inline constexpr std::size_t kMostReady = 6;  // what a browser opens at once

struct Settings {
  SerialId serial_id;
  SiteName site;
  DnsName zone;
  net::Address relay_address;  // where TLS to gateway, relay and status goes: port 443 of the installation
  net::Address http_address;   // where plain HTTP to the status host goes: port 80
  // The relay's other port, tried where relay_address cannot be reached; absent: port 80 of the same host where
  // relay_address has port 443, else none.
  std::optional<net::Address> relay_fallback;
  // A port of the relay, or of what stands before it and takes HTTP alone, for a WebSocket where nothing else passes.
  std::optional<net::Address> relay_web_socket;
  std::optional<net::Address> second_status;  // plain HTTP to a second status host; asked too while there is no clock
  std::optional<std::uint16_t> public_port;  // that browsers see; absent: as the gateway says (AgentState::public_port)
  std::vector<LocalTarget> services;
  bool remote_access = false;  // the device's own switch, as first set
  bool trusted_clock = true;   // whether the system's clock is right; else the time comes from status answers
  std::size_t ready_connections = kMostReady;  // data connections that wait for users at most; 0: none is dialled early
  bool allow_tls_services = false;             // kind "tls" cannot be proven by the agent (docs/threat-model.md)
  std::optional<net::Address> telemetry_listen;            // loopback alone; absent: the Unix socket only
  std::optional<Proxy> proxy;                              // for everything that leaves but what no_proxy meets
  std::string proxy_credentials_file;                      // holds USER:PASSWORD for it; empty: those of its URL
  tunnel::LoginRule proxy_login = tunnel::LoginRule::any;  // how the password may be shown to an HTTP proxy
  bool proxy_else_direct = false;                          // where nothing leads through the proxy, connect without it
  NoProxy no_proxy;                                        // of the environment, with a proxy of the environment
  std::string connect_from;                                // own IP address to leave by; empty: the system chooses
  std::optional<DirectChoice> direct;                      // absent: there is none
  // Of streams that do not refuse while the queue is full.
  std::map<telemetry::StreamName, telemetry::WhenFull> when_full;
  std::vector<std::string> consent_command;  // asked before anything is opened; empty: nobody is asked
  NodeChoice node;

  // What is offered to the relay: the configured services and kDeviceService.
  std::vector<tunnel::Service> offered() const;
  // Null when there is none of this name. kDeviceService is never found.
  const LocalTarget* find(const ServiceName& name) const;
  // relay_fallback, or what stands for it.
  std::optional<net::Address> fallback() const;
  // Takes the proxy of the environment where the file names none; its credentials may be in proxy_credentials_file. An
  // ALL_PROXY that cannot be read is told in the log and counts for nothing.
  // Errc::malformed, without what was found.
  Result<void> use_environment(const ProxyVariables& variables);
  // "gateway", "relay" or "status" under the zone.
  DnsName server_name(std::string_view role) const { return under(role, zone); }
};

// Parses "NAME=KIND:HOST:PORT".
Result<LocalTarget> parse_local_target(std::string_view text);

// Reads agent.toml, and the file of the proxy's credentials where it names one. Errors read FILE:LINE: sentence.
Result<Settings> load_settings(const std::filesystem::path& path);
Result<Settings> parse_settings(std::string_view toml, std::string_view display_name);
// A file that load_settings reads, with comments for people. A password in the proxy's URL is written too, one from a
// file is not.
std::string encode_settings(const Settings& settings);

}  // namespace sallyport::agent
