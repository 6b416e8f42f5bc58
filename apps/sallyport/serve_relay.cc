// sallyport serve relay: one worker of the public process.
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "commands.h"
#include "listeners.h"
#include "net/heap.h"
#include "net/run.h"
#include "relay/worker.h"
#include "role_process.h"

namespace sallyport::cli {
namespace {

// The inherited public socket, or one of this process's own that other workers can share.
Result<net::Descriptor> open_public(net::Executor executor, std::string_view name, const net::Address& address) {
  TRY(auto inherited, take_inherited(name));
  if (inherited) return *std::move(inherited);
  TRY(const auto listener, net::Listener::tcp(executor, address, {.reuse_port = true, .backlog = 4'096}));
  net::Descriptor copy(::fcntl(listener->native(), F_DUPFD_CLOEXEC, 0));
  if (!copy.is_open()) return fail(Errc::unavailable, "relay: no descriptor left for the public socket");
  return copy;
}

// Another process has the slot, and the last user has gone.
net::Task<void> end_when_left(relay::Worker& worker, net::Io& io) {
  co_await worker.until_left();
  co_await worker.shut_down();
  io.stop();
}

net::Task<void> end_worker(relay::Worker& worker, net::Io& io) {
  co_await worker.shut_down();
  io.stop();
}

Outcome serve_relay(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto process, RoleProcess::prepare(arguments));
  TRY(const auto workers, arguments.number("workers", 1, static_cast<std::uint64_t>(kMaxWorkers)));
  TRY(const auto slot, arguments.number("slot", 0, workers - 1));
  const Settings& settings = process->settings;
  const auto executor = process->io.executor();
  TRY(const net::Listener* peers, process->listener(fmt::format("worker-{}", slot)));
  relay::Listeners listeners;
  TRY(listeners.public_tls, open_public(executor, "public-tls", {.host = settings.address, .port = settings.tls_port}));
  TRY(listeners.public_http,
      open_public(executor, "public-http", {.host = settings.address, .port = settings.http_port}));
  listeners.peers = net::Descriptor(::fcntl(peers->native(), F_DUPFD_CLOEXEC, 0));
  TRY(auto resumption, take_inherited("resumption"));
  if (resumption) listeners.resumption = *std::move(resumption);
  TRY(auto succession, take_inherited(fmt::format("succession-{}", slot)));
  if (succession) listeners.succession = *std::move(succession);
  relay::Worker worker(executor, environment.clock, environment.random,
                       {.zone = settings.zone,
                        .console_name = settings.console_name,
                        .slot = tunnel::WorkerSlot(static_cast<std::uint16_t>(slot)),
                        .workers = static_cast<std::uint16_t>(workers),
                        .public_port = settings.public_port,
                        .run_folder = process->paths.socket("authority").parent_path().string(),
                        .root = process->root,
                        .older_roots = process->older_roots,
                        .succeeds = arguments.flag("succeeds")},
                       std::move(listeners));
  TRY_VOID(process->leave_root(arguments));
  process->io.on_termination([&] { net::spawn(process->io.executor(), end_worker(worker, process->io), "relay.end"); });
  log::info("role.serving", {{"role", "relay"}, {"slot", slot}, {"pid", ::getpid()}, {"uid", ::getuid()}});
  worker.start();
  net::spawn(executor, net::keep_heap_small(), "relay.heap");
  net::spawn(executor, end_when_left(worker, process->io), "relay.succeeded");
  process->io.run();
  log::info("role.ended", {{"role", "relay"}, {"slot", slot}});
  return {};
}

}  // namespace

std::vector<Command> relay_commands() {
  auto options = role_options();
  options.push_back({.name = "slot", .value = "N", .help = "which of the workers this is", .fallback = "0"});
  options.push_back({.name = "workers", .value = "N", .help = "how many there are", .fallback = "1"});
  options.push_back({.name = "succeeds", .help = "take the slot over from the process that has it"});
  return {{.words = "serve relay",
           .summary = "hold the public ports: route by name, hold devices, move users' bytes unread",
           .example = "sallyport serve relay --state /var/lib/sallyport --slot 0 --workers 2 --run-as 61005",
           .options = std::move(options),
           .run = serve_relay}};
}

}  // namespace sallyport::cli
