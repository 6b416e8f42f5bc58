// Frames of a WebSocket that carries a stream of bytes (RFC 6455 §5): binary messages whose boundaries mean nothing. An
// empty message ends its sender's direction, for which WebSockets have no word of their own. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace sallyport::net {

enum class WebSocketSide : std::uint8_t { client, server };

enum class WebSocketOpcode : std::uint8_t {
  continuation = 0x0,
  text = 0x1,
  binary = 0x2,
  close = 0x8,
  ping = 0x9,
  pong = 0xA,
};

using WebSocketMask = std::array<std::uint8_t, 4>;

inline constexpr std::size_t kMaxWebSocketHeader = 14;
inline constexpr std::size_t kMaxWebSocketControl = 125;  // payload of ping, pong and close (RFC 6455 §5.5)

// Appends one whole frame (FIN). Clients mask, servers do not (§5.1).
void encode_web_socket_frame(WebSocketOpcode opcode, ByteView payload, std::optional<WebSocketMask> mask, Bytes& into);

// What one side sends, taken apart as it comes. A message may be of any length: nothing of it is held.
class WebSocketDecoder {
 public:
  explicit WebSocketDecoder(WebSocketSide sender) : sender_(sender) {}

  // Takes the next bytes apart and leaves those of the stream at their front; returns how many. Errc::malformed on what
  // RFC 6455 forbids, on text, and on data behind the end of the direction; Errc::unavailable where the sender says
  // Close without that end. What came before a fault is returned first, and fault() is then there.
  Result<std::size_t> decode(std::span<std::uint8_t> received);
  // Why nothing more is decoded; absent: it is.
  const std::optional<Error>& fault() const { return fault_; }
  bool has_ping() const { return ping_.has_value(); }
  // Whether the sender's direction has come to its end.
  bool has_ended() const { return has_ended_; }
  // What the last ping held that has not been answered; absent: there is none (§5.5.3).
  std::optional<Bytes> take_ping();

 private:
  struct Frame {
    WebSocketOpcode opcode = WebSocketOpcode::binary;
    bool is_last = true;  // of its message
    std::uint64_t left = 0;
    std::optional<WebSocketMask> mask;
    std::size_t mask_at = 0;
  };

  std::size_t header_size() const;
  Result<Frame> read_header() const;
  Result<void> begin(Frame frame);
  Result<void> check_data(const Frame& frame) const;
  void unmask(std::span<std::uint8_t> bytes);
  Result<void> end_frame();
  Result<void> end_control();
  Result<void> take_apart(std::span<std::uint8_t> received, std::size_t& kept);

  WebSocketSide sender_;
  std::array<std::uint8_t, kMaxWebSocketHeader> header_{};
  std::size_t header_held_ = 0;
  std::optional<Frame> frame_;  // whose payload comes
  Bytes control_;               // payload of a control frame
  std::optional<Bytes> ping_;
  std::optional<Error> fault_;
  bool is_in_message_ = false;
  bool message_is_empty_ = true;
  bool has_ended_ = false;
};

}  // namespace sallyport::net
