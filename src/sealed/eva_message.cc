#include "sealed/eva_message.h"

#include "codec/msgpack.h"
#include "codec/text.h"

namespace sallyport::sealed::eva {

using codec::Json;

namespace {

constexpr std::int64_t kJsonRpcServerErrors = -32'000;
constexpr std::int64_t kParseError = -32'700;
constexpr std::int64_t kInvalidRequest = -32'600;
constexpr std::int64_t kMethodNotFound = -32'601;
constexpr std::int64_t kInvalidParams = -32'602;

Result<void> check_version(const Json& message) {
  TRY(const std::string version, message.text_at("jsonrpc"));
  if (version != "2.0") return fail(Errc::malformed, "json-rpc: found another version, want 2.0");
  return {};
}

// Null and absent are the same, as in EVA.
Result<std::optional<Json>> id_of(const Json& message) {
  const Json* const id = message.find("id");
  if (id == nullptr || id->is_null()) return std::optional<Json>();
  if (id->integer()) return std::optional(*id);
  TRY(const std::string text, id->text());
  if (text.size() > kMostIdBytes) {
    return failf(Errc::malformed, "json-rpc: id of {} bytes, want at most {}", text.size(), kMostIdBytes);
  }
  return std::optional(*id);
}

Result<Call> call_of(const Json& message) {
  TRY_VOID(check_version(message));
  Call out;
  TRY(out.method, message.text_at("method"));
  if (out.method.empty() || out.method.size() > kMostMethodBytes) {
    return failf(Errc::malformed, "json-rpc: method of {} bytes, want 1 to {}", out.method.size(), kMostMethodBytes);
  }
  if (const Json* const params = message.find("params")) {
    TRY(out.params, params->object());
  }
  TRY(out.id, id_of(message));
  return out;
}

Result<Failure> failure_of(const Json& error) {
  TRY(const std::int64_t code, error.integer_at("code"));
  const bool is_known = code >= static_cast<int>(Code::not_found) && code <= static_cast<int>(Code::token_restricted);
  Failure out{.code = is_known ? static_cast<Code>(code) : Code::unknown_error, .message = {}};
  if (error.find("message") != nullptr) {
    TRY(out.message, error.text_at("message"));
  }
  return out;
}

}  // namespace

RequestId draw_request_id(UnixTime now, Random& random) {
  auto out = random.array<16>();
  const auto milliseconds = static_cast<std::uint64_t>(now.since_epoch()) * 1000;
  for (std::size_t i = 0; i < 6; ++i) out[i] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
  out[6] = static_cast<std::uint8_t>(0x70U | (out[6] & 0x0FU));
  out[8] = static_cast<std::uint8_t>(0x80U | (out[8] & 0x3FU));
  return out;
}

std::optional<UnixTime> time_of(const RequestId& id) {
  if ((id[6] & 0xF0U) != 0x70U || (id[8] & 0xC0U) != 0x80U) return std::nullopt;
  std::int64_t milliseconds = 0;
  for (std::size_t i = 0; i < 6; ++i) milliseconds = milliseconds * 256 + id[i];
  return UnixTime(milliseconds / 1000);
}

std::string to_uuid_text(const RequestId& id) {
  std::string out = codec::encode_hex(id);
  for (const std::size_t at : {20U, 16U, 12U, 8U}) out.insert(at, 1, '-');
  return out;
}

Result<CallList> parse_calls(const Json& body) {
  CallList out;
  if (body.is_object()) {
    TRY(Call call, call_of(body));
    out.calls.push_back(std::move(call));
    return out;
  }
  TRY(const Json::Array list, body.array());
  if (list.empty() || list.size() > kMostCalls) {
    return failf(Errc::malformed, "json-rpc: batch of {}, want 1 to {}", list.size(), kMostCalls);
  }
  out.is_batch = true;
  for (const Json& item : list) {
    TRY(Call call, call_of(item));
    out.calls.push_back(std::move(call));
  }
  return out;
}

std::int64_t to_json_rpc(Code code) {
  if (code == Code::method_unknown) return kMethodNotFound;
  if (code == Code::invalid_params) return kInvalidParams;
  return kJsonRpcServerErrors - static_cast<std::int64_t>(code);
}

Code from_json_rpc(std::int64_t code) {
  switch (code) {
    case kMethodNotFound:
      return Code::method_unknown;
    case kInvalidParams:
      return Code::invalid_params;
    case kParseError:
    case kInvalidRequest:
      return Code::bad_data;
    default:
      break;
  }
  const std::int64_t ours = kJsonRpcServerErrors - code;
  if (ours >= static_cast<int>(Code::not_found) && ours <= static_cast<int>(Code::token_restricted)) {
    return static_cast<Code>(ours);
  }
  return Code::function_failed;
}

Result<Answer> parse_answer(const Json& body) {
  TRY_VOID(check_version(body));
  TRY(std::optional<Json> id, id_of(body));
  const Json* const result = body.find("result");
  const Json* const error = body.find("error");
  if ((result != nullptr) == (error != nullptr)) {
    return fail(Errc::malformed, "json-rpc: want exactly one of result and error");
  }
  Answer out{.id = std::move(id).value_or(Json()), .outcome = Json()};
  if (error != nullptr) {
    TRY(Failure failure, failure_of(*error));
    out.outcome = std::unexpected(std::move(failure));
  } else {
    out.outcome = *result;
  }
  return out;
}

Body Body::of_call(const Call& call, std::string_view key) {
  Json::Object params = call.params;
  params.insert_or_assign("k", Json(key));
  Members members{{"jsonrpc", "2.0"}, {"method", call.method}, {"params", std::move(params)}};
  if (call.id) members.emplace_back("id", *call.id);
  Body out;
  out.items_.push_back(std::move(members));
  return out;
}

Body Body::of_answers(const std::vector<Answer>& answers, bool is_batch) {
  Body out;
  out.is_list_ = is_batch && !answers.empty();
  for (const Answer& answer : answers) {
    Members members{{"jsonrpc", "2.0"}};
    if (answer.outcome) {
      members.emplace_back("result", *answer.outcome);
    } else {
      const Failure& failure = answer.outcome.error();
      members.emplace_back(
          "error", Json::Object{{"code", Json(static_cast<int>(failure.code))}, {"message", Json(failure.message)}});
    }
    members.emplace_back("id", answer.id);
    out.items_.push_back(std::move(members));
  }
  SALLYPORT_CHECK(out.is_list_ || out.items_.size() <= 1);
  return out;
}

std::string Body::to_json() const {
  if (items_.empty()) return "null";
  std::string out = is_list_ ? "[" : "";
  for (std::size_t i = 0; i < items_.size(); ++i) {
    out += i == 0 ? "{" : ",{";
    bool is_first = true;
    for (const auto& [name, value] : items_[i]) {
      if (!std::exchange(is_first, false)) out += ',';
      Json(name).write_to(out);
      out += ':';
      value.write_to(out);
    }
    out += '}';
  }
  if (is_list_) out += ']';
  return out;
}

Bytes Body::to_msgpack() const {
  codec::MsgpackWriter out;
  if (items_.empty()) return std::move(out.value(Json())).take();
  if (is_list_) out.array(items_.size());
  for (const Members& members : items_) {
    out.map(members.size());
    for (const auto& [name, value] : members) out.text(name).value(value);
  }
  return out.take();
}

}  // namespace sallyport::sealed::eva
