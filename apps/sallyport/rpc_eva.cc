#include "rpc_eva.h"

#include <array>
#include <map>
#include <set>

#include "base/log.h"
#include "json_output.h"
#include "rpc_brokers.h"
#include "rpc_caller.h"
#include "rpcnode/eva_caller.h"
#include "rpcnode/key_file.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;
namespace eva = sealed::eva;

constexpr std::size_t kMaxControllersShown = 1'000;

std::unexpected<Failure> eva_usage(std::string sentence) {
  return std::unexpected(Failure({Errc::malformed, std::move(sentence)}, ExitStatus::usage));
}

// What the command line says of the way to controllers.
struct EvaWay {
  RpcWay way;
  eva::Space space;
  eva::Format format = eva::Format::binary;
  std::optional<eva::Key> key;
};

Result<eva::Format> read_format(const std::string& text) {
  if (text == "binary") return eva::Format::binary;
  if (text == "zlib") return eva::Format::binary_zlib;
  if (text == "text") return eva::Format::text;
  return failf(Errc::malformed, "--eva: found '{}', want binary, zlib or text", log::escape(text));
}

Try<EvaWay> read_eva_way(const Arguments& arguments) {
  EvaWay out;
  CLI_TRY(out.way, read_rpc_way(arguments));
  if (out.way.brokers.empty()) return eva_usage("--broker: is missing");
  auto space = eva::parse_space(out.way.prefix.get());
  if (!space) return eva_usage("--prefix: " + space.error().detail);
  out.space = *std::move(space);
  return out;
}

// With the key, where one is given.
Try<EvaWay> read_keyed_way(const Arguments& arguments) {
  CLI_TRY(EvaWay out, read_eva_way(arguments));
  auto format = read_format(arguments.text("eva"));
  if (!format) return eva_usage(format.error().detail);
  out.format = *format;
  auto id = eva::parse_key_id(arguments.text("key-id"));
  if (!id) return eva_usage("--key-id: " + id.error().detail);
  if (const auto file = arguments.find("key-file")) {
    TRY(out.key, rpcnode::read_eva_key(*id, *file));
  }
  return out;
}

// Brokers and a caller for the time of a command.
class EvaSession {
 public:
  EvaSession(Environment& environment, EvaWay way)
      : environment_(environment), way_(std::move(way)), brokers_(environment) {}

  using OnMessage = std::function<void(const std::string& topic, const Bytes& payload, bool retained)>;
  Result<void> open(OnMessage on_message = {});
  Result<void> subscribe(const std::string& filter) { return brokers_.links().subscribe(filter); }
  // Until the timeout.
  void listen() { brokers_.listen(way_.way.timeout); }
  std::optional<Result<eva::Outcome>> call(const eva::Controller& target, const std::string& method,
                                           Json::Object params);
  const EvaWay& way() const { return way_; }
  bool was_connected() const { return brokers_.was_connected(); }
  std::unexpected<Failure> no_broker() const {
    return std::unexpected(
        Failure({Errc::unavailable, "no broker answered; " + brokers_.last_fault()}, ExitStatus::unreachable));
  }

 private:
  rpcnode::BrokerHandlers handlers(OnMessage on_message);

  Environment& environment_;
  EvaWay way_;
  std::unique_ptr<rpcnode::EvaCaller> caller_;
  BrokerSession brokers_;
};

rpcnode::BrokerHandlers EvaSession::handlers(OnMessage on_message) {
  rpcnode::BrokerHandlers out;
  out.on_subscribed = [this](const rpcnode::BrokerSettings&, const std::string& topic, const Result<void>& verdict) {
    if (verdict && caller_) caller_->on_subscribed(topic);
  };
  out.on_message = [this, told = std::move(on_message)](const std::string& topic, const Bytes& payload, bool retained) {
    if (caller_) caller_->on_message(topic, payload, retained);
    if (told) told(topic, payload, retained);
  };
  return out;
}

Result<void> EvaSession::open(OnMessage on_message) {
  TRY_VOID(brokers_.open(way_.way.brokers, handlers(std::move(on_message))));
  if (!way_.key) return {};
  caller_ = std::make_unique<rpcnode::EvaCaller>(
      brokers_.tasks(), environment_.clock, environment_.random,
      eva::ClientSettings{.space = way_.space, .format = way_.format, .timeout = way_.way.timeout}, way_.key->clone(),
      rpcnode::transport_over(brokers_.links()));
  return {};
}

std::optional<Result<eva::Outcome>> EvaSession::call(const eva::Controller& target, const std::string& method,
                                                     Json::Object params) {
  return brokers_.run(caller_->call(target, method, std::move(params), way_.way.timeout));
}

// What the formats of EVA have no place for.
Outcome refuse_sealed_options(const Arguments& arguments) {
  for (const std::string_view name : {"identity", "zone", "device", "https", "id"}) {
    if (arguments.find(name))
      return eva_usage(fmt::format("--{}: is for sealed calls; --eva has nothing like it", name));
  }
  for (const std::string_view name : {"idempotent", "stored"}) {
    if (arguments.flag(name))
      return eva_usage(fmt::format("--{}: is for sealed calls; --eva has nothing like it", name));
  }
  return {};
}

Try<Json::Object> read_eva_params(const Arguments& arguments) {
  const auto text = arguments.find("PARAMS");
  if (!text) return Json::Object();
  auto parsed = codec::parse_json(*text);
  if (!parsed) return eva_usage("PARAMS: " + parsed.error().detail);
  auto members = parsed->object();
  if (!members) return eva_usage("PARAMS: want an object");
  return *std::move(members);
}

Outcome print_eva_outcome(const eva::Outcome& outcome, const std::string& method, bool as_json,
                          const EvaSession& session) {
  if (outcome) {
    print_json(as_json ? Json(Json::Object{{"result", *outcome}}) : *outcome);
    return {};
  }
  const auto& failure = outcome.error();
  const auto code = static_cast<int>(failure.code);
  if (as_json)
    print_json(Json(Json::Object{{"error", Json(Json::Object{{"code", code}, {"message", failure.message}})}}));
  const bool silent = failure.code == eva::Code::server_timeout;
  if (silent && !session.was_connected()) return session.no_broker();
  Error error{silent ? Errc::expired : Errc::internal,
              fmt::format("{}: {} ({})", method, log::escape(failure.message), code)};
  if (silent) error.detail += "; a controller that has not the key, or is not there, never answers";
  return std::unexpected(Failure(std::move(error), silent                                 ? ExitStatus::unreachable
                                                   : failure.code == eva::Code::forbidden ? ExitStatus::refused
                                                                                          : ExitStatus::failed));
}

}  // namespace

std::vector<Option> eva_key_options() {
  return {{.name = "eva",
           .value = "FORMAT",
           .help = "of EVA ICS v3, which seals neither for ever nor once: binary, zlib or text; NODE is a controller, "
                   "uc/plant-1"},
          {.name = "key-id",
           .value = "ID",
           .help = "with --eva: what the controller calls the key",
           .fallback = "default"}};
}

Outcome eva_call(const Arguments& arguments, Environment& environment) {
  CLI_TRY_VOID(refuse_sealed_options(arguments));
  const auto target = eva::parse_controller(arguments.text("NODE"));
  if (!target) return eva_usage("NODE: " + target.error().detail);
  const std::string method = arguments.text("METHOD");
  if (method.empty() || method.size() > eva::kMostMethodBytes || !codec::is_utf8(method))
    return eva_usage("METHOD: want the name of one");
  CLI_TRY(auto params, read_eva_params(arguments));
  if (params.contains("k")) return eva_usage("PARAMS: the key goes by --key-file, not as k");
  CLI_TRY(auto way, read_keyed_way(arguments));
  if (!way.key) return eva_usage("--key-file: is missing");
  EvaSession session(environment, std::move(way));
  TRY_VOID(session.open());
  const auto outcome = session.call(*target, method, std::move(params));
  if (!outcome) return std::unexpected(Failure({Errc::internal, "call: ended without an answer"}));
  if (!*outcome) return std::unexpected(Failure(outcome->error()));
  return print_eva_outcome(**outcome, method, arguments.flag("json"), session);
}

namespace {

// Asks one that announced itself, under our key: an announce alone shows nothing.
Json ask_who_it_is(EvaSession& session, const std::string& text) {
  Json::Object row{{"controller", text}};
  const auto controller = eva::parse_controller(text);
  if (!controller) {
    row["verdict"] = "refused: no name of a controller";
    return row;
  }
  if (!session.way().key) {
    row["verdict"] = "announced: nobody has signed it; --key-file asks";
    return row;
  }
  const auto outcome = session.call(*controller, "test", {});
  if (!outcome || !*outcome || !**outcome) {
    const bool answered = outcome && *outcome && (**outcome).error().code != eva::Code::server_timeout;
    row["verdict"] = answered ? "has the key, and refuses: " + (**outcome).error().message
                              : std::string("silent: it has not our key, or is not there");
    return row;
  }
  const auto told = eva::parse_introduction(***outcome, controller->type);
  if (!told) {
    row["verdict"] = "has the key, and is another: " + told.error().detail;
    return row;
  }
  row["system"] = eva::to_text(told->self);
  row["version"] = told->version;
  row["build"] = told->build;
  row["verdict"] = told->self == *controller ? "good: has the key" : "has the key, under another name";
  return row;
}

}  // namespace

Outcome eva_nodes(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto way, read_keyed_way(arguments));
  const std::string topic = eva::discovery_topic(way.space);
  std::set<std::string> announced;
  EvaSession session(environment, std::move(way));
  TRY_VOID(session.open([&](const std::string& on, const Bytes& payload, bool) {
    if (on == topic && announced.size() < kMaxControllersShown && codec::is_utf8(as_text(payload)) &&
        payload.size() <= 128)
      announced.emplace(as_text(payload));
  }));
  TRY_VOID(session.subscribe(topic));
  session.listen();
  if (!session.was_connected()) return session.no_broker();
  std::vector<Json> rows;
  for (const std::string& each : std::set(announced)) rows.push_back(ask_who_it_is(session, each));
  if (arguments.flag("json")) {
    print_json(Json(Json::Array(rows.begin(), rows.end())));
    return {};
  }
  if (rows.empty()) {
    fmt::print(
        "no controller announced itself; they do so every 30 s where they do (--timeout 40s), unless it is switched "
        "off there\n");
    return {};
  }
  static constexpr std::array<Column, 4> kColumns{
      {{"CONTROLLER", "controller"}, {"VERSION", "version"}, {"BUILD", "build"}, {"VERDICT", "verdict"}}};
  print_table(rows, kColumns);
  return {};
}

}  // namespace sallyport::cli
