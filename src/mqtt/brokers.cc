#include "mqtt/brokers.h"

#include <algorithm>
#include <optional>

#include "net/timer.h"

namespace sallyport::mqtt {
namespace {

// Several attempts at the same thing, of which one is enough.
struct Race {
  explicit Race(net::Executor executor) : decided(std::move(executor)) {}
  net::Event decided;
  std::size_t running = 0;
  std::optional<Result<void>> result;

  void on_end(Result<void> one) {
    --running;
    if (result && *result) return;
    const bool is_over = one.has_value() || running == 0;
    result = std::move(one);
    if (is_over) decided.set();
  }
};

net::Task<void> run_in(std::shared_ptr<Race> race, net::Task<Result<void>> attempt) {
  race->on_end(co_await std::move(attempt));
}

net::Task<Result<void>> first_success(std::vector<net::Task<Result<void>>> attempts) {
  if (attempts.empty()) co_return fail(Errc::unavailable, "no connection to any broker");
  const net::Executor executor = co_await net::current_executor();
  auto race = std::make_shared<Race>(executor);
  race->running = attempts.size();
  for (auto& attempt : attempts) net::spawn(executor, run_in(race, std::move(attempt)), "mqtt.brokers");
  // Each attempt has the deadline and ends by it.
  static_cast<void>(co_await race->decided.wait(net::Deadline::never()));
  co_return race->result.value_or(fail(Errc::internal, "brokers: an attempt ended without a result"));
}

}  // namespace

Result<std::unique_ptr<Brokers>> Brokers::open(net::Executor executor, Random& random,
                                               std::vector<ConnectionOptions> brokers, BrokersHandlers handlers) {
  if (brokers.empty() || brokers.size() > kMaxBrokers)
    return failf(Errc::malformed, "brokers: {}, want 1 to {}", brokers.size(), kMaxBrokers);
  const auto told = std::make_shared<const BrokersHandlers>(std::move(handlers));
  std::unique_ptr<Brokers> out(new Brokers());
  for (std::size_t i = 0; i < brokers.size(); ++i) {
    const std::string name = net::to_string(brokers[i].broker);
    ConnectionHandlers own;
    if (told->on_connected) own.on_connected = [told, i](bool present) { told->on_connected(i, present); };
    if (told->on_disconnected) own.on_disconnected = [told, i](const Error& why) { told->on_disconnected(i, why); };
    if (told->on_message) own.on_message = [told, i](Message message) { told->on_message(i, std::move(message)); };
    if (told->on_subscribed) {
      own.on_subscribed = [told, i](const TopicFilter& filter, const Result<void>& verdict) {
        told->on_subscribed(i, filter, verdict);
      };
    }
    auto one = Connection::open(executor, random, std::move(brokers[i]), std::move(own));
    if (!one) return std::unexpected(std::move(one).error().at(name));
    out->connections_.push_back(*std::move(one));
  }
  return out;
}

Brokers::~Brokers() {
  close();
}

Result<void> Brokers::keep_subscribed(const TopicFilter& filter) {
  Result<void> out;
  for (const auto& each : connections_) {
    auto one = each->keep_subscribed(filter);
    if (!one) out = std::move(one);
  }
  return out;
}

net::Task<Result<void>> Brokers::subscribe(TopicFilter filter, net::Deadline deadline) {
  std::vector<net::Task<Result<void>>> attempts;
  for (const auto& each : connections_) {
    // Without a connection it is remembered, and says at once that there is none.
    attempts.push_back(each->subscribe(filter, deadline));
  }
  return first_success(std::move(attempts));
}

net::Task<Result<void>> Brokers::publish(Topic topic, Bytes payload, PublishOptions options, net::Deadline deadline) {
  std::vector<net::Task<Result<void>>> attempts;
  for (const auto& each : connections_) {
    if (each->is_connected()) attempts.push_back(each->publish(topic, payload, options, deadline));
  }
  return first_success(std::move(attempts));
}

Result<void> Brokers::post(const Topic& topic, ByteView payload, const PublishOptions& options) {
  Result<void> out = fail(Errc::unavailable, "no connection to any broker");
  for (const auto& each : connections_) {
    auto one = each->post(topic, payload, options);
    if (!out) out = std::move(one);
  }
  return out;
}

net::Task<Result<void>> Brokers::publish_to(std::size_t broker, Topic topic, Bytes payload, PublishOptions options,
                                            net::Deadline deadline) {
  SALLYPORT_CHECK(broker < connections_.size());
  return connections_[broker]->publish(std::move(topic), std::move(payload), options, deadline);
}

std::size_t Brokers::connected() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const auto& one) { return one->is_connected(); }));
}

void Brokers::close() {
  for (const auto& each : connections_) each->close();
}

net::Task<void> Brokers::disconnect() {
  for (const auto& each : connections_) co_await each->disconnect();
}

}  // namespace sallyport::mqtt
