#include "sealed/json_rpc.h"

#include <algorithm>
#include <limits>

#include "sealed/body.h"

namespace sallyport::sealed {
namespace {

using codec::Json;

constexpr std::string_view kVersion = "2.0";
// What an attacker who is authenticated may have us hold: 8,192 values are below 1 MB.
constexpr codec::JsonLimits kRpcJson{.size = kMaxMessageBytes, .depth = 32, .values = 8'192};

bool is_method_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-' || c == ':';
}

bool is_method_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxMethodName && std::ranges::all_of(name, is_method_character);
}

bool is_rpc_id(const Json& value) {
  return value.is_null() || value.integer().has_value() || value.text().has_value();
}

bool has_version(const Json& value) {
  const Json* const version = value.find("jsonrpc");
  return version != nullptr && *version == Json(kVersion);
}

RpcFault fault(Json id, RpcCode code, std::string_view message) {
  return {.id = std::move(id), .code = code, .message = std::string(message)};
}

// No text of the request is repeated in a fault.
std::variant<RpcRequest, RpcFault> read_request(const Json& value) {
  constexpr RpcCode kInvalid = RpcCode::invalid_request;
  if (!value.is_object()) return fault(nullptr, kInvalid, "request: want an object");
  const Json* const id = value.find("id");
  if (id != nullptr && !is_rpc_id(*id)) return fault(nullptr, kInvalid, "id: want text, an integer or null");
  const Json answer_to = id == nullptr ? Json() : *id;
  if (!has_version(value)) return fault(answer_to, kInvalid, "jsonrpc: want \"2.0\"");
  if (!value.only_keys({"jsonrpc", "id", "method", "params"}))
    return fault(answer_to, kInvalid, "request: want jsonrpc, id, method and params alone");
  const auto method = value.text_at("method");
  if (!method) return fault(answer_to, kInvalid, "method: want text");
  if (!is_method_name(*method)) return fault(answer_to, RpcCode::method_not_found, "method: no name of one");
  const Json* const params = value.find("params");
  if (params != nullptr && !params->is_object() && !params->array())
    return fault(answer_to, kInvalid, "params: want an object or an array");
  RpcRequest out;
  if (id != nullptr) out.id = *id;
  out.method = *method;
  if (params != nullptr) out.params = *params;
  return out;
}

RpcBatch one_fault(RpcCode code, std::string_view message) {
  RpcBatch out;
  out.elements.emplace_back(fault(nullptr, code, message));
  return out;
}

Json response_head(const Json& id) {
  return Json::Object{{"jsonrpc", Json(kVersion)}, {"id", id}};
}

Json with_member(Json response, std::string_view name, Json value) {
  Json::Object members = response.object().value();
  members.emplace(name, std::move(value));
  return members;
}

Result<RpcFault> read_error(const Json& error, const Json& id) {
  TRY(const auto code, error.integer_at("code"));
  if (code < std::numeric_limits<std::int32_t>::min() || code > std::numeric_limits<std::int32_t>::max())
    return failf(Errc::malformed, "rpc response: code {}, want 32 bits", code);
  TRY(auto message, error.text_at("message"));
  return RpcFault{.id = id, .code = static_cast<RpcCode>(code), .message = std::move(message)};
}

}  // namespace

RpcBatch parse_json_rpc(std::string_view text) {
  const auto parsed = codec::parse_json(text, kRpcJson);
  if (!parsed) {
    const bool too_much = parsed.error().code == Errc::overloaded;
    return one_fault(too_much ? RpcCode::invalid_request : RpcCode::parse_error,
                     too_much ? "request: over a limit of size, depth or number of values" : "request: no JSON");
  }
  const auto batch = parsed->array();
  RpcBatch out;
  if (!batch) {
    out.elements.push_back(read_request(*parsed));
    return out;
  }
  if (batch->empty()) return one_fault(RpcCode::invalid_request, "batch: no request in it");
  if (batch->size() > kMaxBatch) return one_fault(RpcCode::invalid_request, "batch: more requests than allowed");
  out.is_batch = true;
  for (const Json& element : *batch) out.elements.push_back(read_request(element));
  return out;
}

Json rpc_result(const Json& id, Json result) {
  return with_member(response_head(id), "result", std::move(result));
}

Json rpc_error(const Json& id, RpcCode code, std::string_view message, Json data) {
  Json::Object error{{"code", Json(std::int64_t{static_cast<std::int32_t>(code)})}, {"message", Json(message)}};
  if (!data.is_null()) error.emplace("data", std::move(data));
  return with_member(response_head(id), "error", std::move(error));
}

std::string rpc_request(const Json& id, std::string_view method, const Json& params) {
  Json::Object out{{"jsonrpc", Json(kVersion)}, {"id", id}, {"method", Json(method)}};
  if (!params.is_null()) out.emplace("params", params);
  return Json(std::move(out)).write();
}

Result<RpcOutcome> parse_rpc_response(std::string_view text, const Json& id) {
  TRY(const auto response, codec::parse_json(text, kRpcJson));
  if (!response.is_object() || !has_version(response))
    return fail(Errc::malformed, "rpc response: no object of JSON-RPC 2.0");
  TRY(const auto found, response.at("id"));
  const Json* const result = response.find("result");
  const Json* const error = response.find("error");
  if ((result == nullptr) == (error == nullptr))
    return fail(Errc::malformed, "rpc response: want either a result or an error");
  // An error whose request could not be read has no id (§5.1).
  if (found != id && !(error != nullptr && found.is_null()))
    return fail(Errc::malformed, "rpc response: of another request");
  RpcOutcome out;
  if (result != nullptr) {
    out.result = *result;
    return out;
  }
  TRY(out.error, read_error(*error, found));
  if (const Json* const data = error->find("data")) out.error_data = *data;
  return out;
}

}  // namespace sallyport::sealed
