#include "rpcnode/callers.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"

namespace sallyport::rpcnode {

struct Callers::State : std::enable_shared_from_this<Callers::State> {
  State(net::TaskGroup& group, const Clock& time, Random& source, sealed::TopicPrefix before, CallersHandlers told)
      : tasks(group), clock(time), random(source), prefix(std::move(before)), handlers(std::move(told)) {}

  net::TaskGroup& tasks;
  const Clock& clock;
  Random& random;
  sealed::TopicPrefix prefix;
  CallersHandlers handlers;
  std::unique_ptr<BrokerLinks> links;
  std::uint64_t made = 0;
  std::map<std::uint64_t, std::weak_ptr<CallerTask>> callers;
  std::map<std::string, std::uint64_t> inboxes;  // whose answers come at a topic
  std::vector<BrokerState> brokers;
  std::string last_fault;
  std::uint64_t connections = 0;

  BrokerHandlers broker_handlers();
  CallerTransport transport(std::uint64_t number);
  std::vector<std::shared_ptr<CallerTask>> living() const;
  std::shared_ptr<CallerTask> owner_of(const std::string& topic) const;
  void set_broker(const BrokerSettings& broker, bool is_connected, std::string reason);
};

std::vector<std::shared_ptr<CallerTask>> Callers::State::living() const {
  std::vector<std::shared_ptr<CallerTask>> out;
  for (const auto& [number, weak] : callers) {
    if (auto caller = weak.lock()) out.push_back(std::move(caller));
  }
  return out;
}

std::shared_ptr<CallerTask> Callers::State::owner_of(const std::string& topic) const {
  const auto found = inboxes.find(topic);
  if (found == inboxes.end()) return nullptr;
  const auto caller = callers.find(found->second);
  return caller == callers.end() ? nullptr : caller->second.lock();
}

void Callers::State::set_broker(const BrokerSettings& broker, bool is_connected, std::string reason) {
  const std::string address = net::to_string(broker.address);
  for (BrokerState& each : brokers) {
    if (each.address != address) continue;
    if (each.is_connected != is_connected || each.reason.empty()) each.since = clock.now();
    each.is_connected = is_connected;
    each.reason = std::move(reason);
    break;
  }
  if (handlers.on_broker) handlers.on_broker();
}

BrokerHandlers Callers::State::broker_handlers() {
  BrokerHandlers out;
  out.on_connected = [this](const BrokerSettings& broker) {
    ++connections;
    last_fault.clear();
    set_broker(broker, true, {});
    for (const auto& caller : living()) caller->on_connected();
  };
  out.on_disconnected = [this](const BrokerSettings& broker, const Error& reason) {
    const std::string escaped = log::escape(reason.detail);
    last_fault = net::to_string(broker.address) + ": " + escaped;
    set_broker(broker, false, escaped);
    if (links->connected() > 0) return;
    for (const auto& caller : living()) caller->on_disconnected();
  };
  out.on_subscribed = [this](const BrokerSettings&, const std::string& topic, const Result<void>& verdict) {
    const std::string what = inboxes.contains(topic) ? "our inbox" : log::escape(topic);
    if (!verdict) last_fault = "the broker refuses " + what + ": " + log::escape(verdict.error().detail);
    if (const auto caller = owner_of(topic); caller && verdict) caller->on_subscribed(topic);
  };
  out.on_message = [this](const std::string& topic, const Bytes& payload, bool retained) {
    if (handlers.on_wire) handlers.on_wire(false, topic, payload);
    if (const auto caller = owner_of(topic)) return caller->on_message(topic, payload, retained);
    if (handlers.on_message && !inboxes.contains(topic)) handlers.on_message(topic, payload);
  };
  return out;
}

// A caller's task may outlive this by what it still waits for.
CallerTransport Callers::State::transport(std::uint64_t number) {
  const std::weak_ptr<State> self = weak_from_this();
  CallerTransport out;
  out.subscribe = [self, number](const std::string& topic) {
    const auto state = self.lock();
    if (!state) return;
    state->inboxes[topic] = number;
    if (const auto done = state->links->subscribe(topic); !done) state->last_fault = done.error().detail;
  };
  out.unsubscribe = [self](const std::string& topic) {
    const auto state = self.lock();
    if (!state) return;
    state->inboxes.erase(topic);
    state->links->unsubscribe(topic);
  };
  out.publish = [self](const std::string& topic, const Bytes& payload) {
    const auto state = self.lock();
    if (!state) return;
    if (state->handlers.on_wire) state->handlers.on_wire(true, topic, payload);
    state->links->publish(topic, payload);
  };
  return out;
}

Result<std::unique_ptr<Callers>> Callers::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                               sealed::TopicPrefix prefix, std::vector<BrokerSettings> brokers,
                                               CallersHandlers handlers) {
  for (BrokerSettings& each : brokers) each.longest_retry = std::min(each.longest_retry, kCallersLongestRetry);
  auto state = std::make_shared<State>(tasks, clock, random, std::move(prefix), std::move(handlers));
  for (const BrokerSettings& each : brokers)
    state->brokers.push_back(
        {.address = net::to_string(each.address), .is_connected = false, .reason = {}, .since = clock.now()});
  TRY(state->links, BrokerLinks::open(tasks, clock, random, std::move(brokers), state->broker_handlers()));
  std::unique_ptr<Callers> out(new Callers);
  out->state_ = std::move(state);
  return out;
}

Callers::~Callers() = default;

std::shared_ptr<CallerTask> Callers::make(sealed::NodeName node, sealed::Credential credential) {
  State& state = *state_;
  const std::uint64_t number = ++state.made;
  auto caller = std::make_shared<CallerTask>(state.tasks, state.clock, state.random, std::move(node), state.prefix,
                                             std::move(credential), state.transport(number));
  state.callers.emplace(number, caller);
  if (state.links->connected() > 0) caller->on_connected();
  return caller;
}

void Callers::release_unused() {
  State& state = *state_;
  std::erase_if(state.callers, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(state.inboxes, [&](const auto& entry) {
    if (state.callers.contains(entry.second)) return false;
    state.links->unsubscribe(entry.first);
    return true;
  });
}

Result<void> Callers::subscribe(const std::string& topic) {
  return state_->links->subscribe(topic);
}

void Callers::unsubscribe(const std::string& topic) {
  state_->links->unsubscribe(topic);
}

std::size_t Callers::connected() const {
  return state_->links->connected();
}

const std::vector<BrokerState>& Callers::brokers() const {
  return state_->brokers;
}

const std::string& Callers::last_fault() const {
  return state_->last_fault;
}

std::uint64_t Callers::connections() const {
  return state_->connections;
}

net::Task<void> Callers::disconnect() {
  const std::shared_ptr<State> state = state_;
  co_await state->links->disconnect();
}

}  // namespace sallyport::rpcnode
