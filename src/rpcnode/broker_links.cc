#include "rpcnode/broker_links.h"

#include <utility>

#include "keystore/file.h"
#include "mqtt/brokers.h"
#include "rpcnode/broker_tls.h"
#include "sealed/body.h"

namespace sallyport::rpcnode {
namespace {

constexpr std::size_t kMaxPasswordFile = 4'096;
constexpr std::size_t kMaxCaFile = 1U << 20U;
constexpr std::size_t kMaxCertificateFile = 64U << 10U;
constexpr seconds kUnsubscribeLimit{20};
constexpr seconds kKeptFor{7 * 86'400};  // as long as stored calls may lie

// The longest message comes and goes whole, with its topic and what else MQTT puts around it.
constexpr std::size_t kMostAround = mqtt::kMaxTopicBytes + 256;
static_assert(sealed::kMaxMessageBytes + kMostAround <= mqtt::kMaxPacketBytes);

Result<SecretBytes> read_password(const std::filesystem::path& file) {
  TRY(const SecretBytes text, keystore::read_secret_file(file, kMaxPasswordFile));
  ByteView bytes = text.expose();
  if (!bytes.empty() && bytes.back() == '\n') bytes = bytes.first(bytes.size() - 1);
  return SecretBytes(to_bytes(bytes));
}

Result<std::string> read_text_file(const std::filesystem::path& file, std::size_t most) {
  if (file.empty()) return std::string();
  TRY(const Bytes bytes, keystore::read_file(file, most));
  return std::string(as_text(bytes));
}

Result<mqtt::BrokerTls> read_tls(const BrokerSettings& settings, const Clock& clock) {
  BrokerTlsFiles files;
  files.name = settings.address.host;
  TRY(files.ca_pem, read_text_file(settings.ca_file, kMaxCaFile));
  TRY(files.certificate_pem, read_text_file(settings.certificate_file, kMaxCertificateFile));
  if (!settings.key_file.empty()) {
    TRY(files.key_pem, keystore::read_secret_file(settings.key_file, kMaxCertificateFile));
  }
  return make_broker_tls(files, [&clock] { return pki::TimeRule::clock(clock.now()); });
}

Result<mqtt::ConnectionOptions> options_of(const BrokerSettings& settings, const Clock& clock) {
  mqtt::ConnectionOptions out;
  out.broker = settings.address;
  out.version = settings.mqtt5 ? mqtt::Version::v5 : mqtt::Version::v3_1_1;
  out.client_id = settings.client_id;
  // Whom the broker can know again it keeps messages for.
  out.clean_session = settings.client_id.empty();
  out.session_expiry = kKeptFor;
  out.longest_retry = settings.longest_retry;
  out.user_name = settings.username;
  if (!settings.password_file.empty()) {
    TRY(out.password, read_password(settings.password_file));
  }
  if (!settings.ca_file.empty()) {
    TRY(auto tls, read_tls(settings, clock));
    out.tls = std::move(tls);
  }
  return out;
}

}  // namespace

struct BrokerLinks::State {
  State(net::TaskGroup& group, std::vector<BrokerSettings> written, BrokerHandlers told)
      : tasks(group), settings(std::move(written)), handlers(std::move(told)) {}

  net::TaskGroup& tasks;
  std::vector<BrokerSettings> settings;
  BrokerHandlers handlers;
  std::unique_ptr<mqtt::Brokers> brokers;
  std::uint64_t lost = 0;

  mqtt::BrokersHandlers inner_handlers();
  static net::Task<void> unsubscribe(std::shared_ptr<State> self, std::size_t broker, mqtt::TopicFilter filter);
};

mqtt::BrokersHandlers BrokerLinks::State::inner_handlers() {
  mqtt::BrokersHandlers out;
  out.on_connected = [this](std::size_t broker, bool) {
    if (handlers.on_connected) handlers.on_connected(settings[broker]);
  };
  out.on_disconnected = [this](std::size_t broker, const Error& reason) {
    if (handlers.on_disconnected) handlers.on_disconnected(settings[broker], reason);
  };
  out.on_subscribed = [this](std::size_t broker, const mqtt::TopicFilter& filter, const Result<void>& verdict) {
    if (handlers.on_subscribed) handlers.on_subscribed(settings[broker], filter.get(), verdict);
  };
  out.on_message = [this](std::size_t broker, const mqtt::Message& message) {
    if (handlers.on_wire) {
      handlers.on_wire(settings[broker], {.topic = message.topic.get(),
                                          .payload = message.payload,
                                          .retained = message.retained,
                                          .duplicate = message.duplicate});
    }
    if (handlers.on_message) handlers.on_message(message.topic.get(), message.payload, message.retained);
  };
  return out;
}

net::Task<void> BrokerLinks::State::unsubscribe(std::shared_ptr<State> self, std::size_t broker,
                                                mqtt::TopicFilter filter) {
  static_cast<void>(co_await self->brokers->connection(broker).unsubscribe(std::move(filter), kUnsubscribeLimit));
}

Result<std::unique_ptr<BrokerLinks>> BrokerLinks::open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                       std::vector<BrokerSettings> settings, BrokerHandlers handlers) {
  std::vector<mqtt::ConnectionOptions> options;
  for (const BrokerSettings& each : settings) {
    auto made = options_of(each, clock);
    if (!made) return std::unexpected(std::move(made).error().at("broker " + net::to_string(each.address)));
    options.push_back(*std::move(made));
  }
  auto state = std::make_shared<State>(tasks, std::move(settings), std::move(handlers));
  TRY(state->brokers, mqtt::Brokers::open(tasks.executor(), random, std::move(options), state->inner_handlers()));
  std::unique_ptr<BrokerLinks> out(new BrokerLinks);
  out->state_ = std::move(state);
  return out;
}

BrokerLinks::~BrokerLinks() {
  if (!state_) return;
  state_->brokers->close();
}

Result<void> BrokerLinks::subscribe(const std::string& topic) {
  TRY(const auto filter, mqtt::parse_topic_filter(topic));
  return state_->brokers->keep_subscribed(filter);
}

void BrokerLinks::unsubscribe(const std::string& topic) {
  const auto filter = mqtt::parse_topic_filter(topic);
  if (!filter) return;  // then it was never subscribed to
  for (std::size_t broker = 0; broker < state_->brokers->size(); ++broker)
    state_->tasks.spawn(State::unsubscribe(state_, broker, *filter), "rpc.unsubscribe");
}

void BrokerLinks::publish(const std::string& topic, const Bytes& payload, bool retained) {
  const auto parsed = mqtt::parse_topic(topic);
  SALLYPORT_CHECK(parsed.has_value());
  if (!state_->brokers->post(*parsed, payload, {.retain = retained})) ++state_->lost;
}

std::size_t BrokerLinks::connected() const {
  return state_->brokers->connected();
}

std::uint64_t BrokerLinks::lost() const {
  return state_->lost;
}

net::Task<void> BrokerLinks::disconnect() {
  const std::shared_ptr<State> state = state_;
  co_await state->brokers->disconnect();
}

}  // namespace sallyport::rpcnode
