// How connections leave the device: directly or through a proxy, to the relay's first port or its other one
// (ADR 0022). What worked is tried first the next time, what failed is known with its reason.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/state.h"
#include "agent/ways.h"
#include "base/random.h"
#include "crypto/tls.h"
#include "http/client.h"
#include "net/stream.h"
#include "tunnel/proxy_login.h"

namespace sallyport::agent {

// TCP and TLS to the relay by the last way there is, and by one that others come after. A firewall that drops is
// noticed at the first: TCP alone.
inline constexpr milliseconds kDialLimit{15'000};
inline constexpr milliseconds kWayLimit{10'000};
inline constexpr milliseconds kReachLimit{5'000};

// What to shake hands for.
struct TlsWanted {
  crypto::TlsClientSettings settings;
  std::string server_name;                // sent as SNI
  std::vector<pki::Certificate> anchors;  // of the installation: a chain that leads to none is somebody else's
};

// A TLS connection to the relay and the way that it took.
struct Reached {
  net::StreamPtr stream;
  std::size_t way = 0;
  std::string network;  // a key of WayMemory
};

// A connection for plain HTTP, to the server or to the proxy.
struct HttpReached {
  net::StreamPtr stream;
  http::ProxyForm form;
};

// One per agent, one thread. Borrows folder and random source for its lifetime.
class WayOut {
 public:
  // Remembers nothing beyond its own life.
  WayOut(const Settings& settings, Random& random);
  // Keeps what it learns in the folder.
  WayOut(AgentState& state, Random& random);

  // TLS to the relay, by one way after the other until a server shows what `wanted` verifies. Errors as those of TLS,
  // each with the way; where somebody between ends TLS with a certificate of his own the error names him and says what
  // to ask for.
  net::Task<Result<Reached>> connect_tls(TlsWanted wanted, Instant now);
  // A socket whose bytes are the relay's, by this way: an index of ways().all().
  net::Task<Result<net::StreamPtr>> dial(std::size_t way, net::Deadline deadline, net::SocketOptions socket = {}) const;
  // For plain HTTP to the status host, and to the second one; there must be one.
  net::Task<Result<HttpReached>> dial_http(net::Deadline deadline) const { return dial_plain(http_, deadline); }
  net::Task<Result<HttpReached>> dial_second_status(net::Deadline deadline) const {
    SALLYPORT_CHECK(has_second_status());
    return dial_plain(*second_status_, deadline);
  }
  bool has_second_status() const { return second_status_.has_value(); }

  const Ways& ways() const { return ways_; }
  // What is known of a network, by its key.
  NetworkMemory find_network(std::string_view network) const;
  // Keeps it; a change of the current ping interval alone is not written to the folder.
  void keep_network(const NetworkMemory& known);

 private:
  struct Seen;
  struct Dialled {
    net::StreamPtr stream;
    std::string own_host;
  };
  net::Task<Result<Dialled>> dial_way(std::size_t way, net::Deadline deadline, net::SocketOptions socket = {}) const;
  WayOut(const Settings& settings, WayMemory memory, AgentState* state, Random& random);
  net::Task<Result<Dialled>> try_tls(std::size_t way, std::shared_ptr<crypto::TlsContext> context,
                                     const std::string& server_name, const Seen& seen, bool is_last,
                                     Hurdle& hurdle) const;
  net::Task<Result<HttpReached>> dial_plain(net::Address target, net::Deadline deadline) const;
  net::Task<Result<HttpReached>> dial_plain_through(Proxy proxy, net::Address target, net::Deadline deadline) const;
  void take_working(const Reached& reached);
  void write() const;

  DnsName zone_;
  net::Address http_;
  std::optional<net::Address> second_status_;
  std::optional<Proxy> proxy_;
  std::shared_ptr<tunnel::ProxyLogin> proxy_login_;  // where there is a proxy
  bool proxy_else_direct_;
  NoProxy no_proxy_;
  std::string from_;
  Random& random_;
  Ways ways_;
  WayMemory memory_;
  AgentState* state_;
};

}  // namespace sallyport::agent
