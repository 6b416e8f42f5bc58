// A stream inside a WebSocket whose opening handshake is done.
#pragma once

#include <memory>

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
// How long one that is carried may be silent once one of its directions has ended; while both are open whoever has what
// is inside knows better.
inline constexpr milliseconds kWebSocketHalfClosedLimit{600'000};
// How long what nobody has any more may take to send its last bytes.
inline constexpr milliseconds kWebSocketGoneLimit{30'000};

// Takes `lower` over; `unread` is what came behind the handshake. shutdown_write() ends our direction alone. A ping is
// answered by whoever reads, or behind what is being written. Errors as WebSocketDecoder::decode and as of `lower`; an
// end of `lower` before the end of the peer's direction is Errc::unavailable. A client borrows `random`, for its masks,
// for the stream's lifetime.
StreamPtr make_web_socket_client(StreamPtr lower, Bytes unread, Random& random);
StreamPtr make_web_socket_server(StreamPtr lower, Bytes unread);
// carry_by_socket() of what these return, within the limits above.
Result<Descriptor> carry_web_socket(StreamPtr web_socket, std::shared_ptr<void> keeps = nullptr);

}  // namespace sallyport::net
