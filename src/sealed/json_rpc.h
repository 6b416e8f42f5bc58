// JSON-RPC 2.0 (jsonrpc.org/specification), read strictly within limits, for what was authenticated already.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace sallyport::sealed {

inline constexpr std::size_t kMaxBatch = 64;        // elements
inline constexpr std::size_t kMaxMethodName = 128;  // characters a-z A-Z 0-9 . _ - :

// Error codes of the specification (§5.1) and ours, which EVA's `error.code` accompanies as data where it applies.
enum class RpcCode : std::int32_t {
  parse_error = -32700,
  invalid_request = -32600,
  method_not_found = -32601,
  invalid_params = -32602,
  internal_error = -32603,
  forbidden = -32002,
  failed = -32000,  // the method ran and said no
  timed_out = -32008,
  too_large = -32009,
};

struct RpcRequest {
  std::optional<codec::Json> id;  // text, integer or null; nothing: a notification
  std::string method;
  codec::Json params;  // object, array, or null where there are none
};
struct RpcFault {
  codec::Json id;  // null where it could not be read
  RpcCode code = RpcCode::invalid_request;
  std::string message;
};
struct RpcBatch {
  bool is_batch = false;  // an array came, so an array is answered
  std::vector<std::variant<RpcRequest, RpcFault>> elements;
};

// Never fails: what cannot be read is a fault to be answered as such. An empty array, more than kMaxBatch elements, a
// size, depth, number or text outside JsonLimits are one fault for the whole.
RpcBatch parse_json_rpc(std::string_view text);

// "{"jsonrpc":"2.0","id":…,"result":…}" and the same with an error.
codec::Json rpc_result(const codec::Json& id, codec::Json result);
codec::Json rpc_error(const codec::Json& id, RpcCode code, std::string_view message, codec::Json data = nullptr);
// One request's text.
std::string rpc_request(const codec::Json& id, std::string_view method, const codec::Json& params);

// What came back for one request. Fails with Errc::malformed when it is no JSON-RPC 2.0 response or another id's.
struct RpcOutcome {
  std::optional<codec::Json> result;
  std::optional<RpcFault> error;
  codec::Json error_data;
};
Result<RpcOutcome> parse_rpc_response(std::string_view text, const codec::Json& id);

}  // namespace sallyport::sealed
