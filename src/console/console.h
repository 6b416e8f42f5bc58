// The role `console`: people's logins, the REST API and the front end, over TLS (docs/api/openapi.yaml). Decides
// nothing by itself: every question goes to the authority with the person's role and tenant.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "base/names.h"
#include "net/listener.h"
#include "rolelink/role_link.h"

namespace sallyport::console {

struct Settings {
  rolelink::Settings link;
  std::string installation;  // its name, for people
  DnsName console_name;
  DnsName zone;
  std::uint16_t public_port = 443;  // of the relay
  std::set<uid_t> givers;           // who may hand connections over: the relay
  std::string telemetry_socket;     // the gateway's, for readers
  std::string caller_socket;        // of the role that calls nodes; empty: they are not called
};

inline constexpr std::size_t kMaxConnections = 4'096;
inline constexpr std::size_t kMaxConnectionsPerSource = 256;
inline constexpr std::size_t kMaxMetricsConnections = 16;

// One thread. Borrows clock and random for its lifetime.
class Console {
 public:
  Console(net::Executor executor, const Clock& clock, Random& random, Settings settings);
  ~Console();

  // Serves the TLS connections that the relay hands over, until the listener is closed; others are closed at once.
  net::Task<void> serve(net::Listener& listener);
  // Serves GET /metrics in the clear to whoever connects, until the listener is closed: for loopback or a Unix socket.
  net::Task<void> serve_metrics(net::Listener& listener);
  // Whether it has a certificate to show.
  bool is_ready() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sallyport::console
