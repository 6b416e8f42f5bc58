#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "commands.h"
#include "net/io.h"
#include "net/privileges.h"
#include "store/telemetry_queue.h"

namespace sallyport::agent_cli {

Result<void> run(const std::filesystem::path& folder, Environment& environment) {
  TRY(auto state, agent::AgentState::open(folder));
  TRY(auto queue, store::open_telemetry_queue(state.file("telemetry.db"), {}, environment.random));
  TRY_VOID(net::forbid_new_privileges());
  net::Io io;
  agent::Agent agent(io.executor(), environment.clock, environment.random, state, *queue);
  TRY_VOID(agent.listen());
  io.on_termination([&io] { io.stop(); });
  log::info("agent.running", {{"pid", ::getpid()}, {"serial_id", state.settings().serial_id.get()}});
  net::spawn(io.executor(), agent.run(), "agent");
  io.run();
  log::info("agent.ended");
  return {};
}

}  // namespace sallyport::agent_cli
