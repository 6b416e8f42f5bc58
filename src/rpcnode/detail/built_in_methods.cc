#include "rpcnode/detail/built_in_methods.h"

#include <algorithm>

namespace sallyport::rpcnode {
namespace {

using codec::Json;
using NodePointer = std::weak_ptr<Node::State>;

std::unexpected<MethodFault> refuse(const Error& error) {
  const auto code = error.code == Errc::malformed ? sealed::RpcCode::invalid_params : sealed::RpcCode::failed;
  return std::unexpected(MethodFault{.code = code, .message = error.detail, .data = nullptr});
}

MethodResult result_of(Result<Json> result) {
  if (!result) return refuse(result.error());
  return *std::move(result);
}

Json test(Node::State& node) {
  return Json::Object{{"ok", true}, {"node", node.name.get()}, {"time", to_iso8601(node.clock.now())}};
}

bool may_call(Node::State& node, const std::string& principal, const std::string& method) {
  const auto caller = node.find_caller(sealed::Principal(principal));
  return caller && check_access(caller->rules, method, nullptr).has_value();
}

Json info(Node::State& node, const MethodCall& call) {
  Json::Array methods;
  for (const auto& [name, method] : node.methods.all()) {
    if (!may_call(node, call.principal, name)) continue;
    methods.push_back(Json::Object{{"name", name},
                                   {"description", method.description},
                                   {"idempotent", method.idempotent},
                                   {"limit_ms", std::int64_t{method.limit.count()}}});
  }
  const seconds up = node.clock.now() - node.started;
  return Json::Object{{"node", node.name.get()},
                      {"version", SALLYPORT_VERSION},
                      {"you", call.principal},
                      {"up_s", std::int64_t{up.count()}},
                      {"methods", std::move(methods)}};
}

Result<std::vector<std::string>> texts_at(const Json& params, std::string_view key) {
  std::vector<std::string> out;
  const Json* value = params.find(key);
  if (value == nullptr) return out;
  auto array = value->array();
  if (!array) return failf(Errc::malformed, "params: {}: want an array of texts", key);
  for (const Json& element : *array) {
    TRY(auto text, element.text());
    out.push_back(std::move(text));
  }
  return out;
}

Result<sealed::KeyId> id_at(const Json& params) {
  if (!params.is_object()) return fail(Errc::malformed, "params: want an object");
  TRY(const std::string id, params.text_at("id"));
  return sealed::parse_key_id(id);
}

Result<Json> list_keys(Node::State& node) {
  Json::Array out;
  for (const NodeKeyRecord& record : node.keys().list()) out.push_back(key_json(record));
  return Json(std::move(out));
}

Result<Json> add_key(Node::State& node, const Json& params) {
  NewKey chosen;
  TRY(chosen.id, id_at(params));
  TRY_VOID(params.only_keys({"id", "comment", "allow", "deny", "items", "deny_items", "calls_per_minute", "expires"}));
  TRY(chosen.rules.allow, texts_at(params, "allow"));
  TRY(chosen.rules.deny, texts_at(params, "deny"));
  TRY(chosen.rules.items, texts_at(params, "items"));
  TRY(chosen.rules.deny_items, texts_at(params, "deny_items"));
  if (params.find("comment") != nullptr) {
    TRY(chosen.comment, params.text_at("comment"));
  }
  if (params.find("calls_per_minute") != nullptr) {
    TRY(const std::int64_t rate, params.integer_at("calls_per_minute"));
    chosen.calls_per_minute = static_cast<std::uint32_t>(std::clamp<std::int64_t>(rate, 0, kMaxCallsPerMinute + 1));
  }
  if (params.find("expires") != nullptr) {
    TRY(const std::string text, params.text_at("expires"));
    TRY(chosen.expires, parse_iso8601(text));
  }
  TRY(const auto key, node.keys().add(std::move(chosen), node.clock.now(), node.random));
  node.apply_keys();
  return Json(Json::Object{{"key", std::string(as_text(sealed::to_text(key).expose()))}});
}

// The new secret is good at once; sessions that end with an old one end at the next tick, after this answer has left.
Result<Json> rotate_key(Node::State& node, const Json& params) {
  TRY(const sealed::KeyId id, id_at(params));
  TRY_VOID(params.only_keys({"id", "overlap_s"}));
  std::int64_t overlap = 0;
  if (params.find("overlap_s") != nullptr) {
    TRY(overlap, params.integer_at("overlap_s"));
  }
  TRY(const auto key, node.keys().rotate(id, seconds(overlap), node.clock.now(), node.random));
  node.add_secrets();
  return Json(Json::Object{{"key", std::string(as_text(sealed::to_text(key).expose()))}});
}

Result<Json> remove_key(Node::State& node, const Json& params) {
  TRY(const sealed::KeyId id, id_at(params));
  TRY_VOID(params.only_keys({"id"}));
  TRY_VOID(node.keys().remove(id, node.clock.now()));
  return Json(true);
}

// By the pairing key alone: {"id"} makes a key and tells it once, {"who"} lets in a certificate. What is let in is good
// within a second.
Result<Json> pair(Node::State& node, const MethodCall& call) {
  if (call.principal != std::string(kKeyPrincipal) + std::string(kPairingKey))
    return fail(Errc::unauthorized, "pairing: is by the key 'default' alone");
  if (!call.params.is_object()) return fail(Errc::malformed, "params: want an object with id or who");
  TRY_VOID(call.params.only_keys({"id", "who"}));
  const bool by_certificate = call.params.find("who") != nullptr;
  if (by_certificate == (call.params.find("id") != nullptr))
    return fail(Errc::malformed, "params: want one of id and who");
  if (by_certificate) {
    TRY(const std::string who, call.params.text_at("who"));
    TRY_VOID(node.keys().pair_certificate(who, node.clock.now()));
    return Json(Json::Object{{"who", who}});
  }
  TRY(const sealed::KeyId id, id_at(call.params));
  TRY(const auto key, node.keys().pair_key(id, node.clock.now(), node.random));
  return Json(Json::Object{{"key", std::string(as_text(sealed::to_text(key).expose()))}});
}

using Work = Result<Json> (*)(Node::State&, const MethodCall&);

net::Task<MethodResult> run_built_in(NodePointer node, Work work, MethodCall call) {
  const auto held = node.lock();
  if (!held) co_return refuse(Error{Errc::unavailable, "the node is ending"});
  co_return result_of(work(*held, call));
}

void add(Node::State& node, std::string name, std::string description, bool idempotent, Work work) {
  const NodePointer pointer = node.weak_from_this();
  Method method{.description = std::move(description), .idempotent = idempotent, .concurrent = kMaxConcurrent};
  method.run = [pointer, work](MethodCall call) { return run_built_in(pointer, work, std::move(call)); };
  const auto added = node.methods.add(std::move(name), std::move(method));
  SALLYPORT_CHECK(added.has_value());
}

}  // namespace

void add_built_in_methods(Node::State& node) {
  add(node, "test", "answers that the node is there", true,
      [](Node::State& state, const MethodCall&) -> Result<Json> { return test(state); });
  add(node, "info", "tells what the node is and which methods the caller may call", true,
      [](Node::State& state, const MethodCall& call) -> Result<Json> { return info(state, call); });
  add(node, std::string(kPairMethod), "lets in the caller that comes with the key 'default'", false, pair);
  add(node, "keys.list", "lists the API keys, without their secrets", true,
      [](Node::State& state, const MethodCall&) -> Result<Json> { return list_keys(state); });
  add(node, "keys.add", "makes an API key and tells it once", false,
      [](Node::State& state, const MethodCall& call) -> Result<Json> { return add_key(state, call.params); });
  add(node, "keys.rotate", "makes a new secret for a key and tells it once", false,
      [](Node::State& state, const MethodCall& call) -> Result<Json> { return rotate_key(state, call.params); });
  add(node, "keys.remove", "removes an API key and ends its sessions", false,
      [](Node::State& state, const MethodCall& call) -> Result<Json> { return remove_key(state, call.params); });
}

}  // namespace sallyport::rpcnode
