#include "rpcnode/node_program.h"

#include <utility>

#include "base/log.h"
#include "net/timer.h"
#include "rpcnode/command_method.h"
#include "rpcnode/eva_way.h"
#include "rpcnode/http_method.h"
#include "rpcnode/https_way.h"
#include "rpcnode/states.h"

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
  const Clock& clock;
  NodeSettings settings;
  std::unique_ptr<BrokerLinks> links;
  std::unique_ptr<Node> node;
  std::unique_ptr<HttpsWay> https;
  std::unique_ptr<EvaWay> eva;
  std::unique_ptr<StateAnnouncer> states;
  Bytes bundle;          // as last published
  UnixTime next_bundle;  // when it is to be renewed
  std::string last_fault;

  Result<void> renew_bundle();
  static net::Task<void> tick(State& self);
  BrokerHandlers handlers();
};

// Reads the certificate anew with each prekey: agents renew theirs.
Result<void> NodeProgram::State::renew_bundle() {
  const UnixTime now = clock.now();
  if (!settings.identity || now < next_bundle) return {};
  TRY(const auto identity, Identity::read(*settings.identity));
  node->accept_certificates(identity, settings.callers);
  if (https) TRY_VOID(https->take(identity));
  TRY(auto signed_bundle, node->renew_bundle(identity));
  next_bundle = now + sealed::kPrekeyLife;
  if (!signed_bundle) return {};
  bundle = *std::move(signed_bundle);
  if (links) links->publish(node->bundle_topic(), bundle, true);
  return {};
}

net::Task<void> NodeProgram::State::tick(State& self) {
  while (true) {
    co_await net::sleep_for(kTick);
    self.node->on_tick();
    if (self.eva) self.eva->on_tick();
    const auto renewed = self.renew_bundle();
    if (!renewed && self.last_fault != renewed.error().detail) {
      self.last_fault = renewed.error().detail;
      log::error("rpc.bundle", {{"fault", renewed.error()}});
    }
  }
}

BrokerHandlers NodeProgram::State::handlers() {
  BrokerHandlers out;
  out.on_connected = [this](const BrokerSettings& broker) {
    log::info("rpc.connected", {{"broker", net::to_string(broker.address)}});
    // A broker that was begun anew has forgotten what it was to keep.
    if (!bundle.empty()) links->publish(node->bundle_topic(), bundle, true);
    if (states) states->tell_all();
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
    if (topic == node->topic()) {
      node->on_message(payload, retained);
    } else if (eva) {
      eva->on_message(topic, payload, retained);
    }
  };
  return out;
}

Result<std::unique_ptr<NodeProgram>> NodeProgram::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                       const std::filesystem::path& folder, NodeSettings settings) {
  TRY(auto files, open_node_files(folder, settings.node, clock.now(), tasks));
  std::unique_ptr<NodeProgram> out(new NodeProgram);
  out->state_ = std::make_unique<State>(State{.tasks = tasks, .clock = clock, .settings = std::move(settings)});
  State& state = *out->state_;
  state.node = std::make_unique<Node>(
      tasks, clock, random, state.settings.node, state.settings.prefix, std::move(files),
      [&state](const std::string& topic, const Bytes& payload) { state.links->publish(topic, payload); });
  for (const MethodSettings& each : state.settings.methods)
    TRY_VOID(state.node->add_method(each.name, method_of(each)));
  TRY_VOID(state.renew_bundle());
  if (state.settings.https_listen) {
    TRY(const auto identity, Identity::read(*state.settings.identity));
    TRY(state.https, HttpsWay::open(tasks, clock, random, *state.settings.https_listen, identity, *state.node));
    log::info("rpc.https", {{"address", net::to_string(state.https->address())}});
  }
  if (state.settings.eva) {
    const auto send = [&state](const std::string& topic, const Bytes& payload) {
      state.links->publish(topic, payload);
    };
    TRY(state.eva, EvaWay::open(tasks, clock, random, folder, *state.settings.eva, *state.node, send));
  }
  TRY(state.links, BrokerLinks::open(tasks, clock, random, state.settings.brokers, state.handlers()));
  TRY_VOID(state.links->subscribe(state.node->topic()));
  if (state.eva) TRY_VOID(state.links->subscribe(state.eva->topic()));
  state.states = std::make_unique<StateAnnouncer>(
      tasks, clock, random, state.settings,
      [&state](const std::string& topic, const std::string& message) {
        state.links->publish(topic, to_bytes(message), true);
      },
      [](const std::string& item, const std::string& why) {
        log::warn("rpc.state", {{"item", item}, {"fault", why}});
      });
  tasks.spawn(State::tick(state), "rpc.tick");
  return out;
}

NodeProgram::~NodeProgram() = default;

Node& NodeProgram::node() {
  return *state_->node;
}

net::Task<void> NodeProgram::finish(milliseconds limit) {
  const net::Deadline deadline(limit);
  const Node& node = *state_->node;
  while ((node.running() > 0 || !node.is_written()) && !deadline.passed()) co_await net::sleep_for(kLook);
  co_await state_->links->disconnect();
}

}  // namespace sallyport::rpcnode
