#include "rpcnode/states.h"

#include <utility>

#include "codec/text.h"
#include "net/timer.h"
#include "rpcnode/command_method.h"
#include "rpcnode/http_method.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::size_t kBootBytes = 4;

net::Task<MethodResult> ask(StateSettings item, MethodCall call) {
  if (item.endpoint) return call_http(*item.endpoint, std::move(call));
  return run_command(item.command, std::move(call));
}

}  // namespace

std::string state_topic(const sealed::TopicPrefix& prefix, const sealed::NodeName& node, std::string_view item) {
  return (prefix.get().empty() ? "" : prefix.get() + "/") + node.get() + "/state/" + std::string(item);
}

std::string state_filter(const sealed::TopicPrefix& prefix, const sealed::NodeName& node) {
  return state_topic(prefix, node, "#");
}

std::string encode_state(const StateMessage& state) {
  return codec::Json(codec::Json::Object{{"boot", state.boot},
                                         {"n", std::uint64_t{state.number}},
                                         {"time", to_iso8601(state.time)},
                                         {"value", state.value}})
      .write();
}

Result<StateMessage> parse_state(std::string_view text) {
  TRY(const codec::Json json, codec::parse_json(text, {.size = sealed::kMaxMessageBytes}));
  StateMessage out;
  TRY(out.boot, json.text_at("boot"));
  TRY(const Bytes boot, codec::decode_hex(out.boot));
  if (boot.size() != kBootBytes) return failf(Errc::malformed, "state: boot of {} bytes, want 4", boot.size());
  TRY(const std::int64_t number, json.integer_at("n"));
  if (number < 1) return failf(Errc::malformed, "state: n {}, want 1 or more", number);
  out.number = static_cast<std::uint64_t>(number);
  TRY(const std::string time, json.text_at("time"));
  TRY(out.time, parse_iso8601(time));
  TRY(out.value, json.at("value"));
  return out;
}

bool is_newer(const StateMessage& before, const StateMessage& next) {
  return before.boot == next.boot ? next.number > before.number : next.time >= before.time;
}

StateAnnouncer::StateAnnouncer(net::TaskGroup& tasks, const Clock& clock, Random& random, const NodeSettings& settings,
                               Tell tell, OnFault on_fault)
    : clock_(clock),
      prefix_(settings.prefix),
      node_(settings.node),
      tell_(std::move(tell)),
      on_fault_(std::move(on_fault)),
      boot_(codec::encode_hex(random.bytes(kBootBytes))) {
  for (const StateSettings& item : settings.states) tasks.spawn(follow(*this, item), "rpc.state");
}

net::Task<void> StateAnnouncer::follow(StateAnnouncer& self, StateSettings item) {
  while (true) {
    MethodCall call{.principal = "node",
                    .method = "state",
                    .params = codec::Json::Object{{"item", item.item}},
                    .id = {},
                    .deadline = item.every,
                    .progress = [](codec::Json) {}};
    self.take(item.item, co_await ask(item, std::move(call)));
    co_await net::sleep_for(item.every);
  }
}

void StateAnnouncer::take(const std::string& item, const MethodResult& result) {
  if (!result) {
    std::string& fault = faults_[item];
    if (fault == result.error().message) return;
    fault = result.error().message;
    return on_fault_(item, fault);
  }
  faults_.erase(item);
  const auto found = last_.find(item);
  if (found != last_.end() && found->second.value == *result) return;
  StateMessage state{.boot = boot_, .number = ++number_, .time = clock_.now(), .value = *result};
  tell_(state_topic(prefix_, node_, item), encode_state(state));
  last_[item] = std::move(state);
}

void StateAnnouncer::tell_all() {
  for (const auto& [item, state] : last_) tell_(state_topic(prefix_, node_, item), encode_state(state));
}

}  // namespace sallyport::rpcnode
