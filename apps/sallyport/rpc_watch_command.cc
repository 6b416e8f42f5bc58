// sallyport rpc watch: the states that a node tells of, as they come.
#include <cstdio>
#include <map>

#include "base/log.h"
#include "commands.h"
#include "json_output.h"
#include "rpc_brokers.h"
#include "rpc_caller.h"
#include "rpc_eva.h"
#include "rpcnode/states.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::size_t kMaxItemsWatched = 4'096;

// What a node told last of each topic; older messages, which a broker may repeat, are dropped.
class Watch {
 public:
  Watch(std::string node, bool as_json) : node_(std::move(node)), as_json_(as_json) {}

  void take(const std::string& topic, const Bytes& payload) {
    const auto state = rpcnode::parse_state(as_text(payload));
    if (!state) {
      fmt::print(stderr, "sallyport: {}: {}\n", log::escape(topic), state.error().detail);
      return;
    }
    const auto found = last_.find(topic);
    if (found != last_.end() && !rpcnode::is_newer(found->second, *state)) return;
    if (found == last_.end() && last_.size() >= kMaxItemsWatched) return;
    last_[topic] = *state;
    show(topic.substr(topic.find(node_ + "/state/") + node_.size() + 7), *state);
  }

 private:
  void show(const std::string& item, const rpcnode::StateMessage& state) const {
    if (as_json_) {
      const Json told(Json::Object{{"item", item}, {"time", to_iso8601(state.time)}, {"value", state.value}});
      print_json(told);
    } else {
      fmt::print("{}  {}  {}\n", to_iso8601(state.time), item, shown(state.value));
    }
    std::fflush(stdout);
  }
  std::string node_;
  bool as_json_;
  std::map<std::string, rpcnode::StateMessage> last_;
};

}  // namespace

Outcome watch_topics(const Arguments& arguments, Environment& environment, RpcWay way,
                     const std::vector<std::string>& filters,
                     std::function<void(const std::string& topic, const Bytes& payload)> take) {
  BrokerSession session(environment);
  rpcnode::BrokerHandlers handlers;
  handlers.on_disconnected = [](const rpcnode::BrokerSettings& broker, const Error& why) {
    fmt::print(stderr, "sallyport: {}: {}\n", net::to_string(broker.address), log::escape(why.detail));
  };
  handlers.on_message = [&](const std::string& topic, const Bytes& payload, bool) { take(topic, payload); };
  TRY_VOID(session.open(std::move(way.brokers), std::move(handlers)));
  for (const std::string& filter : filters) TRY_VOID(session.links().subscribe(filter));
  session.end_by_signals();
  session.listen(arguments.flag("once") ? std::optional(way.timeout) : std::nullopt);
  return {};
}

namespace {

Outcome rpc_watch(const Arguments& arguments, Environment& environment) {
  if (arguments.flag("eva")) return eva_watch(arguments, environment);
  const auto name = arguments.find("NODE");
  if (!name) return std::unexpected(Failure({Errc::malformed, "NODE: is missing"}, ExitStatus::usage));
  auto node = sealed::parse_node_name(*name);
  if (!node) return std::unexpected(Failure(std::move(node).error(), ExitStatus::usage));
  CLI_TRY(auto way, read_rpc_way(arguments));
  Watch watch(node->get(), arguments.flag("json"));
  const std::vector<std::string> filters{rpcnode::state_filter(way.prefix, *node)};
  return watch_topics(arguments, environment, std::move(way), filters,
                      [&watch](const std::string& topic, const Bytes& payload) { watch.take(topic, payload); });
}

}  // namespace

std::vector<Command> rpc_watch_commands() {
  std::vector<Option> options = {
      {.name = "NODE", .value = "NODE", .help = "the node's name; with --eva a controller, uc/plant-1"},
      {.name = "eva",
       .value = "",
       .help = "states and events of controllers of EVA ICS v3; of all of them without NODE"},
      {.name = "once", .value = "", .help = "end after --timeout; until Ctrl-C without it"}};
  auto more = rpc_broker_options();
  options.insert(options.end(), more.begin(), more.end());
  options.push_back(json_option());
  return {{.words = "rpc watch",
           .summary = "show the states that a node tells of; they are plain, and the broker could forge them",
           .example = "sallyport rpc watch pump-0001 --broker mqtt://127.0.0.1",
           .options = std::move(options),
           .run = rpc_watch}};
}

}  // namespace sallyport::cli
