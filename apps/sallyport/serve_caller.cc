// sallyport serve caller: calls nodes for the console, through brokers that are not trusted.
#include "commands.h"
#include "net/run.h"
#include "role_process.h"
#include "rpcnode/caller_role.h"

namespace sallyport::cli {
namespace {

Outcome serve_caller(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto process, RoleProcess::prepare(arguments));
  if (!process->settings.rpc)
    return std::unexpected(Failure(
        {Errc::malformed, process->paths.settings().string() + ": no [rpc], so there is no broker to call through"}));
  TRY(net::Listener * askers, process->listener("caller"));
  TRY_VOID(process->leave_root(arguments));
  std::vector<pki::Certificate> roots = process->older_roots;
  roots.insert(roots.begin(), process->root);
  net::TaskGroup tasks(process->io.executor());
  CLI_TRY(auto role, in_state(rpcnode::CallerRole::open(tasks, environment.clock, environment.random,
                                                        {.way = *process->settings.rpc,
                                                         .folder = process->paths.caller(),
                                                         .roots = std::move(roots),
                                                         .zone = process->settings.zone,
                                                         .askers = {process->users.of("console")}})));
  tasks.spawn(role->serve(*askers), "caller.askers");
  process->run("caller");
  process->io.restart();
  net::run(process->io, role->finish());
  process->io.restart();
  net::run(process->io, tasks.stop());
  return {};
}

}  // namespace

std::vector<Command> caller_commands() {
  return {{.words = "serve caller",
           .summary = "call nodes of sealed RPC for the console",
           .example = "sallyport serve caller --state /var/lib/sallyport --run-as 61007 --first-uid 61000",
           .options = role_options(),
           .run = serve_caller}};
}

}  // namespace sallyport::cli
