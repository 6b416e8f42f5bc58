#include "rpc_caller.h"

#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "config/document.h"
#include "keystore/file.h"
#include "net/run.h"
#include "net/timer.h"
#include "rpcnode/key_file.h"

namespace sallyport::cli {
namespace {

constexpr milliseconds kMaxRpcTimeout{7 * 86'400'000LL};

std::unexpected<Failure> usage(Error error) {
  return std::unexpected(Failure(std::move(error), ExitStatus::usage));
}

std::filesystem::path path_or_none(const Arguments& arguments, std::string_view name) {
  return arguments.find(name).value_or("");
}

Result<rpcnode::BrokerSettings> read_broker(const Arguments& arguments, const std::string& url) {
  return rpcnode::broker_at(url,
                            {.address = {},
                             .mqtt5 = arguments.flag("mqtt5"),
                             .client_id = {},
                             .username = arguments.find("username").value_or(""),
                             .password_file = path_or_none(arguments, "password-file"),
                             .ca_file = path_or_none(arguments, "ca"),
                             .certificate_file = path_or_none(arguments, "certificate"),
                             .key_file = path_or_none(arguments, "key")},
                            "--");
}

}  // namespace

std::vector<Option> rpc_broker_options() {
  return {{.name = "broker",
           .value = "URL",
           .help = "mqtt://HOST[:PORT] or mqtts://HOST[:PORT]; once for each",
           .several = true},
          {.name = "prefix", .value = "PREFIX", .help = "put before all topics, as at the node"},
          {.name = "ca", .value = "FILE", .help = "the CA of mqtts:// brokers (PEM)"},
          {.name = "username", .value = "NAME", .help = "at the broker"},
          {.name = "password-file", .value = "FILE", .help = "holds the password at the broker, mode 0600"},
          {.name = "certificate", .value = "FILE", .help = "our own at mqtts:// brokers (PEM)"},
          {.name = "key", .value = "FILE", .help = "its private key"},
          {.name = "mqtt5", .value = "", .help = "speak MQTT 5 in place of 3.1.1"},
          {.name = "timeout", .value = "TIME", .help = "how long to wait: 500ms, 10s, 5m", .fallback = "10s"}};
}

std::vector<Option> rpc_target_options() {
  std::vector<Option> out = {
      {.name = "NODE", .value = "NODE", .help = "the node's name", .required = true},
      {.name = "key-file", .value = "FILE", .help = "holds the API key, mode 0600"},
      {.name = "identity",
       .value = "DIR",
       .help = "instead of a key: an agent's state folder or that of `rpc login`, whose certificate we call with"},
      {.name = "zone", .value = "ZONE", .help = "with --identity: the zone of the installation"},
      {.name = "device",
       .value = "NAME",
       .help = "with --identity: the device that the node is; without it the one of the node's name"},
      {.name = "https", .value = "HOST:PORT", .help = "with --identity: call it there, in place of a broker"}};
  auto more = rpc_broker_options();
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

Try<RpcWay> read_rpc_way(const Arguments& arguments) {
  RpcWay out;
  if (const auto text = arguments.find("prefix")) {
    auto prefix = sealed::parse_topic_prefix(*text);
    if (!prefix) return usage(std::move(prefix).error());
    out.prefix = *std::move(prefix);
  }
  for (const std::string& text : arguments.list("broker")) {
    auto broker = read_broker(arguments, text);
    if (!broker) return usage(std::move(broker).error());
    out.brokers.push_back(*std::move(broker));
  }
  const std::string written = arguments.text("timeout");
  auto timeout = config::parse_duration(written);
  if (!timeout)
    return usage(
        {Errc::malformed, fmt::format("--timeout: found \"{}\", {}", log::escape(written), timeout.error().detail)});
  if (*timeout <= milliseconds(0) || *timeout > kMaxRpcTimeout)
    return usage({Errc::malformed, fmt::format("--timeout: found {}, want more than nothing and at most 7d", written)});
  out.timeout = *timeout;
  return out;
}

Result<std::optional<rpcnode::Identity>> read_rpc_identity(const Arguments& arguments) {
  const auto folder = arguments.find("identity");
  if (!folder) return std::nullopt;
  const auto zone = arguments.find("zone");
  if (!zone) return fail(Errc::malformed, "--zone: is missing: --identity needs it");
  TRY(auto name, parse_dns_name(*zone));
  const auto settings = rpcnode::identity_in(*folder, std::move(name));
  TRY(auto identity, rpcnode::Identity::read(settings));
  return identity;
}

namespace {

// Where nothing can be written. A file that is there and is none of ours is a fault, and no case of this.
void go_on_without_memory(const Error& why) {
  fmt::print(stderr, "sallyport: {}; which bundle was seen is not remembered\n", why.detail);
}

}  // namespace

// XDG's folder for what a program remembers.
Try<std::optional<rpcnode::BundleMemory>> open_bundle_memory() {
  const char* base = std::getenv("XDG_STATE_HOME");  // NOLINT(concurrency-mt-unsafe): one thread
  const char* home = std::getenv("HOME");            // NOLINT(concurrency-mt-unsafe): one thread
  const auto is_absolute = [](const char* path) { return path != nullptr && *path == '/'; };
  if (!is_absolute(base) && !is_absolute(home)) return std::nullopt;
  const std::filesystem::path folder = is_absolute(base) ? base : std::filesystem::path(home) / ".local" / "state";
  auto memory = rpcnode::BundleMemory::open(folder / "sallyport" / "rpc-bundles");
  if (memory) return std::optional(*std::move(memory));
  if (memory.error().code == Errc::malformed) return std::unexpected(Failure(std::move(memory).error()));
  go_on_without_memory(memory.error());
  return std::nullopt;
}

Try<RpcTarget> read_rpc_target(const Arguments& arguments) {
  auto node = sealed::parse_node_name(arguments.text("NODE"));
  if (!node) return usage(std::move(node).error());
  CLI_TRY(auto way, read_rpc_way(arguments));
  RpcTarget out{.node = *std::move(node),
                .prefix = std::move(way.prefix),
                .brokers = std::move(way.brokers),
                .key = std::nullopt,
                .identity = std::nullopt,
                .device = {},
                .https = std::nullopt,
                .timeout = way.timeout};
  if (const auto text = arguments.find("https")) {
    auto address = net::parse_address(*text);
    if (!address) return usage(std::move(address).error().at("--https"));
    out.https = *std::move(address);
  }
  if (out.https.has_value() != out.brokers.empty()) return usage({Errc::malformed, "want one of --broker and --https"});
  TRY(out.identity, read_rpc_identity(arguments));
  const auto file = arguments.find("key-file");
  if (file.has_value() == out.identity.has_value())
    return usage({Errc::malformed, "want one of --key-file and --identity"});
  if (file && out.https) return usage({Errc::malformed, "--https: wants --identity: TLS is mutual there"});
  if (file) {
    TRY(auto key, rpcnode::read_key_file(*file));
    out.key = std::move(key);
    return out;
  }
  auto device = parse_device_name(arguments.find("device").value_or(out.node.get()));
  if (!device)
    return usage(
        {Errc::malformed, "--device: want the ten characters of a device's name; the node is called otherwise"});
  out.device = *std::move(device);
  return out;
}

struct RpcCaller::State {
  State(Environment& source, RpcTarget whom)
      : environment(source), target(std::move(whom)), tasks(io.executor()), bundle_came(io.executor()) {}

  Environment& environment;
  RpcTarget target;
  net::Io io;
  net::TaskGroup tasks;
  net::Event bundle_came;
  Result<sealed::Bundle> bundle = fail(Errc::expired, "node: no bundle of it at the broker");
  std::unique_ptr<rpcnode::Callers> callers;
  std::shared_ptr<rpcnode::CallerTask> caller;
  std::optional<rpcnode::BundleMemory> memory;

  // Waits for the node's bundle where we come with a certificate.
  net::Task<Result<void>> prepare();
  void take_bundle(const std::string& topic, const Bytes& payload);
  std::unexpected<Failure> refuse(Error error) const;
};

// One that is good ends the wait; of others the reason is kept.
void RpcCaller::State::take_bundle(const std::string& topic, const Bytes& payload) {
  if (bundle || topic != sealed::bundle_topic(target.prefix, target.node)) return;
  bundle = target.identity->open_bundle(payload, target.node, target.device, environment.clock.now());
  if (bundle && memory) {
    const std::uint64_t seen = memory->seen(target.identity->zone(), target.device, bundle->node);
    auto taken = memory->take(target.identity->zone(), target.device, *bundle);
    const bool is_refused = !taken && (taken.error().code == Errc::conflict || taken.error().code == Errc::malformed ||
                                       bundle->sequence < seen);
    if (is_refused) {
      bundle = std::unexpected(std::move(taken).error());
    } else if (!taken) {
      go_on_without_memory(taken.error());
    }
  }
  if (bundle) bundle_came.set();
}

net::Task<Result<void>> RpcCaller::State::prepare() {
  if (caller) co_return Result<void>{};
  const std::string topic = sealed::bundle_topic(target.prefix, target.node);
  CO_TRY_VOID(callers->subscribe(topic));
  static_cast<void>(co_await bundle_came.wait(target.timeout));
  callers->unsubscribe(topic);
  if (!bundle) co_return std::unexpected(bundle.error());
  caller = callers->make(target.node, target.identity->credential(*bundle));
  co_return Result<void>{};
}

std::unexpected<Failure> RpcCaller::State::refuse(Error error) const {
  const std::string& fault = callers->last_fault();
  const bool was_connected = callers->connections() > 0;
  if (!was_connected || !fault.empty()) error.detail += fault.empty() ? "; no broker answered" : "; " + fault;
  if (error.code == Errc::expired && was_connected && fault.empty())
    error.detail += "; a node that does not know the key, or is not there, never answers";
  const bool silent = error.code == Errc::expired || error.code == Errc::unavailable;
  return std::unexpected(silent ? Failure(std::move(error), ExitStatus::unreachable) : Failure(std::move(error)));
}

Try<std::unique_ptr<RpcCaller>> RpcCaller::open(RpcTarget target, Environment& environment, WireWitness witness) {
  std::unique_ptr<RpcCaller> out(new RpcCaller);
  out->state_ = std::make_unique<State>(environment, std::move(target));
  State& state = *out->state_;
  if (state.target.identity) {
    CLI_TRY(state.memory, open_bundle_memory());
  }
  rpcnode::CallersHandlers handlers{.on_broker = {}, .on_message = {}, .on_wire = std::move(witness)};
  if (state.target.identity)
    handlers.on_message = [&state](const std::string& topic, const Bytes& payload) {
      state.take_bundle(topic, payload);
    };
  TRY(state.callers, rpcnode::Callers::open(state.tasks, environment.clock, environment.random, state.target.prefix,
                                            state.target.brokers, std::move(handlers)));
  if (state.target.key)
    state.caller = state.callers->make(
        state.target.node,
        sealed::KeyCredential{.key = sealed::derive_node_key(state.target.key->secret, state.target.node)});
  return out;
}

RpcCaller::~RpcCaller() {
  if (!state_) return;
  State& state = *state_;
  state.io.restart();
  if (state.callers) net::run(state.io, state.callers->disconnect());
  state.io.restart();
  net::run(state.io, state.tasks.stop());
}

Try<sealed::ReplyBody> RpcCaller::run(std::function<net::Task<Result<sealed::ReplyBody>>(rpcnode::CallerTask&)> work) {
  State& state = *state_;
  state.io.restart();
  const auto prepared = net::run(state.io, state.prepare());
  if (!prepared || !*prepared)
    return state.refuse(prepared ? prepared->error() : Error{Errc::internal, "call: ended without an answer"});
  state.io.restart();
  auto reply = net::run(state.io, work(*state.caller));
  if (!reply) return state.refuse({Errc::internal, "call: ended without an answer"});
  if (!*reply) return state.refuse(std::move(*reply).error());
  return **std::move(reply);
}

}  // namespace sallyport::cli
