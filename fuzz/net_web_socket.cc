// What a WebSocket's other side sends, in pieces of one size: the same comes out whatever that is, up to the same
// fault, never more than came in, and nothing behind the end. The first octet says which side sends and how large the
// pieces are.
#include <cstdint>
#include <cstdlib>

#include "net/websocket_frames.h"

using namespace sallyport;

namespace {

struct Outcome {
  Bytes stream;
  bool has_failed = false;
  bool has_ended = false;
};

Outcome take_apart(ByteView input, net::WebSocketSide side, std::size_t size) {
  net::WebSocketDecoder decoder(side);
  Outcome out;
  Bytes bytes = to_bytes(input);
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    const auto piece = std::span(bytes).subspan(at, std::min(size, bytes.size() - at));
    const bool had_ended = decoder.has_ended();
    const auto count = decoder.decode(piece);
    if (!count) break;
    if (*count > piece.size() || (had_ended && *count > 0)) std::abort();
    append(out.stream, ByteView(piece).first(*count));
    if (const auto ping = decoder.take_ping(); ping && ping->size() > net::kMaxWebSocketControl) std::abort();
  }
  out.has_failed = decoder.fault().has_value();
  out.has_ended = decoder.has_ended();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto side = (data[0] & 1U) != 0 ? net::WebSocketSide::client : net::WebSocketSide::server;
  const ByteView input(data + 1, size - 1);
  const Outcome whole = take_apart(input, side, std::max<std::size_t>(input.size(), 1));
  const Outcome parts = take_apart(input, side, 1 + (data[0] >> 1U));
  if (whole.has_failed != parts.has_failed || whole.has_ended != parts.has_ended) std::abort();
  if (whole.stream != parts.stream) std::abort();
  return 0;
}
