#include "sealed/body.h"

#include <limits>

namespace sallyport::sealed {
namespace {

constexpr std::int64_t kMaxWireTime = std::numeric_limits<std::uint32_t>::max();

std::uint32_t wire_time(UnixTime time) {
  const std::int64_t since = time.since_epoch();
  SALLYPORT_CHECK(since >= 0 && since <= kMaxWireTime);
  return static_cast<std::uint32_t>(since);
}

bool carries_call(RequestKind kind) {
  return kind == RequestKind::call || kind == RequestKind::stored_call;
}

std::string take_text(Reader& reader) {
  const auto rest = reader.bytes(reader.remaining());
  return std::string(as_text(*rest));
}

}  // namespace

std::string_view to_string(ReplyStatus status) {
  switch (status) {
    case ReplyStatus::done:
      return "done";
    case ReplyStatus::retry:
      return "retry";
    case ReplyStatus::progress:
      return "progress";
    case ReplyStatus::accepted:
      return "accepted";
    case ReplyStatus::outcome_unknown:
      return "outcome_unknown";
    case ReplyStatus::expired:
      return "expired";
    case ReplyStatus::overloaded:
      return "overloaded";
    case ReplyStatus::unknown_call:
      return "unknown_call";
  }
  return "unknown";
}

Bytes encode_request_body(const RequestBody& body) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(body.kind));
  if (body.kind != RequestKind::nothing) out.bytes(body.id.get());
  if (carries_call(body.kind)) out.u32(wire_time(body.deadline)).text(body.json);
  return out.take();
}

Bytes encode_reply_body(const ReplyBody& body) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(body.status));
  switch (body.status) {
    case ReplyStatus::done:
    case ReplyStatus::progress:
      out.text(body.json);
      break;
    case ReplyStatus::retry:
    case ReplyStatus::expired:
      out.u32(wire_time(body.node_time));
      break;
    case ReplyStatus::overloaded:
      SALLYPORT_CHECK(body.after.count() >= 0 && body.after.count() <= std::numeric_limits<std::uint16_t>::max());
      out.u16(static_cast<std::uint16_t>(body.after.count()));
      break;
    case ReplyStatus::accepted:
    case ReplyStatus::outcome_unknown:
    case ReplyStatus::unknown_call:
      break;
  }
  return out.take();
}

Result<RequestBody> parse_request_body(ByteView bytes) {
  constexpr auto kLastKind = static_cast<std::uint8_t>(RequestKind::ask_result);
  Reader reader(bytes);
  TRY(const auto kind, reader.u8());
  if (kind > kLastKind) return failf(Errc::malformed, "request body: kind {:#04x}, want 0 to {}", kind, kLastKind);
  RequestBody out;
  out.kind = static_cast<RequestKind>(kind);
  if (out.kind != RequestKind::nothing) {
    TRY(const auto id, reader.array<16>());
    out.id = CallId(id);
  }
  if (carries_call(out.kind)) {
    TRY(const auto deadline, reader.u32());
    if (deadline == 0) return fail(Errc::malformed, "request body: deadline 0, want a time");
    out.deadline = UnixTime(deadline);
    out.json = take_text(reader);
  }
  TRY_VOID(reader.finish("request body"));
  return out;
}

Result<ReplyBody> parse_reply_body(ByteView bytes) {
  constexpr auto kLastStatus = static_cast<std::uint8_t>(ReplyStatus::unknown_call);
  Reader reader(bytes);
  TRY(const auto status, reader.u8());
  if (status > kLastStatus)
    return failf(Errc::malformed, "reply body: status {:#04x}, want 0 to {}", status, kLastStatus);
  ReplyBody out;
  out.status = static_cast<ReplyStatus>(status);
  if (out.status == ReplyStatus::done || out.status == ReplyStatus::progress) {
    out.json = take_text(reader);
  } else if (out.status == ReplyStatus::retry || out.status == ReplyStatus::expired) {
    TRY(const auto time, reader.u32());
    out.node_time = UnixTime(time);
  } else if (out.status == ReplyStatus::overloaded) {
    TRY(const auto after, reader.u16());
    out.after = seconds(after);
  }
  TRY_VOID(reader.finish("reply body"));
  return out;
}

}  // namespace sallyport::sealed
