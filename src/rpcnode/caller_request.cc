#include "rpcnode/caller_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rpcnode/access_rules.h"
#include "rpcnode/node_keys.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

constexpr codec::JsonLimits kRequestLimits{.size = kMaxCallerRequest, .depth = 5, .values = 1'024};
constexpr codec::JsonLimits kParamsLimits{.size = kMaxCallParams, .depth = 32, .values = 8'192};

Result<std::string> by_at(const Json& json) {
  TRY(auto by, json.text_at("by"));
  if (by.empty() || by.size() > kMaxLogin) return failf(Errc::malformed, "by: want 1 to {} bytes", kMaxLogin);
  return by;
}

Result<sealed::NodeName> node_at(const Json& json) {
  TRY(const std::string text, json.text_at("node"));
  return sealed::parse_node_name(text);
}

Result<sealed::KeyId> key_id_at(const Json& json, std::string_view member = "id") {
  TRY(const std::string text, json.text_at(member));
  return sealed::parse_key_id(text);
}

Result<sealed::CallId> call_id_at(const Json& json) {
  TRY(const std::string text, json.text_at("id"));
  return sealed::parse_call_id(text);
}

Result<KeyPurpose> purpose_at(const Json& json) {
  TRY(const std::string text, json.text_at("purpose"));
  return parse_key_purpose(text);
}

// A text of JSON, since nobody on the way looks into it.
Result<Json> params_at(const Json& json) {
  const Json* const member = json.find("params");
  if (member == nullptr) return Json(nullptr);
  TRY(const std::string text, member->text());
  auto params = codec::parse_json(text, kParamsLimits);
  if (!params) return failf(Errc::malformed, "params: {}", params.error().detail);
  if (!params->is_object() && !params->array()) return fail(Errc::malformed, "params: want an object or an array");
  return params;
}

Result<milliseconds> timeout_at(const Json& json) {
  if (json.find("timeout_ms") == nullptr) return kDefaultCallTimeout;
  TRY(const std::int64_t timeout, json.integer_at("timeout_ms"));
  if (timeout < kLeastCallTimeout.count() || timeout > kMaxCallTimeout.count())
    return failf(Errc::malformed, "timeout_ms: found {}, want {} to {}", timeout, kLeastCallTimeout.count(),
                 kMaxCallTimeout.count());
  return milliseconds(timeout);
}

Result<CallerRequest> read_nodes(const Json& json) {
  TRY_VOID(json.only_keys({"act"}));
  return NodesRequest{};
}

Result<CallerRequest> read_methods(const Json& json) {
  TRY_VOID(json.only_keys({"act", "node"}));
  TRY(auto node, node_at(json));
  return MethodsRequest{std::move(node)};
}

Result<CallerRequest> read_begin(const Json& json) {
  TRY_VOID(json.only_keys({"act", "by", "node", "method", "params", "idempotent", "timeout_ms", "id", "key"}));
  BeginRequest out;
  TRY(out.by, by_at(json));
  TRY(out.node, node_at(json));
  TRY(out.method, json.text_at("method"));
  TRY_VOID(check_method_name(out.method));
  if (out.method.starts_with(kManagementMethods))
    return failf(Errc::malformed, "method: {}… are for the key for keys alone", kManagementMethods);
  TRY(out.params, params_at(json));
  if (json.find("idempotent") != nullptr) {
    TRY(out.idempotent, json.boolean_at("idempotent"));
  }
  TRY(out.timeout, timeout_at(json));
  if ((json.find("id") == nullptr) != (json.find("key") == nullptr))
    return fail(Errc::malformed, "id, key: found one of them, want both or neither");
  if (json.find("id") != nullptr) {
    TRY(const auto id, call_id_at(json));
    TRY(auto key, key_id_at(json, "key"));
    out.id = id;
    out.key = std::move(key);
  }
  return out;
}

template <class Request>
Result<CallerRequest> read_of_call(const Json& json) {
  TRY_VOID(json.only_keys({"act", "by", "id"}));
  TRY(auto by, by_at(json));
  TRY(const auto id, call_id_at(json));
  return Request{std::move(by), id};
}

Result<KeepRequest> read_key_to_keep(const Json& json) {
  TRY_VOID(json.only_keys({"act", "by", "node", "purpose", "key"}));
  TRY(auto by, by_at(json));
  TRY(auto node, node_at(json));
  TRY(const KeyPurpose purpose, purpose_at(json));
  TRY(const std::string text, json.text_at("key"));
  auto key = sealed::parse_api_key(text);
  // Nothing of what was given may be told.
  if (!key) return fail(Errc::malformed, "key: is none, or was mistyped; want the line that was shown, spk1_…");
  return KeepRequest{.by = std::move(by), .node = std::move(node), .purpose = purpose, .key = *std::move(key)};
}

Result<CallerRequest> read_check(const Json& json) {
  TRY(auto to_keep, read_key_to_keep(json));
  return CheckKeyRequest{std::move(to_keep)};
}

Result<CallerRequest> read_keep(const Json& json) {
  TRY(auto to_keep, read_key_to_keep(json));
  return to_keep;
}

Result<CallerRequest> read_forget(const Json& json) {
  TRY_VOID(json.only_keys({"act", "node", "purpose"}));
  TRY(auto node, node_at(json));
  TRY(const KeyPurpose purpose, purpose_at(json));
  return ForgetRequest{std::move(node), purpose};
}

Result<CallerRequest> read_keys(const Json& json) {
  TRY_VOID(json.only_keys({"act", "node"}));
  TRY(auto node, node_at(json));
  return ListKeysRequest{std::move(node)};
}

// The node checks the rules: they are its own.
Result<CallerRequest> read_add(const Json& json) {
  TRY_VOID(json.only_keys({"act", "node", "id", "rules"}));
  TRY(auto node, node_at(json));
  TRY(auto id, key_id_at(json));
  TRY(const Json rules, json.at("rules"));
  TRY_VOID(rules.only_keys({"comment", "allow", "deny", "items", "deny_items", "calls_per_minute", "expires"}));
  TRY(auto params, rules.object());
  params.emplace("id", id.get());
  return ManageRequest{
      .node = std::move(node), .method = "keys.add", .id = std::move(id), .params = Json(std::move(params))};
}

Result<CallerRequest> read_rotate(const Json& json) {
  TRY_VOID(json.only_keys({"act", "node", "id", "overlap_s"}));
  TRY(auto node, node_at(json));
  TRY(auto id, key_id_at(json));
  TRY(const std::int64_t overlap, json.integer_at("overlap_s"));
  if (overlap < 0 || overlap > kMaxOverlap.count())
    return failf(Errc::malformed, "overlap_s: found {}, want 0 to {}", overlap, kMaxOverlap.count());
  Json params(Json::Object{{"id", id.get()}, {"overlap_s", overlap}});
  return ManageRequest{
      .node = std::move(node), .method = "keys.rotate", .id = std::move(id), .params = std::move(params)};
}

Result<CallerRequest> read_remove(const Json& json) {
  TRY_VOID(json.only_keys({"act", "node", "id"}));
  TRY(auto node, node_at(json));
  TRY(auto id, key_id_at(json));
  Json params(Json::Object{{"id", id.get()}});
  return ManageRequest{
      .node = std::move(node), .method = "keys.remove", .id = std::move(id), .params = std::move(params)};
}

struct Act {
  std::string_view name;
  Result<CallerRequest> (*read)(const Json&);
};
constexpr std::array kActs = {Act{"nodes", read_nodes},
                              Act{"methods", read_methods},
                              Act{"begin", read_begin},
                              Act{"run", read_of_call<RunRequest>},
                              Act{"look", read_of_call<LookRequest>},
                              Act{"check", read_check},
                              Act{"keep", read_keep},
                              Act{"forget", read_forget},
                              Act{"keys", read_keys},
                              Act{"add", read_add},
                              Act{"rotate", read_rotate},
                              Act{"remove", read_remove}};

Result<CallerRequest> read_request(ByteView bytes) {
  TRY(const Json json, codec::parse_json(as_text(bytes), kRequestLimits));
  TRY(const std::string name, json.text_at("act"));
  const auto act = std::ranges::find(kActs, name, &Act::name);
  if (act == kActs.end()) return fail(Errc::malformed, "act: is none of this version");
  return act->read(json);
}

}  // namespace

Result<CallerRequest> parse_caller_request(ByteView bytes) {
  auto request = read_request(bytes);
  if (!request) return fail(Errc::malformed, "invalid-request: " + request.error().detail);
  return request;
}

}  // namespace sallyport::rpcnode
