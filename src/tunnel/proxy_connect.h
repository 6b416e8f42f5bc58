// The agent's way out through an HTTP proxy: CONNECT (RFC 9110 §9.3.6) with Basic credentials (RFC 7617).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::tunnel {

struct ProxyCredentials {
  std::string user;  // without ':'
  SecretBytes password;
};

// The header line that shows the credentials, with its end of line: "Proxy-Authorization: Basic …". A secret. Empty
// without credentials. Fails with Errc::malformed on a control character or a user with ':'.
Result<SecretBytes> encode_proxy_authorization(const ProxyCredentials* credentials);

// The request's bytes, which hold the password: a secret. `authority` is "host:port" as net::to_string writes it.
// Fails with Errc::malformed on another, a port of 0, and as encode_proxy_authorization().
Result<SecretBytes> encode_connect_request(std::string_view authority, const ProxyCredentials* credentials);

struct ConnectReply {
  unsigned status = 0;                    // 2xx: what follows is the tunnel
  std::vector<std::string> auth_schemes;  // of Proxy-Authenticate, lower case: "basic", "ntlm", "negotiate"
  std::size_t wire_size = 0;              // bytes that the head takes up; what lies behind belongs to the tunnel

  bool established() const { return status >= 200 && status < 300; }
};

// Reads the reply's head. Absent: more bytes are needed. Fails with Errc::malformed on what is no HTTP/1.x head, and
// Errc::overloaded over kMaxConnectReply or kMaxConnectReplyHeaders. Interim (1xx) replies are skipped.
Result<std::optional<ConnectReply>> parse_connect_reply(ByteView received);

}  // namespace sallyport::tunnel
