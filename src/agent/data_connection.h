// One user's connection, from the relay's OPEN to its end: the agent is the TLS server, and lets through what the grant
// allows (DESIGN §11, §12). How it comes about is data_dialer.h, and direct_entrance.h for those without the relay.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <set>

#include "agent/remote_access.h"
#include "http/proxy.h"
#include "tunnel/control_session.h"
#include "tunnel/direct.h"

namespace sallyport::agent {

inline constexpr milliseconds kUserHandshakeLimit{10'000};
inline constexpr milliseconds kTcpIdleLimit{4 * 3'600'000};  // SSH sessions are silent for hours
inline constexpr milliseconds kTcpHalfClosedLimit{600'000};  // an answer to what has ended comes sooner
inline constexpr std::size_t kMaxDataConnections = 256;

// One per agent. One thread. Borrows everything for its lifetime.
class DataConnections {
 public:
  // The certificate to show to users; absent: there is none yet.
  using WebIdentity = std::function<std::optional<crypto::TlsIdentity>()>;
  // Opens the service that the agent answers itself.
  using DeviceService = std::function<net::Task<Result<net::StreamPtr>>()>;
  DataConnections(const Settings& settings, RemoteAccess& access, WebIdentity web_identity,
                  DeviceService device_service);

  // What an OPEN asks for, found permissible.
  struct Admitted {
    tunnel::AccessGrant grant;
    std::string client_address;
    std::optional<std::uint16_t> port;  // that the user's browser sees; absent: the public one
    // For a service of kind http, told once, when the first request has shown that it is the user who came. Empty:
    // whoever brought the connection knows.
    std::function<void()> on_proven;
  };
  // What to answer, and why, where a grant was looked at.
  struct Refusal {
    tunnel::RefuseCode code;
    std::optional<Error> why;
  };
  // Verifies the grant and, once per session, asks for consent. The code is what to answer the relay.
  net::Task<std::expected<Admitted, tunnel::RefuseCode>> admit(tunnel::OpenFrame open);
  // The two halves of admit(), for who has to be proven between them: the grant, verified and in force; and whether its
  // service may be opened now, with the consent of whoever is asked on the spot.
  // A renewal needs no room for a connection.
  net::Task<std::expected<tunnel::AccessGrant, Refusal>> take(
      Bytes sealed_grant, tunnel::DirectPurpose purpose = tunnel::DirectPurpose::open);
  net::Task<std::expected<Admitted, tunnel::RefuseCode>> permit(tunnel::AccessGrant grant, std::string client_address);
  // The grant in force of `host`, where there is room, and permit() would say yes without asking anybody.
  std::optional<tunnel::AccessGrant> find_permitted(const DnsName& host) const;
  // Whether one more connection may be opened.
  bool has_room() const { return access_.open_connections() < kMaxDataConnections; }
  // Serves the user whose bytes come through `lower`, until either side or the grant ends it. `lower` is a TCP or Unix
  // stream on which nothing of the user's has been read.
  net::Task<void> serve(net::StreamPtr lower, Admitted admitted);
  // The same from within TLS that has ended here, under the name of the grant; for a service of kind tcp the user has
  // shown the grant's client key.
  net::Task<void> serve_inside(net::StreamPtr user, Admitted admitted);
  tunnel::ServiceKind kind_of(const ServiceName& service) const;

 private:
  Result<std::shared_ptr<crypto::TlsContext>> make_context(const tunnel::AccessGrant& grant,
                                                           tunnel::ServiceKind kind) const;
  net::Task<bool> has_consent(tunnel::AccessGrant grant);
  std::expected<void, tunnel::RefuseCode> check_service(const tunnel::AccessGrant& grant) const;
  net::Task<Result<net::StreamPtr>> connect_service(ServiceName service);
  net::Task<void> serve_http(net::StreamPtr user, Admitted admitted);
  net::Task<void> serve_tcp(net::StreamPtr user, Admitted admitted);
  net::Task<Result<net::StreamPtr>> connect_tcp_service(Admitted admitted);
  net::Task<http::Decision> decide(tunnel::Door door, http::Request head, tunnel::CookiePolicy cookies,
                                   std::function<void()> on_let_through);
  net::Task<http::Response> enter(tunnel::Door door, http::Request request);

  const Settings& settings_;
  RemoteAccess& access_;
  WebIdentity web_identity_;
  DeviceService device_service_;
  std::set<tunnel::GrantId> consented_;  // sessions
};

// Whether the first certificate of `chain` has the key that a grant asks for; all else in it is whatever its user made.
// Errc::unauthorized, or as pki::parse_certificate.
Result<void> check_client_key(std::span<const Bytes> chain, const tunnel::ProofHash& wanted);

}  // namespace sallyport::agent
