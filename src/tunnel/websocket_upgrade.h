// How a connection to the relay's plain port becomes a WebSocket (RFC 6455 §4), for networks that let nothing but HTTP
// pass: what runs inside it is what runs at the relay's port without it (docs/protocol/tunnel.md).
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"
#include "tunnel/proxy_connect.h"

namespace sallyport::tunnel {

inline constexpr std::string_view kWebSocketTarget = "/sallyport-tunnel";
inline constexpr std::string_view kWebSocketProtocol = "tunnel.sallyport.1";

using WebSocketNonce = std::array<std::uint8_t, 16>;

// The request of an agent. `authority` is the relay's "host:port" as net::to_string writes it, `target` the request's
// target: kWebSocketTarget, or for a proxy its absolute form. With a login's header line, which may be empty, it is a
// secret. Errc::malformed on another authority and a port of 0.
Result<SecretBytes> encode_upgrade_request(std::string_view authority, std::string_view target,
                                           const WebSocketNonce& nonce, const SecretBytes& login);
// Whether a reply with status 101 speaks the protocol that was asked for. Errc::malformed.
Result<void> check_upgrade(const ConnectReply& reply, const WebSocketNonce& nonce);

// What a relay answers.
struct UpgradeAnswer {
  Bytes bytes;                // the whole answer
  std::size_t wire_size = 0;  // of the request
  bool is_accepted = false;
};
// Reads the head of a request whose target is kWebSocketTarget. Absent: more bytes are needed. Errc::malformed on what
// is no head or is over kMaxUpgradeHead; a head that asks for no WebSocket of ours is answered and not accepted, one
// of a page in a browser among them.
Result<std::optional<UpgradeAnswer>> find_upgrade(ByteView received);

}  // namespace sallyport::tunnel
