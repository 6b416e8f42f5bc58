// What people do with nodes of sealed RPC: noted here before the console lets it happen, and how it ended after.
#include <algorithm>
#include <array>

#include "authority/audit.h"
#include "authority/detail/admin_methods.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::Records;

constexpr std::size_t kMaxNodeText = 64;
constexpr std::size_t kMaxMethodText = 128;
constexpr std::size_t kCallIdText = 36;
constexpr std::size_t kMaxKeyText = 32;
constexpr std::int64_t kLongestCall = 3'600'000;  // milliseconds
constexpr std::array<std::string_view, 9> kEnds = {"answered", "failed", "unknown",    "unheard", "unsent",
                                                   "lost",     "late",   "overloaded", "broken"};

// A word of letters, digits and . _ - : as nodes, methods and keys are named.
Result<std::string> word_at(const Json& parameters, std::string_view key, std::size_t most) {
  TRY(auto text, parameters.text_at(key));
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == ':';
  };
  if (text.empty() || text.size() > most || !std::ranges::all_of(text, is_good))
    return failf(Errc::malformed, "invalid-request: {}: want 1 to {} letters, digits and . _ - :", key, most);
  return text;
}

struct Noted {
  std::string node;
  Json::Object detail;
};

Result<Noted> read_call(const AdminCall& call) {
  Noted out;
  TRY(out.node, word_at(call.parameters, "node", kMaxNodeText));
  TRY(auto method, word_at(call.parameters, "method", kMaxMethodText));
  if (method.starts_with("keys.") && call.request.role < records::UserRole::owner)
    return fail(Errc::unauthorized, "forbidden: a node's keys are for owners");
  out.detail.emplace("method", std::move(method));
  for (const auto& [name, most] : {std::pair<std::string_view, std::size_t>("call", kCallIdText),
                                   std::pair<std::string_view, std::size_t>("key", kMaxKeyText)}) {
    if (call.parameters.find(name) == nullptr) continue;
    TRY(auto text, word_at(call.parameters, name, most));
    out.detail.emplace(std::string(name), std::move(text));
  }
  return out;
}

net::Task<Result<Json>> note(AdminCall call, std::string action, Noted noted) {
  CO_TRY_VOID(co_await call.core.commit([&](Records& records) -> Result<void> {
    return append_audit(records, call.now(), call.request.actor, action, noted.node, noted.detail);
  }));
  co_return Json(Json::Object{});
}

Result<Noted> read_kept(const AdminCall& call) {
  TRY_VOID(call.parameters.only_keys({"node", "purpose", "key"}));
  Noted out;
  TRY(out.node, word_at(call.parameters, "node", kMaxNodeText));
  TRY(auto purpose, call.parameters.text_at("purpose"));
  if (purpose != "calls" && purpose != "keys")
    return fail(Errc::malformed, "invalid-request: purpose: want calls or keys");
  out.detail.emplace("purpose", std::move(purpose));
  if (call.parameters.find("key") != nullptr) {
    TRY(auto key, word_at(call.parameters, "key", kMaxKeyText));
    out.detail.emplace("key", std::move(key));
  }
  return out;
}

}  // namespace

AdminAnswer rpc_called(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"node", "method", "call", "key"}));
  CO_TRY(auto noted, read_call(call));
  co_return co_await note(std::move(call), "rpc.called", std::move(noted));
}

AdminAnswer rpc_ended(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"node", "method", "call", "key", "outcome", "duration_ms"}));
  CO_TRY(auto noted, read_call(call));
  CO_TRY(auto outcome, call.parameters.text_at("outcome"));
  CO_TRY(const std::int64_t duration, call.parameters.integer_at("duration_ms"));
  if (std::ranges::find(kEnds, outcome) == kEnds.end() || duration < 0)
    co_return fail(Errc::malformed, "invalid-request: outcome or duration_ms: none of a call");
  noted.detail.emplace("outcome", std::move(outcome));
  noted.detail.emplace("duration_ms", std::min(duration, kLongestCall));
  co_return co_await note(std::move(call), "rpc.ended", std::move(noted));
}

AdminAnswer rpc_key_kept(AdminCall call) {
  CO_TRY(auto noted, read_kept(call));
  co_return co_await note(std::move(call), "rpc.key-kept", std::move(noted));
}

AdminAnswer rpc_key_forgotten(AdminCall call) {
  CO_TRY(auto noted, read_kept(call));
  co_return co_await note(std::move(call), "rpc.key-forgotten", std::move(noted));
}

}  // namespace sallyport::authority
