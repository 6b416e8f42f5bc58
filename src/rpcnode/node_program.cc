#include "rpcnode/node_program.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "net/timer.h"
#include "rpcnode/agent_methods.h"
#include "rpcnode/command_method.h"
#include "rpcnode/eva_way.h"
#include "rpcnode/http_method.h"
#include "rpcnode/https_way.h"
#include "rpcnode/states.h"
#include "sealed/signed_bundle.h"

namespace sallyport::rpcnode {
namespace {

constexpr milliseconds kTick{1'000};
constexpr milliseconds kLook{20};
// What the agent says is asked anew after this, and after this when it could not be had.
constexpr milliseconds kAgentPause{3'600'000};
constexpr milliseconds kAgentRetry{10'000};

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
  State(net::TaskGroup& group, const Clock& time, NodeSettings written, AgentLink* above)
      : tasks(group), clock(time), settings(std::move(written)), agent(above), identity_changed(group.executor()) {}

  net::TaskGroup& tasks;
  const Clock& clock;
  NodeSettings settings;
  AgentLink* agent;  // null: none
  std::unique_ptr<BrokerLinks> links;
  std::unique_ptr<Node> node;
  std::unique_ptr<HttpsWay> https;
  std::unique_ptr<EvaWay> eva;
  std::unique_ptr<StateAnnouncer> states;
  Bytes bundle;          // as last published
  UnixTime next_bundle;  // when it is to be renewed
  std::string last_fault;
  // Under an agent.
  net::Event identity_changed;
  std::optional<sealed::Bundle> drawn;
  std::optional<sealed::Bundle> signed_bundle;  // that `bundle` is, under the first of this chain
  std::vector<pki::Certificate> signed_under;

  Result<void> renew_bundle();
  void publish_bundle(Bytes made);
  void log_fault(const Error& fault);
  net::Task<Result<void>> ask_agent();
  static net::Task<void> follow_agent(State& self);
  Result<void> open_node(Random& random, const std::filesystem::path& folder);
  Result<void> open_other_ways(Random& random, const std::filesystem::path& folder);
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
  const auto fresh = node->renew_prekey();
  next_bundle = now + sealed::kPrekeyLife;
  if (!fresh) return {};
  TRY(auto made, sealed::sign_bundle(*fresh, *identity.key(), identity.chain()));
  publish_bundle(std::move(made));
  return {};
}

void NodeProgram::State::publish_bundle(Bytes made) {
  bundle = std::move(made);
  if (links) links->publish(node->bundle_topic(), bundle, true);
}

void NodeProgram::State::log_fault(const Error& fault) {
  if (last_fault == fault.detail) return;
  last_fault = fault.detail;
  log::error("rpc.bundle", {{"fault", fault}});
}

// Has a bundle signed when there is a new prekey, or the device another certificate.
net::Task<Result<void>> NodeProgram::State::ask_agent() {
  CO_TRY(const auto identity, co_await agent->identity());
  node->accept_certificates(identity, settings.callers);
  if (auto fresh = node->renew_prekey()) drawn = *std::move(fresh);
  if (!drawn || (signed_bundle == drawn && signed_under == identity.chain())) co_return Result<void>{};
  auto made = co_await agent->sign(*drawn);
  // The process before us, or a clock that was set back, was ahead of us: the next attempt has the time that is then.
  if (!made && made.error().code == Errc::conflict)
    drawn->sequence = static_cast<std::uint64_t>(std::max<std::int64_t>(clock.now().since_epoch(), 0));
  if (!made) co_return std::unexpected(std::move(made).error());
  signed_bundle = drawn;
  signed_under = identity.chain();
  publish_bundle(*std::move(made));
  co_return Result<void>{};
}

net::Task<void> NodeProgram::State::follow_agent(State& self) {
  while (true) {
    self.identity_changed.clear();
    const auto asked = co_await self.ask_agent();
    if (!asked && asked.error().code != Errc::not_yet) self.log_fault(asked.error());
    static_cast<void>(co_await self.identity_changed.wait(asked ? kAgentPause : kAgentRetry));
  }
}

net::Task<void> NodeProgram::State::tick(State& self) {
  while (true) {
    co_await net::sleep_for(kTick);
    self.node->on_tick();
    if (self.eva) self.eva->on_tick();
    if (const auto renewed = self.renew_bundle(); !renewed) self.log_fault(renewed.error());
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

// What a node without brokers is.
Result<void> NodeProgram::State::open_node(Random& random, const std::filesystem::path& folder) {
  if (!settings.identity && agent == nullptr && !settings.callers.empty())
    return failf(Errc::malformed, "{}: [[caller]] needs [identity], or an agent that runs the node", kSettingsFile);
  TRY(auto files, open_node_files(folder, settings.node, clock.now(), tasks));
  node = std::make_unique<Node>(
      tasks, clock, random, settings.node, settings.prefix, std::move(files),
      [this](const std::string& topic, const Bytes& payload) { links->publish(topic, payload); });
  if (agent != nullptr) TRY_VOID(add_agent_methods(*node, *agent));
  for (const MethodSettings& each : settings.methods) TRY_VOID(node->add_method(each.name, method_of(each)));
  return renew_bundle();
}

// The ways to it beside SR1's.
Result<void> NodeProgram::State::open_other_ways(Random& random, const std::filesystem::path& folder) {
  if (settings.https_listen) {
    TRY(const auto identity, Identity::read(*settings.identity));
    TRY(https, HttpsWay::open(tasks, clock, random, *settings.https_listen, identity, *node));
    log::info("rpc.https", {{"address", net::to_string(https->address())}});
  }
  if (settings.eva) {
    const auto send = [this](const std::string& topic, const Bytes& payload) { links->publish(topic, payload); };
    TRY(eva, EvaWay::open(tasks, clock, random, folder, *settings.eva, *node, send));
  }
  return {};
}

Result<std::unique_ptr<NodeProgram>> NodeProgram::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                       const std::filesystem::path& folder, NodeSettings settings,
                                                       AgentLink* agent) {
  std::unique_ptr<NodeProgram> out(new NodeProgram);
  out->state_ = std::make_unique<State>(tasks, clock, std::move(settings), agent);
  State& state = *out->state_;
  TRY_VOID(state.open_node(random, folder));
  TRY_VOID(state.open_other_ways(random, folder));
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
  if (agent != nullptr && !state.settings.identity) {
    agent->on_identity([&state] { state.identity_changed.set(); });
    tasks.spawn(State::follow_agent(state), "rpc.agent");
  }
  return out;
}

NodeProgram::~NodeProgram() {
  if (state_ && state_->agent != nullptr) state_->agent->on_identity({});
}

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
