#include "rpcnode/node_program.h"

#include <utility>

#include "base/log.h"
#include "net/timer.h"
#include "rpcnode/command_method.h"
#include "rpcnode/http_method.h"

namespace sallyport::rpcnode {
namespace {

constexpr milliseconds kTick{1'000};
constexpr milliseconds kLook{20};

net::Task<MethodResult> run_settings_command(std::vector<std::string> words, MethodCall call) {
  return run_command(std::move(words), std::move(call));
}

Method method_of(const MethodSettings& settings) {
  Method out{.description = settings.description,
             .idempotent = settings.idempotent,
             .limit = settings.limit,
             .concurrent = settings.concurrent};
  if (settings.endpoint) {
    out.run = [endpoint = *settings.endpoint](MethodCall call) { return call_http(endpoint, std::move(call)); };
  } else {
    out.run = [words = settings.command](MethodCall call) { return run_settings_command(words, std::move(call)); };
  }
  return out;
}

}  // namespace

struct NodeProgram::State {
  net::TaskGroup& tasks;
  std::unique_ptr<BrokerLinks> links;
  std::unique_ptr<Node> node;

  static net::Task<void> tick(State& self);
  BrokerHandlers handlers();
};

net::Task<void> NodeProgram::State::tick(State& self) {
  while (true) {
    co_await net::sleep_for(kTick);
    self.node->on_tick();
  }
}

BrokerHandlers NodeProgram::State::handlers() {
  BrokerHandlers out;
  out.on_connected = [](const BrokerSettings& broker) {
    log::info("rpc.connected", {{"broker", net::to_string(broker.address)}});
  };
  out.on_disconnected = [](const BrokerSettings& broker, const Error& reason) {
    log::warn("rpc.disconnected", {{"broker", net::to_string(broker.address)}, {"reason", reason}});
  };
  out.on_subscribed = [](const BrokerSettings& broker, const std::string& topic, const Result<void>& verdict) {
    if (verdict) {
      log::info("rpc.ready", {{"broker", net::to_string(broker.address)}, {"topic", topic}});
    } else {
      log::error("rpc.refused",
                 {{"broker", net::to_string(broker.address)}, {"topic", topic}, {"reason", verdict.error()}});
    }
  };
  out.on_message = [this](const std::string& topic, const Bytes& payload, bool retained) {
    if (topic == node->topic()) node->on_message(payload, retained);
  };
  return out;
}

Result<std::unique_ptr<NodeProgram>> NodeProgram::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                       const std::filesystem::path& folder, NodeSettings settings) {
  TRY(auto files, open_node_files(folder, settings.node, clock.now(), tasks));
  std::unique_ptr<NodeProgram> out(new NodeProgram);
  out->state_ = std::make_unique<State>(State{.tasks = tasks, .links = nullptr, .node = nullptr});
  State& state = *out->state_;
  state.node = std::make_unique<Node>(
      tasks, clock, random, settings.node, settings.prefix, std::move(files),
      [&state](const std::string& topic, const Bytes& payload) { state.links->publish(topic, payload); });
  for (const MethodSettings& each : settings.methods) TRY_VOID(state.node->add_method(each.name, method_of(each)));
  TRY(state.links, BrokerLinks::open(tasks, clock, random, std::move(settings.brokers), state.handlers()));
  TRY_VOID(state.links->subscribe(state.node->topic()));
  tasks.spawn(State::tick(state), "rpc.tick");
  return out;
}

NodeProgram::~NodeProgram() = default;

Node& NodeProgram::node() {
  return *state_->node;
}

net::Task<void> NodeProgram::finish(milliseconds limit) {
  const net::Deadline deadline(limit);
  while (state_->node->running() > 0 && !deadline.passed()) co_await net::sleep_for(kLook);
  co_await state_->links->disconnect();
}

}  // namespace sallyport::rpcnode
