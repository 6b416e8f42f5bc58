#include <unistd.h>

#include "agent/agent.h"
#include "agent/node_process.h"
#include "base/log.h"
#include "commands.h"
#include "net/heap.h"
#include "net/io.h"
#include "net/privileges.h"
#include "net/run.h"
#include "rpcnode/node_program.h"

namespace sallyport::agent_cli {
namespace {

// What a node that cannot be started is told as.
codec::Json describe_fault(const Error& error) {
  return codec::Json::Object{
      {"state", "ended"}, {"pid", nullptr}, {"since", nullptr}, {"starts", std::uint64_t{0}}, {"error", error.detail}};
}

// The words by which this very program is a node.
std::vector<std::string> node_words(const agent::AgentState& state) {
  std::vector<std::string> out{"/proc/self/exe", "rpc", "run", "--state", state.node_folder().native()};
  if (const auto user = state.settings().node.user) {
    out.emplace_back("--run-as");
    out.push_back(std::to_string(*user));
  }
  return out;
}

// The node of the device, where there is to be one. A folder that cannot be read keeps the agent from nothing.
std::unique_ptr<agent::NodeProcess> make_node(const agent::AgentState& state, agent::Agent& agent,
                                              net::TaskGroup& tasks, const Clock& clock) {
  std::error_code ignored;
  if (!state.settings().node.run || !std::filesystem::exists(state.node_folder() / rpcnode::kSettingsFile, ignored))
    return nullptr;
  auto settings = rpcnode::load_settings(state.node_folder() / rpcnode::kSettingsFile);
  const std::string& wanted = state.settings().node.name;
  if (settings && !wanted.empty() && settings->node.get() != wanted)
    settings = failf(Errc::conflict, "{}: node is \"{}\", want \"{}\" as agent.toml has it", rpcnode::kSettingsFile,
                     settings->node.get(), wanted);
  if (!settings) {
    log::error("agent.node", {{"error", settings.error()}});
    agent.describe_node([error = settings.error()] { return describe_fault(error); });
    return nullptr;
  }
  agent::NodeDesk desk(settings->node, clock, agent.node_sources());
  auto node = std::make_unique<agent::NodeProcess>(tasks, clock, node_words(state), std::move(desk));
  agent.describe_node([&node = *node] { return node.report(); });
  agent.on_identity([&node = *node] { node.tell_identity_changed(); });
  return node;
}

}  // namespace

Outcome run(const RunOptions& options, Environment& environment) {
  auto opened = open_state(options.state);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  auto queue = open_queue(state, environment.random);
  if (!queue) return std::unexpected(std::move(queue).error());
  TRY_VOID(net::forbid_new_privileges());
  net::Io io;
  net::TaskGroup tasks(io.executor());
  agent::Agent agent(io.executor(), environment.clock, environment.random, state, **queue);
  TRY_VOID(agent.listen());
  io.on_termination([&io] { io.stop(); });
  log::info("agent.running", {{"pid", ::getpid()}, {"serial_id", state.settings().serial_id.get()}});
  const auto node = options.node ? make_node(state, agent, tasks, environment.clock) : nullptr;
  agent.start();
  tasks.spawn(net::keep_heap_small(), "agent.heap");
  if (node) node->start();
  io.run();
  if (node) {
    io.restart();
    net::run(io, node->stop());
    agent.describe_node({});
    agent.on_identity({});
    io.restart();
    net::run(io, tasks.stop());
  }
  log::info("agent.ended");
  return {};
}

}  // namespace sallyport::agent_cli
