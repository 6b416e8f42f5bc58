// TLS to a server of the installation that has been proven before anybody can write to it.
#pragma once

#include <functional>
#include <string>

#include "agent/resumptions.h"
#include "agent/server_check.h"

namespace sallyport::agent {

// Whom to connect to.
struct ServerTarget {
  DnsName server_name;       // sent as SNI
  DnsName certificate_name;  // must be in the certificate
  std::string alpn;
  crypto::TlsIdentity identity;
  bool resumes = false;     // with what an earlier connection gave: Resumptions
  bool leaf_alone = false;  // without the rest of the chain, where the server says that it has it
};

// A connection on which no application data has been sent yet and whose server passed the status check. Made by
// ServerDialer alone: whoever writes to a server has one.
class CheckedStream {
 public:
  // The chain, for the hourly check.
  const pki::VerifiedChain& server() const { return server_; }
  // The same as it was shown, DER.
  const std::vector<Bytes>& shown() const { return shown_; }
  // The way that it took, and the network: WayOut::connect_tls.
  std::size_t way() const { return way_; }
  const std::string& network() const { return network_; }
  net::StreamPtr take() && { return std::move(stream_); }

 private:
  friend class ServerDialer;
  CheckedStream(Reached reached, pki::VerifiedChain server)
      : stream_(std::move(reached.stream)),
        way_(reached.way),
        network_(std::move(reached.network)),
        shown_(stream_->peer().tls_chain),
        server_(std::move(server)) {}
  net::StreamPtr stream_;
  std::size_t way_;
  std::string network_;
  std::vector<Bytes> shown_;
  pki::VerifiedChain server_;
};

// One per agent. Borrows everything for its lifetime.
class ServerDialer {
 public:
  ServerDialer(AgentState& state, DeviceTime& time, ServerCheck& check, WayOut& way_out)
      : state_(state), time_(time), check_(check), way_out_(way_out), resumptions_(state) {}

  // Connects, verifies chain and name in the handshake, then asks the status service while the connection carries
  // nothing. A chain whose links lead to a newer root is verified by that one, which is kept once the status is good:
  // so stock of any age comes home over a rollover. Errors as those of TLS and of ServerCheck::check.
  net::Task<Result<CheckedStream>> connect(ServerTarget target);
  // A connection to the relay inside which one user's TLS runs (tunnel::kDataAlpn), by this way. Chain and name are
  // verified and no more: what it carries is proven end to end.
  net::Task<Result<net::StreamPtr>> connect_for_data(std::size_t way, DnsName server_name, net::Deadline deadline,
                                                     net::SocketOptions socket = {});
  WayOut& way_out() { return way_out_; }
  // What targets resume with.
  Resumptions& resumptions() { return resumptions_; }

 private:
  struct Proof;
  net::Task<Result<CheckedStream>> connect_and_check(ServerTarget target,
                                                     std::shared_ptr<const crypto::TlsResumption> resumption);
  crypto::TlsClientSettings settings_for(const ServerTarget& target, std::shared_ptr<Proof> proof) const;
  Result<void> keep_roots(const Proof& proof);

  AgentState& state_;
  DeviceTime& time_;
  ServerCheck& check_;
  WayOut& way_out_;
  Resumptions resumptions_;
};

}  // namespace sallyport::agent
