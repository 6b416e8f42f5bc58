// Nodes and calls (ADR 0030): what the role caller does, after the authority has noted it. Of what the caller answers
// nothing is looked at here but how a call ended.
#include <algorithm>
#include <array>

#include "base/log.h"
#include "console/api.h"

namespace sallyport::console {
namespace {

using codec::Json;

constexpr milliseconds kCallerLimit{15'000};      // of what is answered while a person waits
constexpr milliseconds kEndGrace{30'000};         // beyond a call's own timeout
constexpr std::int64_t kFallbackTimeout{10'000};  // of a call whose timeout is not given, as at the caller
constexpr codec::JsonLimits kSmallAnswer{.size = 1'024, .depth = 2, .values = 8};
constexpr std::array<std::string_view, 9> kCallOutcomes = {"answered", "failed", "unknown",    "unheard", "unsent",
                                                           "lost",     "late",   "overloaded", "broken"};

http::Response json_from_caller(Bytes json, unsigned status) {
  return http::Response::bytes(std::move(json), "application/json", status);
}

http::Response nothing_to_tell() {
  http::Response response;
  response.status = 204;
  return response;
}

// The name of a node or a key out of the address, which the caller judges.
Json parameter(const Json::Object& parameters, std::string_view name) {
  const auto found = parameters.find(name);
  return found == parameters.end() ? Json("") : found->second;
}

struct CallEnded {
  std::string outcome = "unknown";
  std::int64_t duration_ms = 0;
};

// Words that are not ours, or an answer that is none, are `unknown`: the audit log says no more than is known.
CallEnded parse_call_ended(ByteView bytes) {
  CallEnded out;
  const auto json = codec::parse_json(as_text(bytes), kSmallAnswer);
  if (!json) return out;
  const auto outcome = json->text_at("outcome");
  if (outcome && std::ranges::find(kCallOutcomes, *outcome) != kCallOutcomes.end()) out.outcome = *outcome;
  out.duration_ms = std::max<std::int64_t>(json->integer_at("duration_ms").value_or(0), 0);
  return out;
}

}  // namespace

Result<void> Api::check_rpc(const Call& call) const {
  if (!call.session.tenant.empty())
    return fail(Errc::unauthorized, "forbidden: nodes are called by people of the whole installation alone");
  if (caller_ == nullptr) return fail(Errc::conflict, "rpc-off: [rpc] of sallyport.toml names no broker");
  return {};
}

net::Task<Result<Bytes>> Api::ask_caller(Json::Object question, net::Deadline deadline) {
  co_return co_await caller_->call(to_bytes(Json(std::move(question)).write()), deadline);
}

Api::Answer Api::list_rpc_nodes(const Route&, Call call) {
  const auto checked = check_rpc(call);
  if (!checked && caller_ == nullptr && call.session.tenant.empty()) {
    const Json nothing(Json::Object{
        {"configured", false}, {"prefix", ""}, {"brokers", Json::Array{}}, {"nodes", Json::Array{}}, {"left_out", 0}});
    co_return json_from_caller(to_bytes(nothing.write()), 200);
  }
  CO_TRY_VOID(checked);
  CO_TRY(auto json, co_await ask_caller({{"act", "nodes"}}, kCallerLimit));
  co_return json_from_caller(std::move(json), 200);
}

// What is only looked at: the methods or the keys of a node.
Api::Answer Api::ask_rpc_node(const Route& route, Call call) {
  CO_TRY_VOID(check_rpc(call));
  const std::string act(route.method);
  CO_TRY(auto json, co_await ask_caller({{"act", act}, {"node", parameter(call.parameters, "node")}}, kCallerLimit));
  co_return json_from_caller(std::move(json), 200);
}

Api::Answer Api::show_rpc_call(const Route&, Call call) {
  CO_TRY_VOID(check_rpc(call));
  CO_TRY(auto json,
         co_await ask_caller({{"act", "look"}, {"by", call.session.login}, {"id", parameter(call.parameters, "id")}},
                             kCallerLimit));
  co_return json_from_caller(std::move(json), 200);
}

// Checked by the caller, noted by the authority, and then sent: no call of a person leaves that is not in the audit
// log. What the pages ask of a node to show it (ask_rpc_node: `info`, `keys.list`) is in the node's own trail alone.
Api::Answer Api::begin_rpc_call(const Route&, Call call) {
  CO_TRY_VOID(check_rpc(call));
  Json::Object question = call.parameters;
  question.insert_or_assign("act", "begin");
  question.insert_or_assign("by", call.session.login);
  CO_TRY(auto answer, co_await ask_caller(std::move(question), kCallerLimit));
  CO_TRY(const auto begun, codec::parse_json(as_text(answer), kSmallAnswer));
  CO_TRY(const auto id, begun.text_at("id"));
  CO_TRY(const auto key, begun.text_at("key"));
  Json::Object noted{
      {"node", parameter(call.parameters, "node")}, {"method", parameter(call.parameters, "method")}, {"call", id}};
  CO_TRY_VOID(co_await ask("rpc.called", call, noted));
  const auto given = call.parameters.find("timeout_ms");
  const milliseconds timeout(given == call.parameters.end() ? kFallbackTimeout
                                                            : given->second.integer().value_or(kFallbackTimeout));
  net::spawn(co_await net::current_executor(), run_rpc_call(std::move(call), std::move(noted), timeout), "console.rpc");
  co_return json_from_caller(to_bytes(Json(Json::Object{{"id", id}, {"key", key}}).write()), 202);
}

net::Task<void> Api::run_rpc_call(Call call, Json::Object noted, milliseconds timeout) {
  const auto answer =
      co_await ask_caller({{"act", "run"}, {"by", call.session.login}, {"id", noted.at("call")}}, timeout + kEndGrace);
  const CallEnded ended = answer ? parse_call_ended(*answer) : CallEnded{};
  noted.emplace("outcome", ended.outcome);
  noted.emplace("duration_ms", ended.duration_ms);
  const auto told = co_await ask("rpc.ended", call, std::move(noted));
  if (!told) log::warn("console.rpc-end-not-noted", {{"id", call.request_id}, {"error", told.error()}});
}

// Read by the caller, noted by the authority under the id that it read, and then kept.
Api::Answer Api::keep_rpc_key(const Route& route, Call call) {
  CO_TRY_VOID(check_rpc(call));
  const Json node = parameter(call.parameters, "node");
  const Json purpose = parameter(call.parameters, "purpose");
  Json::Object question{{"act", "check"},
                        {"by", call.session.login},
                        {"node", node},
                        {"purpose", purpose},
                        {"key", parameter(call.parameters, "key")}};
  CO_TRY(auto json, co_await ask_caller(question, kCallerLimit));
  CO_TRY(const auto read, codec::parse_json(as_text(json), kSmallAnswer));
  CO_TRY(const auto id, read.text_at("id"));
  CO_TRY_VOID(co_await ask(std::string(route.method), call, {{"node", node}, {"purpose", purpose}, {"key", id}}));
  question.insert_or_assign("act", "keep");
  CO_TRY(auto kept, co_await ask_caller(std::move(question), kCallerLimit));
  co_return json_from_caller(std::move(kept), route.success);
}

Api::Answer Api::forget_rpc_key(const Route& route, Call call) {
  CO_TRY_VOID(check_rpc(call));
  const Json node = parameter(call.parameters, "node");
  const Json purpose = parameter(call.parameters, "purpose");
  CO_TRY_VOID(co_await ask(std::string(route.method), call, {{"node", node}, {"purpose", purpose}}));
  CO_TRY_VOID(co_await ask_caller({{"act", "forget"}, {"node", node}, {"purpose", purpose}}, kCallerLimit));
  co_return nothing_to_tell();
}

// A key at the node: made, given a new secret, or removed. The secret passes once, unread and unkept.
Api::Answer Api::manage_rpc_key(const Route& route, Call call) {
  CO_TRY_VOID(check_rpc(call));
  const std::string act(route.method);
  Json::Object rules = call.parameters;
  const Json node = parameter(call.parameters, "node");
  const Json key = parameter(call.parameters, act == "add" ? "id" : "key");
  Json::Object question{{"act", act}, {"node", node}, {"id", key}};
  if (act == "add") {
    rules.erase("node");
    rules.erase("id");
    question.emplace("rules", std::move(rules));
  } else if (act == "rotate") {
    question.emplace("overlap_s", parameter(call.parameters, "overlap_s"));
  } else if (parameter(call.parameters, "confirm") != key) {
    co_return fail(Errc::malformed, "confirmation-mismatch: want the key's id");
  }
  Json::Object noted{{"node", node}, {"method", "keys." + act}, {"key", key}};
  CO_TRY_VOID(co_await ask("rpc.called", call, noted));
  const Instant began = clock_.monotonic();
  auto json = co_await ask_caller(std::move(question), kCallerLimit);
  const auto took = std::chrono::duration_cast<milliseconds>(clock_.monotonic() - began);
  const bool is_known = json || json.error().code == Errc::conflict || json.error().code == Errc::malformed;
  noted.emplace("outcome", json ? "answered" : (is_known ? "failed" : "unknown"));
  noted.emplace("duration_ms", std::int64_t{took.count()});
  const auto told = co_await ask("rpc.ended", call, std::move(noted));
  if (!told) log::warn("console.rpc-end-not-noted", {{"id", call.request_id}, {"error", told.error()}});
  if (!json) co_return std::unexpected(std::move(json).error());
  if (route.success == 204) co_return nothing_to_tell();
  co_return json_from_caller(*std::move(json), route.success);
}

}  // namespace sallyport::console
