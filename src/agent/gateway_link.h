// Requests to the gateway over mutual TLS, on a connection that was checked at most an hour ago.
#pragma once

#include <functional>
#include <optional>

#include "agent/checked_stream.h"
#include "http/client.h"

namespace sallyport::agent {

// One user at a time. Borrows the dialer and the clock for its lifetime.
class GatewayLink {
 public:
  // `identity` returns what to show, asked at every new connection; absent: there is none yet.
  using IdentitySource = std::function<std::optional<crypto::TlsIdentity>()>;
  GatewayLink(ServerDialer& dialer, const DeviceTime& time, DnsName gateway, IdentitySource identity);

  // Sends `request`, which must be repeatable: a connection that had gone stale is replaced once. Whatever status
  // answers is a success.
  net::Task<Result<http::Response>> send(http::Request request, net::Deadline deadline,
                                         std::size_t body_limit = http::kDefaultResponseBody);
  // Ends the connection: the identity changed, or nothing is to be sent for long.
  void close() { client_.reset(); }

 private:
  net::Task<Result<void>> ensure_open();

  ServerDialer& dialer_;
  const DeviceTime& time_;
  DnsName gateway_;
  IdentitySource identity_;
  std::optional<http::Client> client_;
  Instant checked_{};
};

// How long the gateway asks to be left alone: Retry-After in seconds (RFC 9110 §10.2.3), within `least` and `most`;
// `least` when there is none.
milliseconds retry_after(const http::Response& response, milliseconds least, milliseconds most);

}  // namespace sallyport::agent
