// The agent's way out through an HTTP proxy: CONNECT (RFC 9110 §9.3.6); and how replies to requests for a
// tunnel are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "tunnel/auth_challenge.h"

namespace sallyport::tunnel {

// The request's bytes with a login's header line (ShownLogin) in it, which may be empty: a secret. `authority` is
// "host:port" as net::to_string writes it. Fails with Errc::malformed on another and a port of 0.
Result<SecretBytes> encode_connect_request(std::string_view authority, const SecretBytes& login);

struct ConnectReply {
  unsigned status = 0;                    // 2xx: what follows is the tunnel
  std::vector<AuthChallenge> challenges;  // of Proxy-Authenticate
  // Another request may follow by the same connection, behind a body of so many bytes; absent: by another one.
  std::optional<std::uint64_t> body_before_next;
  bool upgrades_to_web_socket = false;  // Upgrade and Connection say so, and no extension is there
  std::string web_socket_accept;        // Sec-WebSocket-Accept
  std::string web_socket_protocol;      // Sec-WebSocket-Protocol
  std::size_t wire_size = 0;            // bytes that the head takes up; what lies behind belongs to the tunnel

  bool established() const { return status >= 200 && status < 300; }
};

// Reads the reply's head. Absent: more bytes are needed. Fails with Errc::malformed on what is no HTTP/1.x head, and
// Errc::overloaded over kMaxConnectReply or kMaxConnectReplyHeaders. Interim (1xx) replies are skipped, but for 101,
// which ends HTTP on the connection.
Result<std::optional<ConnectReply>> parse_connect_reply(ByteView received);

}  // namespace sallyport::tunnel
