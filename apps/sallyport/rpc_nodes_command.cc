// sallyport rpc nodes: who tells of himself at the brokers, and whether it is true.
#include <array>
#include <map>

#include "commands.h"
#include "json_output.h"
#include "rpc_brokers.h"
#include "rpc_caller.h"
#include "rpc_eva.h"
#include "rpcnode/node_book.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::size_t kMaxNodesShown = 10'000;

// Bundles by topic, the newest of each.
using Bundles = std::map<std::string, Bytes>;

Try<Bundles> collect(RpcWay way, Environment& environment) {
  Bundles found;
  BrokerSession session(environment);
  rpcnode::BrokerHandlers handlers;
  handlers.on_message = [&](const std::string& topic, const Bytes& payload, bool) {
    if (found.size() < kMaxNodesShown) found[topic] = payload;
  };
  TRY_VOID(session.open(std::move(way.brokers), std::move(handlers)));
  TRY_VOID(session.links().subscribe(sealed::bundle_filter(way.prefix)));
  session.listen(way.timeout);
  const bool is_well = session.was_connected() && session.last_fault().empty();
  if (is_well || !found.empty()) return found;
  const std::string& fault = session.last_fault();
  return std::unexpected(Failure({Errc::unavailable, "nodes: " + (fault.empty() ? "no broker answered" : fault)},
                                 ExitStatus::unreachable));
}

// A row, with what is known for sure alone.
Json row_of(const std::string& topic, const Bytes& bytes, const sealed::TopicPrefix& prefix,
            const rpcnode::Identity& identity, const std::optional<rpcnode::BundleMemory>& memory, UnixTime now) {
  const auto told = rpcnode::judge_told_bundle(topic, bytes, prefix, identity.roots(), identity.zone(), now);
  if (!told) return Json::Object{{"topic", topic}, {"verdict", "refused: " + told.error().detail}};
  const sealed::NodeName& node = told->bundle.node;
  const std::uint64_t seen = memory ? memory->seen(identity.zone(), told->device, node) : 0;
  const Result<void> verdict = told->verdict ? sealed::check_bundle(told->bundle, node, seen, now) : told->verdict;
  return Json::Object{{"node", node.get()},
                      {"device", told->device.get()},
                      {"until", to_iso8601(told->bundle.not_after)},
                      {"topic", topic},
                      {"verdict", verdict ? "good" : "refused: " + verdict.error().detail}};
}

Outcome rpc_nodes(const Arguments& arguments, Environment& environment) {
  if (arguments.find("eva")) return eva_nodes(arguments, environment);
  CLI_TRY(auto way, read_rpc_way(arguments));
  TRY(const auto identity, read_rpc_identity(arguments));
  if (!identity)
    return std::unexpected(
        Failure({Errc::malformed, "--identity: is missing: bundles are judged by its roots"}, ExitStatus::usage));
  CLI_TRY(const auto memory, open_bundle_memory());
  const sealed::TopicPrefix prefix = way.prefix;
  CLI_TRY(const Bundles found, collect(std::move(way), environment));
  std::vector<Json> rows;
  for (const auto& [topic, bytes] : found)
    rows.push_back(row_of(topic, bytes, prefix, *identity, memory, environment.clock.now()));
  if (arguments.flag("json")) {
    print_json(Json(Json::Array(rows.begin(), rows.end())));
    return {};
  }
  if (rows.empty()) {
    fmt::print("no node with a certificate tells of itself here; nodes that are called by API keys alone never do\n");
    return {};
  }
  static constexpr std::array<Column, 4> kColumns{
      {{"NODE", "node"}, {"DEVICE", "device"}, {"UNTIL", "until"}, {"VERDICT", "verdict"}}};
  print_table(rows, kColumns);
  return {};
}

}  // namespace

std::vector<Command> rpc_nodes_commands() {
  std::vector<Option> options = {
      {.name = "identity", .value = "DIR", .help = "an agent's state folder, whose roots are trusted"},
      {.name = "zone", .value = "ZONE", .help = "the zone of the installation"},
      {.name = "key-file", .value = "FILE", .help = "with --eva: holds the key by which they are asked, mode 0600"}};
  const auto eva = eva_key_options();
  options.insert(options.end(), eva.begin(), eva.end());
  auto more = rpc_broker_options();
  options.insert(options.end(), more.begin(), more.end());
  options.push_back(json_option());
  return {{.words = "rpc nodes",
           .summary = "list the nodes that tell of themselves at the brokers, and whether it is true",
           .example = "sallyport rpc nodes --identity /var/lib/sallyport-agent --zone devices.example --broker "
                      "mqtt://127.0.0.1 --timeout 2s",
           .options = std::move(options),
           .run = rpc_nodes}};
}

}  // namespace sallyport::cli
