// TLS to a server of the installation that has been proven before anybody can write to it.
#pragma once

#include <functional>
#include <string>

#include "agent/server_check.h"

namespace sallyport::agent {

// Whom to connect to.
struct ServerTarget {
  DnsName server_name;       // sent as SNI
  DnsName certificate_name;  // must be in the certificate
  std::string alpn;
  crypto::TlsIdentity identity;
};

// A connection on which no application data has been sent yet and whose server passed the status check. Made by
// ServerDialer alone: whoever writes to a server has one.
class CheckedStream {
 public:
  // The chain, for the hourly check.
  const pki::VerifiedChain& server() const { return server_; }
  net::StreamPtr take() && { return std::move(stream_); }

 private:
  friend class ServerDialer;
  CheckedStream(net::StreamPtr stream, pki::VerifiedChain server)
      : stream_(std::move(stream)), server_(std::move(server)) {}
  net::StreamPtr stream_;
  pki::VerifiedChain server_;
};

inline constexpr milliseconds kDialLimit{15'000};  // TCP and TLS; the status check has its own

// One per agent. Borrows everything for its lifetime.
class ServerDialer {
 public:
  ServerDialer(AgentState& state, DeviceTime& time, ServerCheck& check, const WayOut& way_out)
      : state_(state), time_(time), check_(check), way_out_(way_out) {}

  // Connects, verifies chain and name in the handshake, then asks the status service while the connection carries
  // nothing. A chain whose links lead to a newer root is verified by that one, which is kept once the status is good:
  // so stock of any age comes home over a rollover. Errors as those of TLS and of ServerCheck::check.
  net::Task<Result<CheckedStream>> connect(ServerTarget target);

 private:
  struct Proof;
  crypto::TlsClientSettings settings_for(const ServerTarget& target, std::shared_ptr<Proof> proof) const;
  Result<void> keep_roots(const Proof& proof);

  AgentState& state_;
  DeviceTime& time_;
  ServerCheck& check_;
  const WayOut& way_out_;
};

}  // namespace sallyport::agent
