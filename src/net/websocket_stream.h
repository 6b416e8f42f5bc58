// A stream inside a WebSocket whose opening handshake is done.
#pragma once

#include "base/random.h"
#include "net/stream.h"
#include "net/websocket_frames.h"

namespace sallyport::net {

// What its own side sends in one frame at most.
inline constexpr std::size_t kWebSocketPiece = 16 * 1024;
// A client that waits pings after so much silence: gateways end what is silent for a minute.
inline constexpr milliseconds kWebSocketPing{25'000};
// How long a ping or its answer may take to leave.
inline constexpr milliseconds kWebSocketSay{10'000};

// Takes `lower` over; `unread` is what came behind the handshake. shutdown_write() ends our direction alone. A ping is
// answered by whoever reads, or behind what is being written. Errors as WebSocketDecoder::decode and as of `lower`; an
// end of `lower` before the end of the peer's direction is Errc::unavailable. A client borrows `random`, for its masks,
// for the stream's lifetime.
StreamPtr make_web_socket_client(StreamPtr lower, Bytes unread, Random& random);
StreamPtr make_web_socket_server(StreamPtr lower, Bytes unread);

}  // namespace sallyport::net
