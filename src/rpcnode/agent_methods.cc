#include "rpcnode/agent_methods.h"

#include <algorithm>
#include <utility>

namespace sallyport::rpcnode {
namespace {

using codec::Json;

std::unexpected<MethodFault> refuse_agent_call(const Error& error) {
  const bool is_callers = error.code == Errc::malformed || error.code == Errc::not_found;
  const auto code = is_callers ? sealed::RpcCode::invalid_params : sealed::RpcCode::failed;
  return std::unexpected(MethodFault{.code = code, .message = error.detail, .data = nullptr});
}

// The texts by which the caller chooses: those of `keys` that are there.
Result<std::map<std::string, std::string>> choices_in(const Json& params,
                                                      std::initializer_list<std::string_view> keys) {
  std::map<std::string, std::string> out;
  if (params.is_null()) return out;
  TRY_VOID(params.only_keys(keys));
  for (const std::string_view key : keys) {
    if (params.find(key) == nullptr) continue;
    TRY(out[std::string(key)], params.text_at(key));
  }
  return out;
}

// Whether `value` has what the caller chose.
bool is_chosen(const Json& value, const std::map<std::string, std::string>& choices) {
  return std::ranges::all_of(choices, [&](const auto& choice) {
    const Json* found = value.find(choice.first);
    return found != nullptr && *found == Json(choice.second);
  });
}

Result<Json> choose_values(const Json& all, const std::map<std::string, std::string>& choices) {
  TRY(const Json values, all.at("values"));
  TRY(const auto list, values.array());
  Json::Array chosen;
  for (const Json& value : list) {
    if (is_chosen(value, choices)) chosen.push_back(value);
  }
  TRY(auto out, all.object());
  out["values"] = std::move(chosen);
  return Json(std::move(out));
}

net::Task<MethodResult> read_values(AgentLink& agent, MethodCall call) {
  const auto choices = choices_in(call.params, {"stream", "topic"});
  if (!choices) co_return refuse_agent_call(choices.error());
  const auto all = co_await agent.read_values();
  if (!all) co_return refuse_agent_call(all.error());
  auto chosen = choose_values(*all, *choices);
  if (!chosen) co_return refuse_agent_call(chosen.error());
  co_return *std::move(chosen);
}

net::Task<MethodResult> list_services(AgentLink& agent) {
  auto services = co_await agent.list_services();
  if (!services) co_return refuse_agent_call(services.error());
  co_return *std::move(services);
}

Result<ServiceName> service_of(const Json& params) {
  if (!params.is_object()) return fail(Errc::malformed, "params: want an object with the service's name at 'item'");
  TRY_VOID(params.only_keys({"item"}));
  TRY(const std::string name, params.text_at("item"));
  return parse_service_name(name);
}

net::Task<MethodResult> switch_service(AgentLink& agent, bool open, MethodCall call) {
  auto name = service_of(call.params);
  if (!name) co_return refuse_agent_call(name.error());
  const auto done = co_await agent.switch_service(*std::move(name), open);
  if (!done) co_return refuse_agent_call(done.error());
  co_return Json(true);
}

}  // namespace

Result<void> add_agent_methods(Node& node, AgentLink& agent) {
  Method values{.description = "tells the last values that programs of the device handed in", .idempotent = true};
  values.run = [&agent](MethodCall call) { return read_values(agent, std::move(call)); };
  TRY_VOID(node.add_method("telemetry.read", std::move(values)));
  Method list{.description = "lists the services of the device", .idempotent = true};
  list.run = [&agent](const MethodCall&) { return list_services(agent); };
  TRY_VOID(node.add_method("services.list", std::move(list)));
  for (const bool open : {true, false}) {
    Method change{.description = open ? "opens a service that was closed" : "closes a service and ends its sessions",
                  .idempotent = false};
    change.run = [&agent, open](MethodCall call) { return switch_service(agent, open, std::move(call)); };
    TRY_VOID(node.add_method(open ? "services.open" : "services.close", std::move(change)));
  }
  return {};
}

}  // namespace sallyport::rpcnode
