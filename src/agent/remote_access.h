// What users may do on this device now: the grants in force, the device's own switch, and every connection that must
// end with them (docs/protocol/tunnel.md §6).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "agent/server_check.h"
#include "crypto/hash.h"
#include "tunnel/entry_gate.h"
#include "tunnel/live_grants.h"

namespace sallyport::agent {

// How long what was found of a sealed grant is good for the same bytes: a page comes with many connections at once.
inline constexpr seconds kProvenGrant{60};

// One per agent, made once the device has its name. One thread. Borrows everything for its lifetime.
class RemoteAccess {
 public:
  RemoteAccess(AgentState& state, DeviceTime& time, ServerCheck& check, Random& random, DeviceName device);

  // Opens a sealed grant: signature, chain, EKU, the signer's status (cached for an hour at most), device and times;
  // then it is in force, or renews what is. Errc::unauthorized and others as pki::open_object, ServerCheck::check and
  // LiveGrants::admit say. The same bytes again within kProvenGrant are not verified once more, unless a newer root
  // CRL, another root or a refused check came between; times, switch and cuts count always.
  net::Task<Result<tunnel::AccessGrant>> admit(Bytes sealed_grant);
  // Ends the session and its connections.
  void cut(const tunnel::GrantId& session);
  void cut_all();
  // Ends what was not renewed, every second, for ever.
  net::Task<void> run();

  bool is_on() const { return is_on_; }
  // Stores the switch; off ends everything at once. Tells the listener of on_switch.
  Result<void> set_on(bool on);
  void on_switch(std::function<void()> told) { told_ = std::move(told); }
  // Whether users may reach this service while the switch is on: it was not closed on the device.
  bool is_open(const ServiceName& service) const { return closed_ && !closed_->contains(service); }
  // What is offered to the relay: the services that are open.
  std::vector<tunnel::Service> offered() const;
  // Stores it; closing ends the sessions of the service. Tells the listener of on_switch. Errc::not_found when the
  // device has no such service.
  Result<void> set_open(const ServiceName& service, bool open);

  tunnel::EntryGate& gate() { return gate_; }
  const tunnel::LiveGrants& grants() const { return grants_; }
  UnixTime now() const { return time_.now(); }

  // The connections that run under sessions; shared, because the last of them may outlive this object by a turn.
  struct Connections {
    struct Connection {
      tunnel::GrantId session;
      std::function<void()> cut;
    };
    std::map<std::uint64_t, Connection> open;
    std::uint64_t next_id = 1;
  };
  // A connection that runs under a session. While it exists, the end of the session calls `cut`, at most once.
  class Registration {
   public:
    Registration(RemoteAccess& access, const tunnel::GrantId& session, std::function<void()> cut);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    std::shared_ptr<Connections> connections_;
    std::uint64_t id_;
  };
  std::size_t open_connections() const { return connections_->open.size(); }

 private:
  // What a sealed grant was found to be.
  struct Proven {
    tunnel::AccessGrant grant;
    pki::VerifiedChain signer;
    std::vector<pki::Certificate> anchors;
    std::map<Bytes, std::uint64_t> root_crl_numbers;
    Instant until;
  };

  const tunnel::AccessGrant* find_proven(const crypto::Sha256Digest& sealed);
  net::Task<Result<tunnel::AccessGrant>> prove(crypto::Sha256Digest digest, Bytes sealed_grant);
  void end(const std::vector<tunnel::LiveGrants::Ended>& ended);
  void close_connections(const tunnel::GrantId& session);

  AgentState& state_;
  DeviceTime& time_;
  ServerCheck& check_;
  tunnel::LiveGrants grants_;
  tunnel::EntryGate gate_;
  bool is_on_;
  std::optional<std::set<ServiceName>> closed_;  // absent: which are open cannot be told, and none is
  std::function<void()> told_;
  std::map<crypto::Sha256Digest, Proven> proven_;  // by the sealed grant; kMaxLiveGrants at most
  std::shared_ptr<Connections> connections_ = std::make_shared<Connections>();
};

// Opens or closes a service in the folder. Errc::not_found as RemoteAccess::set_open.
Result<std::set<ServiceName>> switch_service(AgentState& state, const ServiceName& service, bool open);

// What the relay is told about a grant that was not admitted.
tunnel::RefuseCode refuse_code_of(const Error& error);

}  // namespace sallyport::agent
