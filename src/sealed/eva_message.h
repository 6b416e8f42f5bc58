// JSON-RPC 2.0 as EVA ICS v3 speaks it, behind its seals: what is called, what is answered, and its error codes, which
// are positive and its own.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "codec/json.h"

namespace sallyport::sealed::eva {

inline constexpr std::size_t kMostCalls = 32;  // in one message
inline constexpr std::size_t kMostMethodBytes = 128;
inline constexpr std::size_t kMostIdBytes = 128;

// What a message may be, before and after it was opened and inflated.
struct Limits {
  std::size_t message = 256U << 10U;  // bytes on the wire
  codec::JsonLimits body;             // its size is the cap of inflation too
};

// The 16 bytes before the body of a binary request. A caller of EVA's draws a UUID version 4, ours one of version 7.
using RequestId = std::array<std::uint8_t, 16>;

// A UUID version 7 (RFC 9562 §5.7) of this second.
RequestId draw_request_id(UnixTime now, Random& random);
// The second of a UUID version 7; nothing when it is another UUID or none.
std::optional<UnixTime> time_of(const RequestId& id);
// "00010203-0405-…": what stands in the member `id`.
std::string to_uuid_text(const RequestId& id);

struct Call {
  std::string method;
  codec::Json::Object params;     // what arrived still has the member `k` with the caller's key in clear
  std::optional<codec::Json> id;  // text or integer; none: a notification
};

struct CallList {
  std::vector<Call> calls;  // at least one
  bool is_batch = false;
};

// Reads a request, or a batch of up to 32. Members beyond those of JSON-RPC are ignored. Errc::malformed.
Result<CallList> parse_calls(const codec::Json& body);

// lib/eva/client/apiclient.py, result_*.
enum class Code : std::uint8_t {
  not_found = 1,
  forbidden,
  api_error,
  unknown_error,
  not_ready,
  method_unknown,
  server_error,
  server_timeout,
  bad_data,
  function_failed,
  invalid_params,
  already_exists,
  busy,
  not_implemented,
  token_restricted,
};

// The code of JSON-RPC 2.0 that says the same: −32601 and −32602 of the standard, else −32000 − `code`, as EVA ICS v4
// has it.
std::int64_t to_json_rpc(Code code);
// Back. The standard's own others become the nearest; what an application defines is a failed function.
Code from_json_rpc(std::int64_t code);

struct Failure {
  Code code = Code::unknown_error;
  std::string message;

  friend bool operator==(const Failure&, const Failure&) = default;
};
// What became of a call.
using Outcome = std::expected<codec::Json, Failure>;

struct Answer {
  codec::Json id;
  Outcome outcome;
};

// Reads one answer. A code outside 1 to 15 is Code::unknown_error. Errc::malformed.
Result<Answer> parse_answer(const codec::Json& body);

// A body before it is written: members in EVA's order, and lists of them.
class Body {
 public:
  // With the key in clear as parameter `k`, as the format wants it; a parameter of that name is replaced.
  static Body of_call(const Call& call, std::string_view key);
  // In a batch a list, otherwise the one answer; null when there is none, because all were notifications.
  static Body of_answers(const std::vector<Answer>& answers, bool is_batch);

  std::string to_json() const;
  Bytes to_msgpack() const;

 private:
  using Members = std::vector<std::pair<std::string_view, codec::Json>>;

  std::vector<Members> items_;
  bool is_list_ = false;
};

}  // namespace sallyport::sealed::eva
