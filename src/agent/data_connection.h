// One user's connection, from the relay's OPEN to its end: the agent is the TLS server, and lets through what the grant
// allows (DESIGN §11, §12). How it comes about is data_dialer.h.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <set>

#include "agent/remote_access.h"
#include "http/proxy.h"
#include "tunnel/control_session.h"

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
  };
  // Verifies the grant and, once per session, asks for consent. The code is what to answer the relay.
  net::Task<std::expected<Admitted, tunnel::RefuseCode>> admit(tunnel::OpenFrame open);
  // Serves the user whose bytes come through `lower`, until either side or the grant ends it. `lower` is a TCP or Unix
  // stream on which nothing of the user's has been read.
  net::Task<void> serve(net::StreamPtr lower, Admitted admitted);

 private:
  Result<std::shared_ptr<crypto::TlsContext>> make_context(const tunnel::AccessGrant& grant,
                                                           tunnel::ServiceKind kind) const;
  net::Task<bool> has_consent(tunnel::AccessGrant grant);
  tunnel::ServiceKind kind_of(const ServiceName& service) const;
  net::Task<Result<net::StreamPtr>> connect_service(ServiceName service);
  net::Task<void> serve_http(net::StreamPtr user, Admitted admitted);
  net::Task<void> serve_tcp(net::StreamPtr user, Admitted admitted);
  net::Task<Result<net::StreamPtr>> connect_tcp_service(Admitted admitted);
  net::Task<http::Decision> decide(DnsName host, http::Request head, tunnel::CookiePolicy cookies);
  net::Task<http::Response> enter(DnsName host, http::Request request);

  const Settings& settings_;
  RemoteAccess& access_;
  WebIdentity web_identity_;
  DeviceService device_service_;
  std::set<tunnel::GrantId> consented_;  // sessions
};

}  // namespace sallyport::agent
