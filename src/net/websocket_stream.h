// A stream inside a WebSocket whose opening handshake is done.
#pragma once

#include "base/random.h"
#include "net/stream.h"
#include "net/websocket_frames.h"

namespace sallyport::net {

// What its own side sends in one frame at most.
inline constexpr std::size_t kWebSocketPiece = 16 * 1024;

// Takes `lower` over; `unread` is what came behind the handshake. shutdown_write() ends our direction alone. A ping is
// answered with the next thing that is said, or never. Errors as WebSocketDecoder::decode and as of `lower`; an end of
// `lower` before the end of the peer's direction is Errc::unavailable. A client borrows `random`, for its masks, for
// the stream's lifetime.
StreamPtr make_web_socket_client(StreamPtr lower, Bytes unread, Random& random);
StreamPtr make_web_socket_server(StreamPtr lower, Bytes unread);

}  // namespace sallyport::net
