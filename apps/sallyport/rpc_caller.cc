#include "rpc_caller.h"

#include <utility>

#include "config/document.h"
#include "keystore/file.h"
#include "net/run.h"
#include "net/timer.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kMaxApiKeyFile = 4'096;
constexpr milliseconds kMaxRpcTimeout{7 * 86'400'000LL};

std::unexpected<Failure> usage(Error error) {
  return std::unexpected(Failure(std::move(error), ExitStatus::usage));
}

std::filesystem::path path_or_none(const Arguments& arguments, std::string_view name) {
  return arguments.find(name).value_or("");
}

Result<rpcnode::BrokerSettings> read_broker(const Arguments& arguments, const std::string& text) {
  TRY(const auto url, rpcnode::parse_broker_url(text));
  rpcnode::BrokerSettings out{.address = url.address,
                              .mqtt5 = arguments.flag("mqtt5"),
                              .client_id = {},
                              .username = arguments.find("username").value_or(""),
                              .password_file = path_or_none(arguments, "password-file"),
                              .ca_file = url.tls ? path_or_none(arguments, "ca") : std::filesystem::path(),
                              .certificate_file = url.tls ? path_or_none(arguments, "certificate") : "",
                              .key_file = url.tls ? path_or_none(arguments, "key") : ""};
  if (url.tls && out.ca_file.empty()) return fail(Errc::malformed, "--ca: is missing: mqtts:// needs the broker's CA");
  if (!out.password_file.empty() && !url.tls && !net::is_loopback(url.address))
    return fail(Errc::malformed, "--password-file: would go over the network in clear; want mqtts://");
  return out;
}

Result<sealed::ApiKey> read_api_key(const std::filesystem::path& file) {
  TRY(const SecretBytes text, keystore::read_secret_file(file, kMaxApiKeyFile));
  std::string_view line = as_text(text.expose());
  if (line.ends_with('\n')) line.remove_suffix(1);
  auto key = sealed::parse_api_key(line);
  if (!key) return std::unexpected(std::move(key).error().at(file.native()));
  return key;
}

}  // namespace

std::vector<Option> rpc_target_options() {
  return {{.name = "NODE", .value = "NODE", .help = "the node's name", .required = true},
          {.name = "broker",
           .value = "URL",
           .help = "mqtt://HOST[:PORT] or mqtts://HOST[:PORT]; once for each",
           .required = true,
           .several = true},
          {.name = "key-file", .value = "FILE", .help = "holds the API key, mode 0600", .required = true},
          {.name = "prefix", .value = "PREFIX", .help = "put before all topics, as at the node"},
          {.name = "ca", .value = "FILE", .help = "the CA of mqtts:// brokers (PEM)"},
          {.name = "username", .value = "NAME", .help = "at the broker"},
          {.name = "password-file", .value = "FILE", .help = "holds the password at the broker, mode 0600"},
          {.name = "certificate", .value = "FILE", .help = "our own at mqtts:// brokers (PEM)"},
          {.name = "key", .value = "FILE", .help = "its private key"},
          {.name = "mqtt5", .value = "", .help = "speak MQTT 5 in place of 3.1.1"},
          {.name = "timeout", .value = "TIME", .help = "how long to wait: 500ms, 10s, 5m", .fallback = "10s"}};
}

Try<RpcTarget> read_rpc_target(const Arguments& arguments) {
  auto node = sealed::parse_node_name(arguments.text("NODE"));
  if (!node) return usage(std::move(node).error());
  Result<sealed::TopicPrefix> prefix = sealed::TopicPrefix();
  if (const auto text = arguments.find("prefix")) prefix = sealed::parse_topic_prefix(*text);
  if (!prefix) return usage(std::move(prefix).error());
  std::vector<rpcnode::BrokerSettings> brokers;
  for (const std::string& text : arguments.list("broker")) {
    auto broker = read_broker(arguments, text);
    if (!broker) return usage(std::move(broker).error());
    brokers.push_back(*std::move(broker));
  }
  auto timeout = config::parse_duration(arguments.text("timeout"));
  if (!timeout || *timeout <= milliseconds(0) || *timeout > kMaxRpcTimeout)
    return usage({Errc::malformed, "--timeout: want more than nothing and at most seven days"});
  TRY(auto key, read_api_key(arguments.path("key-file")));
  return RpcTarget{.node = *std::move(node),
                   .prefix = *std::move(prefix),
                   .brokers = std::move(brokers),
                   .key = std::move(key),
                   .timeout = *timeout};
}

struct RpcCaller::State {
  State(Environment& source, milliseconds limit) : environment(source), timeout(limit), tasks(io.executor()) {}

  Environment& environment;
  milliseconds timeout;
  net::Io io;
  net::TaskGroup tasks;
  WireWitness witness;
  std::unique_ptr<rpcnode::BrokerLinks> links;
  std::unique_ptr<rpcnode::CallerTask> caller;
  bool was_connected = false;
  std::string last_reason;  // why there is no broker

  rpcnode::BrokerHandlers handlers();
  rpcnode::CallerTransport transport();
  std::unexpected<Failure> refuse(Error error) const;
};

rpcnode::BrokerHandlers RpcCaller::State::handlers() {
  rpcnode::BrokerHandlers out;
  out.on_connected = [this](const rpcnode::BrokerSettings&) {
    was_connected = true;
    caller->on_connected();
  };
  out.on_disconnected = [this](const rpcnode::BrokerSettings& broker, const Error& reason) {
    last_reason = net::to_string(broker.address) + ": " + reason.detail;
    if (links->connected() == 0) caller->on_disconnected();
  };
  out.on_subscribed = [this](const rpcnode::BrokerSettings&, const std::string& topic, const Result<void>& verdict) {
    if (verdict) caller->on_subscribed(topic);
    if (!verdict) last_reason = "the broker refuses our inbox: " + verdict.error().detail;
  };
  out.on_message = [this](const std::string& topic, const Bytes& payload, bool retained) {
    if (witness) witness(false, topic, payload);
    caller->on_message(topic, payload, retained);
  };
  return out;
}

rpcnode::CallerTransport RpcCaller::State::transport() {
  return {.subscribe = [this](const std::string& topic) { static_cast<void>(links->subscribe(topic)); },
          .unsubscribe = [this](const std::string& topic) { links->unsubscribe(topic); },
          .publish =
              [this](const std::string& topic, const Bytes& payload) {
                if (witness) witness(true, topic, payload);
                links->publish(topic, payload);
              }};
}

std::unexpected<Failure> RpcCaller::State::refuse(Error error) const {
  if (!was_connected || !last_reason.empty())
    error.detail += last_reason.empty() ? "; no broker answered" : "; " + last_reason;
  if (error.code == Errc::expired && was_connected && last_reason.empty())
    error.detail += "; a node that does not know the key, or is not there, never answers";
  const bool silent = error.code == Errc::expired || error.code == Errc::unavailable;
  return std::unexpected(silent ? Failure(std::move(error), ExitStatus::unreachable) : Failure(std::move(error)));
}

Try<std::unique_ptr<RpcCaller>> RpcCaller::open(RpcTarget target, Environment& environment, WireWitness witness) {
  std::unique_ptr<RpcCaller> out(new RpcCaller);
  out->state_ = std::make_unique<State>(environment, target.timeout);
  State& state = *out->state_;
  state.witness = std::move(witness);
  sealed::KeyCredential credential{.key = sealed::derive_node_key(target.key.secret, target.node)};
  state.caller = std::make_unique<rpcnode::CallerTask>(state.tasks, environment.clock, environment.random, target.node,
                                                       target.prefix, std::move(credential), state.transport());
  TRY(state.links, rpcnode::BrokerLinks::open(state.tasks, environment.clock, environment.random,
                                              std::move(target.brokers), state.handlers()));
  return out;
}

RpcCaller::~RpcCaller() {
  if (!state_) return;
  State& state = *state_;
  state.io.restart();
  if (state.links) net::run(state.io, state.links->disconnect());
  state.tasks.end();
  state.io.restart();
  net::run(state.io, state.tasks.until_empty());
}

Try<sealed::ReplyBody> RpcCaller::run(std::function<net::Task<Result<sealed::ReplyBody>>(rpcnode::CallerTask&)> work) {
  State& state = *state_;
  state.io.restart();
  auto reply = net::run(state.io, work(*state.caller));
  if (!reply) return state.refuse({Errc::internal, "call: ended without an answer"});
  if (!*reply) return state.refuse(std::move(*reply).error());
  return **std::move(reply);
}

}  // namespace sallyport::cli
