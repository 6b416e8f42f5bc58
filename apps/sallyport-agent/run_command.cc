#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "commands.h"
#include "net/io.h"
#include "net/privileges.h"

namespace sallyport::agent_cli {

Outcome run(const std::filesystem::path& folder, Environment& environment) {
  auto opened = open_state(folder);
  if (!opened) return std::unexpected(std::move(opened).error());
  agent::AgentState& state = *opened;
  auto queue = open_queue(state, environment.random);
  if (!queue) return std::unexpected(std::move(queue).error());
  TRY_VOID(net::forbid_new_privileges());
  net::Io io;
  agent::Agent agent(io.executor(), environment.clock, environment.random, state, **queue);
  TRY_VOID(agent.listen());
  io.on_termination([&io] { io.stop(); });
  log::info("agent.running", {{"pid", ::getpid()}, {"serial_id", state.settings().serial_id.get()}});
  agent.start();
  io.run();
  log::info("agent.ended");
  return {};
}

}  // namespace sallyport::agent_cli
