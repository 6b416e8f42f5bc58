#include "net/rpc.h"

namespace sallyport::net {

// frame := id u64 | kind u8 | body
Result<RpcFrame> parse_rpc_frame(ByteView bytes) {
  Reader reader(bytes);
  TRY(const auto id, reader.u64());
  TRY(const auto kind, reader.u8());
  if (kind < static_cast<std::uint8_t>(RpcKind::request) || kind > static_cast<std::uint8_t>(RpcKind::event)) {
    return failf(Errc::malformed, "rpc frame: kind {}, want 1 to 4", kind);
  }
  const bool is_event = static_cast<RpcKind>(kind) == RpcKind::event;
  if (is_event != (id == 0)) return failf(Errc::malformed, "rpc frame: id {} on kind {}", id, kind);
  return RpcFrame{.id = id, .kind = static_cast<RpcKind>(kind), .body = to_bytes(reader.rest())};
}

Bytes encode_rpc_frame(const RpcFrame& frame) {
  return Writer().u64(frame.id).u8(static_cast<std::uint8_t>(frame.kind)).bytes(frame.body).take();
}

// error := errc u8 | sentence
Result<Error> parse_rpc_error(ByteView body) {
  Reader reader(body);
  TRY(const auto code, reader.u8());
  const bool known = code <= static_cast<std::uint8_t>(Errc::internal);
  return Error{.code = known ? static_cast<Errc>(code) : Errc::internal, .detail = std::string(as_text(reader.rest()))};
}

Bytes encode_rpc_error(const Error& error) {
  return Writer().u8(static_cast<std::uint8_t>(error.code)).text(error.detail).take();
}

}  // namespace sallyport::net
