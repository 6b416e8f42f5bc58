// Calls through a broker, sealed and otherwise, over one MQTT client:
//
//   bench_rpc_calls answer sealed|eva|plain|echo BROKER FOLDER               until SIGTERM; prints "ready"
//   bench_rpc_calls call   sealed|eva|plain|echo BROKER FOLDER PARALLEL SECONDS   prints {"per_second": …, "p50_us": …}
//
// `sealed` is a node of FOLDER with a method `look` that gives its params back, called with FOLDER/caller.key; `eva` is
// the same node, called in EVA ICS v3's binary format under the secret in FOLDER/eva.key; `plain` is the same JSON-RPC
// in clear; `echo` gives a message back unread.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>

#include "base/log.h"
#include "codec/text.h"
#include "crypto/system_random.h"
#include "mqtt/brokers.h"
#include "net/io.h"
#include "net/run.h"
#include "net/timer.h"
#include "rpcnode/broker_links.h"
#include "rpcnode/callers.h"
#include "rpcnode/eva_caller.h"
#include "rpcnode/key_file.h"
#include "rpcnode/node_program.h"

namespace sallyport {
namespace {

using codec::Json;

constexpr std::string_view kNode = "bench";
const sealed::eva::KeyId kEvaKey("bench");
const sealed::eva::Controller kEvaSelf{.type = sealed::eva::ControllerType::uc, .name = std::string(kNode)};
constexpr seconds kCallLimit{10};
constexpr seconds kReadyLimit{20};

Json params_of_call() {
  return Json::Object{{"item", "unit:hall-1/pump"}, {"value", 17}};
}

// What both ends of `plain` and `echo` use: one connection, messages to a handler.
struct Wire {
  std::unique_ptr<mqtt::Brokers> brokers;
  std::function<void(const mqtt::Message&)> on_message;
  net::TaskGroup& tasks;
  std::unique_ptr<net::Event> granted;

  Wire(net::TaskGroup& group, Random& random, const net::Address& address) : tasks(group) {
    granted = std::make_unique<net::Event>(tasks.executor());
    mqtt::ConnectionOptions options;
    options.broker = address;
    options.version = mqtt::Version::v3_1_1;
    std::vector<mqtt::ConnectionOptions> all;
    all.push_back(std::move(options));
    mqtt::BrokersHandlers handlers;
    handlers.on_message = [this](std::size_t, mqtt::Message message) { on_message(message); };
    handlers.on_subscribed = [this](std::size_t, const mqtt::TopicFilter&, const Result<void>& verdict) {
      if (verdict) granted->set();
    };
    brokers = *mqtt::Brokers::open(tasks.executor(), random, std::move(all), std::move(handlers));
  }
  void publish(const std::string& topic, const Bytes& payload) {
    static_cast<void>(brokers->post(mqtt::Topic(topic), payload, {}));
  }
};

std::string plain_answer(std::string_view text, std::string& reply_to) {
  const std::size_t end = text.find('\n');
  reply_to = std::string(text.substr(0, end));
  const sealed::RpcBatch batch = sealed::parse_json_rpc(text.substr(end + 1));
  const auto& request = std::get<sealed::RpcRequest>(batch.elements.front());
  return sealed::rpc_result(*request.id, request.params).write();
}

void answer_plainly(Wire& wire, bool echo) {
  wire.on_message = [&wire, echo](const mqtt::Message& message) {
    const std::string_view text = as_text(message.payload);
    std::string reply_to(text.substr(0, text.find('\n')));
    Bytes answer = message.payload;
    if (!echo) answer = to_bytes(plain_answer(text, reply_to));
    wire.publish(reply_to, answer);
  };
  static_cast<void>(wire.brokers->keep_subscribed(mqtt::TopicFilter(std::string(kNode) + "/plain")));
}

net::Task<rpcnode::MethodResult> look(rpcnode::MethodCall call) {
  co_return call.params;
}

rpcnode::NodeSettings settings_of(const net::Address& broker) {
  rpcnode::NodeSettings settings;
  settings.node = sealed::NodeName(std::string(kNode));
  settings.brokers.resize(1);
  settings.brokers.front().address = broker;
  return settings;
}

rpcnode::EvaSettings eva_settings(const std::filesystem::path& folder) {
  return {.space = {},
          .self = kEvaSelf,
          .announce = false,
          .keys = {{.id = kEvaKey,
                    .secret_file = folder / "eva.key",
                    .until = UnixTime(std::numeric_limits<std::int64_t>::max()),
                    .only_fresh = true,
                    .rules = {.allow = {"look"}, .deny = {}, .items = {}, .deny_items = {}}}}};
}

// Who answers, in the folder of a node.
int answer(std::string_view mode, const net::Address& broker, const std::filesystem::path& folder) {
  const SystemClock clock;
  crypto::SystemRandom random;
  net::Io io;
  net::TaskGroup tasks(io.executor());
  std::unique_ptr<Wire> wire;
  std::unique_ptr<rpcnode::NodeProgram> program;
  if (mode == "sealed" || mode == "eva") {
    rpcnode::NodeSettings settings = settings_of(broker);
    if (mode == "eva") settings.eva = eva_settings(folder);
    auto opened = rpcnode::NodeProgram::open(tasks, clock, random, folder, std::move(settings));
    if (!opened) {
      fmt::print(stderr, "bench_rpc_calls: {}\n", opened.error().detail);
      return 1;
    }
    program = *std::move(opened);
    rpcnode::Method method{
        .description = "gives its params back", .idempotent = true, .concurrent = rpcnode::kMaxConcurrent};
    method.run = look;
    static_cast<void>(program->node().add_method("look", std::move(method)));
  } else {
    wire = std::make_unique<Wire>(tasks, random, broker);
    answer_plainly(*wire, mode == "echo");
  }
  io.on_termination([&io] { io.stop(); });
  fmt::print("ready\n");
  std::fflush(stdout);
  io.run();
  return 0;
}

// One call, and what it needs.
class Calls {
 public:
  virtual ~Calls() = default;
  virtual net::Task<bool> until_ready() = 0;
  virtual net::Task<bool> call() = 0;
  // How many may be made.
  virtual std::size_t most() const { return std::numeric_limits<std::size_t>::max(); }
  std::string fault;  // of the last call that was not answered
};

class PlainCalls final : public Calls {
 public:
  PlainCalls(net::TaskGroup& tasks, Random& random, const net::Address& broker, bool echo)
      : wire_(tasks, random, broker), echo_(echo) {
    inbox_ = "r/" + codec::encode_base64url(random.bytes(16));
    wire_.on_message = [this](const mqtt::Message& message) { take(message); };
    static_cast<void>(wire_.brokers->keep_subscribed(mqtt::TopicFilter(inbox_)));
  }
  // Until the other side has subscribed, which nobody tells.
  net::Task<bool> until_ready() override {
    if (!(co_await wire_.granted->wait(kReadyLimit))) co_return false;
    for (const net::Deadline deadline(kReadyLimit); !deadline.passed();) {
      if (co_await call_within(milliseconds(200))) co_return true;
    }
    co_return false;
  }
  net::Task<bool> call() override { return call_within(kCallLimit); }

 private:
  net::Task<bool> call_within(milliseconds limit) {
    const std::string id = std::to_string(++last_);
    const auto waiting = std::make_shared<net::Event>(wire_.tasks.executor());
    waiting_[id] = waiting;
    const std::string text = sealed::rpc_request(Json(id), "look", params_of_call());
    wire_.publish(std::string(kNode) + "/plain", to_bytes(inbox_ + "\n" + (echo_ ? id : text)));
    const bool answered = (co_await waiting->wait(limit)).has_value();
    waiting_.erase(id);
    co_return answered;
  }
  void take(const mqtt::Message& message) {
    std::string_view text = as_text(message.payload);
    std::string id;
    if (echo_) {
      id = std::string(text.substr(text.find('\n') + 1));
    } else {
      const auto json = codec::parse_json(text);
      const auto found = json ? json->text_at("id") : Result<std::string>(std::string());
      if (!found || !sealed::parse_rpc_response(text, Json(*found))) return;
      id = *found;
    }
    if (const auto found = waiting_.find(id); found != waiting_.end()) found->second->set();
  }
  Wire wire_;
  bool echo_;
  std::string inbox_;
  std::uint64_t last_ = 0;
  std::map<std::string, std::shared_ptr<net::Event>> waiting_;
};

Result<sealed::NodeKey> read_node_key(const std::filesystem::path& folder) {
  TRY(const auto key, rpcnode::read_key_file(folder / "caller.key"));
  return sealed::derive_node_key(key.secret, sealed::NodeName(std::string(kNode)));
}

class SealedCalls final : public Calls {
 public:
  SealedCalls(net::TaskGroup& tasks, const Clock& clock, Random& random, const net::Address& broker,
              sealed::NodeKey key)
      : callers_(*rpcnode::Callers::open(tasks, clock, random, {}, settings_of(broker).brokers, {})),
        caller_(callers_->make(sealed::NodeName(std::string(kNode)), sealed::KeyCredential{.key = std::move(key)})) {}
  net::Task<bool> until_ready() override { return call(); }
  net::Task<bool> call() override {
    const auto outcome = co_await caller_->call("look", params_of_call(), {.timeout = kCallLimit});
    if (!outcome) fault = outcome.error().detail;
    co_return outcome && outcome->result;
  }

 private:
  std::unique_ptr<rpcnode::Callers> callers_;
  std::shared_ptr<rpcnode::CallerTask> caller_;
};

class EvaCalls final : public Calls {
 public:
  EvaCalls(net::TaskGroup& tasks, const Clock& clock, Random& random, const net::Address& broker, sealed::eva::Key key)
      : links_(*rpcnode::BrokerLinks::open(tasks, clock, random, settings_of(broker).brokers, handlers())),
        caller_(tasks, clock, random, {.space = {}, .format = sealed::eva::Format::binary}, std::move(key),
                rpcnode::transport_over(*links_)) {}
  // Until the node has subscribed, which nobody tells.
  net::Task<bool> until_ready() override {
    for (const net::Deadline deadline(kReadyLimit); !deadline.passed();) {
      if (co_await call_within(milliseconds(200))) co_return true;
    }
    co_return false;
  }
  net::Task<bool> call() override { return call_within(kCallLimit); }
  // A key of EVA's may make 64 at once, and 20 a second in the long run.
  std::size_t most() const override { return 48; }

 private:
  rpcnode::BrokerHandlers handlers() {
    rpcnode::BrokerHandlers out;
    out.on_subscribed = [this](const rpcnode::BrokerSettings&, const std::string& topic, const Result<void>& verdict) {
      if (verdict) caller_.on_subscribed(topic);
    };
    out.on_message = [this](const std::string& topic, const Bytes& payload, bool retained) {
      caller_.on_message(topic, payload, retained);
    };
    return out;
  }
  net::Task<bool> call_within(milliseconds limit) {
    const auto outcome = co_await caller_.call(kEvaSelf, "look", *params_of_call().object(), limit);
    if (!outcome) {
      fault = outcome.error().detail;
    } else if (!*outcome) {
      fault = outcome->error().message;
    }
    co_return outcome && *outcome;
  }

  std::unique_ptr<rpcnode::BrokerLinks> links_;
  rpcnode::EvaCaller caller_;
};

struct Measured {
  std::vector<std::int64_t> took_ns;
  std::uint64_t failed = 0;
};

net::Task<void> call_until(Calls& calls, const Clock& clock, Instant end, Measured& measured) {
  while (clock.monotonic() < end && measured.took_ns.size() < calls.most()) {
    const Instant began = clock.monotonic();
    if (co_await calls.call()) {
      measured.took_ns.push_back((clock.monotonic() - began).count());
    } else {
      ++measured.failed;
    }
  }
}

Result<std::unique_ptr<Calls>> make_calls(std::string_view mode, net::TaskGroup& tasks, const Clock& clock,
                                          Random& random, const net::Address& broker,
                                          const std::filesystem::path& folder) {
  if (mode == "sealed") {
    TRY(auto key, read_node_key(folder));
    return std::make_unique<SealedCalls>(tasks, clock, random, broker, std::move(key));
  }
  if (mode == "eva") {
    TRY(auto key, rpcnode::read_eva_key(kEvaKey, folder / "eva.key"));
    return std::make_unique<EvaCalls>(tasks, clock, random, broker, std::move(key));
  }
  return std::make_unique<PlainCalls>(tasks, random, broker, mode == "echo");
}

int call(std::string_view mode, const net::Address& broker, const std::filesystem::path& folder, int parallel,
         double limit_s) {
  const SystemClock clock;
  crypto::SystemRandom random;
  net::Io io;
  net::TaskGroup tasks(io.executor());
  std::unique_ptr<Calls> calls;
  if (auto made = make_calls(mode, tasks, clock, random, broker, folder)) {
    calls = *std::move(made);
  } else {
    fmt::print(stderr, "bench_rpc_calls: {}\n", made.error().detail);
    return 1;
  }
  if (!*net::run(io, calls->until_ready())) {
    fmt::print(stderr, "bench_rpc_calls: nobody answers\n");
    return 1;
  }
  Measured measured;
  const Instant began = clock.monotonic();
  const Instant end = began + std::chrono::nanoseconds(static_cast<std::int64_t>(limit_s * 1e9));
  net::TaskGroup running(io.executor());
  for (int i = 0; i < parallel; ++i) running.spawn(call_until(*calls, clock, end, measured), "call");
  io.restart();
  net::run(io, running.until_empty());
  const double passed = std::chrono::duration<double>(clock.monotonic() - began).count();
  if (measured.failed > 0 || measured.took_ns.empty()) {
    fmt::print(stderr, "bench_rpc_calls: {} of {} calls failed: {}\n", measured.failed,
               measured.failed + measured.took_ns.size(), calls->fault);
    return 1;
  }
  const auto middle = measured.took_ns.begin() + static_cast<std::ptrdiff_t>(measured.took_ns.size() / 2);
  std::ranges::nth_element(measured.took_ns, middle);
  fmt::print("{{\"per_second\": {:.1f}, \"p50_us\": {:.1f}}}\n", static_cast<double>(measured.took_ns.size()) / passed,
             static_cast<double>(*middle) / 1e3);
  std::fflush(stdout);
  std::_Exit(0);  // what is under way is nobody's business any more
}

int run(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  const auto broker = argc > 3 ? rpcnode::parse_broker_url(argv[3]) : Result<rpcnode::BrokerUrl>();
  if (verb == "answer" && argc == 5 && broker) return answer(argv[2], broker->address, argv[4]);
  if (verb == "call" && argc == 7 && broker)
    return call(argv[2], broker->address, argv[4], std::atoi(argv[5]), std::atof(argv[6]));
  fmt::print(stderr, "want: bench_rpc_calls answer|call sealed|eva|plain|echo BROKER FOLDER [PARALLEL SECONDS]\n");
  return 2;
}

}  // namespace
}  // namespace sallyport

int main(int argc, char** argv) {
  sallyport::net::ignore_sigpipe();
  sallyport::log::start("bench_rpc_calls", sallyport::log::Level::error);
  return sallyport::run(argc, argv);
}
