// What the first bytes of a connection to port 443 or 80 are. At most eight bytes are needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace sallyport::tunnel {

enum class FirstBytes : std::uint8_t {
  need_more,     // a proper prefix of one of the three
  tls,           // a TLS handshake record; go on with parse_client_hello
  data_preface,  // "SPD1"; go on with parse_preface
  http,          // a plain HTTP/1.1 method; go on with find_plain_route
  garbage,       // close, count, say nothing
};
std::string_view to_string(FirstBytes kind);

// Total; depends on a prefix only: more bytes never change an answer other than need_more.
FirstBytes classify(ByteView received);

// Where a plain HTTP request goes.
enum class PlainRoute : std::uint8_t {
  status,      // GET or POST /ocsp or /crl, or below them
  web_socket,  // GET kWebSocketTarget; go on with find_upgrade
  redirect,    // any other: to https
};
// Reads the request line (RFC 9112 §3). Absent: more bytes are needed. Fails with Errc::malformed when it is no request
// line in origin-form, and Errc::overloaded when it is longer than kMaxPlainRequestLine.
Result<std::optional<PlainRoute>> find_plain_route(ByteView received);

}  // namespace sallyport::tunnel
