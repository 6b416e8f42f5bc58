// The TLS ClientHello that opens a connection, read from bytes that are still in the socket (MSG_PEEK), so that the
// relay can choose a route without ending the TLS. RFC 8446 §4.1.2 and §5.1, RFC 6066 §3, RFC 7301.
//
// Where this parser accepts a name, OpenSSL reads the same one; it refuses more than OpenSSL does
// (fuzz/tunnel_client_hello.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/names.h"

namespace sallyport::tunnel {

struct ClientHello {
  DnsName server_name;            // lower case, valid, no IP address
  std::vector<std::string> alpn;  // as offered, in order; may be empty
  bool offers_tls13 = false;
  bool early_data = false;
  bool post_quantum = false;  // a key share of a hybrid group is present
  std::size_t wire_size = 0;  // bytes of the input that the hello's records take up

  bool offers(std::string_view protocol) const;
};

// More bytes are needed: at least so many in total (for SO_RCVLOWAT), never more than the cap allows.
struct HelloNeedsMore {
  std::size_t total = 0;
};

enum class HelloFault : std::uint8_t {
  not_tls,         // no handshake record, or a handshake message that is not a ClientHello
  malformed,       // lengths or structure contradict RFC 8446; an empty record; bytes after the hello in its record
  too_long,        // over kMaxHelloClassic, or kMaxHelloHybrid with a post-quantum share
  no_server_name,  // absent or empty list
  several_names,   // more than one entry, or one that is not a host_name
  invalid_name,    // NUL, trailing dot, IP address, over 253 characters, not an LDH name
};
std::string_view to_string(HelloFault fault);

struct HelloRefused {
  HelloFault fault = HelloFault::malformed;
};

using HelloOutcome = std::variant<HelloNeedsMore, ClientHello, HelloRefused>;

// Reads as much as `received` has: all bytes of the connection so far. Total and stateless: called again with more
// bytes it comes to the same end however they were split. Allocates at most kMaxHelloHybrid.
HelloOutcome parse_client_hello(ByteView received);

// RFC 8446 §6: what the relay says before it closes.
enum class Alert : std::uint8_t {
  unexpected_message = 10,
  handshake_failure = 40,
  access_denied = 49,  // by the device
  decode_error = 50,
  internal_error = 80,
  unrecognized_name = 112,  // also for a name that is known but not open to this user: nobody learns which
  no_application_protocol = 120,
};
// The fatal alert as one plaintext record of 7 bytes.
Bytes encode_alert(Alert alert);
// The alert that answers a refused hello. A missing, wrong or unknown name all get unrecognized_name.
Alert alert_for(HelloFault fault);

}  // namespace sallyport::tunnel
