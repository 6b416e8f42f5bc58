// What is sealed: the bodies of requests and replies (docs/protocol/sealed-rpc.md §6).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "sealed/names.h"

namespace sallyport::sealed {

// A whole message and a whole body are no longer than this.
inline constexpr std::size_t kMaxMessageBytes = 256U << 10U;

enum class RequestKind : std::uint8_t { nothing = 0, call = 1, stored_call = 2, ask_result = 3 };

struct RequestBody {
  RequestKind kind = RequestKind::nothing;
  CallId id;          // all but `nothing`
  UnixTime deadline;  // calls: 0 < deadline < 2^32
  std::string json;   // calls: JSON-RPC 2.0, not looked at here
  friend bool operator==(const RequestBody&, const RequestBody&) = default;
};

enum class ReplyStatus : std::uint8_t {
  done = 0,
  retry = 1,
  progress = 2,
  accepted = 3,
  outcome_unknown = 4,
  expired = 5,
  overloaded = 6,
  unknown_call = 7,
};
std::string_view to_string(ReplyStatus status);
// Whether no further chunk follows.
inline bool is_final(ReplyStatus status) {
  return status != ReplyStatus::progress;
}

struct ReplyBody {
  ReplyStatus status = ReplyStatus::done;
  std::string json;    // done, progress
  UnixTime node_time;  // retry, expired
  seconds after{0};    // overloaded: below 2^16
  friend bool operator==(const ReplyBody&, const ReplyBody&) = default;
};

Bytes encode_request_body(const RequestBody& body);
Bytes encode_reply_body(const ReplyBody& body);
// Each fails with Errc::malformed on an unknown kind or status, a missing field, or bytes behind the last one.
Result<RequestBody> parse_request_body(ByteView bytes);
Result<ReplyBody> parse_reply_body(ByteView bytes);

}  // namespace sallyport::sealed
