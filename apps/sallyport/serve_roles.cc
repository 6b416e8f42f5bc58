// sallyport serve authority|gateway|status|console: one role in this process.
#include <unistd.h>

#include <array>
#include <climits>

#include "authority/authority.h"
#include "base/log.h"
#include "commands.h"
#include "console/console.h"
#include "gateway/gateway.h"
#include "gateway/retention.h"
#include "role_process.h"
#include "status/status.h"
#include "store/page_memory.h"
#include "store/record_database.h"
#include "store/telemetry_sink.h"
#include "tunnel/grant.h"

namespace sallyport::cli {
namespace {

rolelink::Settings link_settings(const RoleProcess& process, std::string_view role) {
  return {.role = std::string(role),
          .instance = 0,
          .authority_socket = process.paths.socket("authority").string(),
          .root = process.root,
          .older_roots = process.older_roots};
}

// Ends the role when its store has failed; the supervisor starts it anew.
std::function<void()> end_on_failure(RoleProcess& process, std::string_view role) {
  return [&io = process.io, name = std::string(role)] {
    log::error("store.failed", {{"role", name}, {"next", "the role ends and starts anew"}});
    io.stop();
  };
}

// Empty when it has none.
std::string machine_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

net::Task<void> start_authority(authority::Authority& authority, net::Io& io, net::Listener& roles,
                                net::Listener& admins) {
  if (auto started = co_await authority.start(); !started) {
    log::error("authority.not-started", {{"error", started.error()}});
    io.stop();
    co_return;
  }
  net::spawn(io.executor(), authority.serve_administrators(admins), "authority.admin");
  co_await authority.serve_roles(roles);
}

Outcome serve_authority(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto process, RoleProcess::prepare(arguments));
  TRY(net::Listener * roles, process->listener("authority"));
  TRY(net::Listener * admins, process->listener("admin"));
  TRY_VOID(process->leave_root(arguments));
  TRY_VOID(store::take_pages_at_once());
  CLI_TRY(auto database,
          in_state(store::open_record_database(process->paths.database(), end_on_failure(*process, "authority"))));
  authority::Settings settings{.signer_socket = process->paths.socket("signer").string(),
                               .roles_of_uid = process->users.roles_by_uid(),
                               .administrators = {0, process->users.of("authority")},
                               .policy = {.renew_expired = process->settings.renew_expired_days * kDay}};
  authority::Authority authority(process->io.executor(), *database, environment.clock, environment.random,
                                 std::move(settings));
  net::spawn(process->io.executor(), start_authority(authority, process->io, *roles, *admins), "authority");
  process->run("authority");
  return {};
}

Outcome serve_gateway(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto process, RoleProcess::prepare(arguments));
  TRY(net::Listener * devices, process->listener("gateway"));
  TRY(net::Listener * readers, process->listener("telemetry"));
  TRY_VOID(process->leave_root(arguments));
  CLI_TRY(auto sink,
          in_state(store::open_telemetry_sink(process->paths.telemetry(), end_on_failure(*process, "gateway"))));
  gateway::Settings settings{
      .link = link_settings(*process, "gateway"),
      .zone = process->settings.zone,
      .console_origin = tunnel::encode_origin(process->settings.console_name, process->settings.public_port),
      .public_port = process->settings.public_port,
      .givers = {process->users.of("relay")},
      .askers = {0, process->users.of("console")}};
  gateway::Gateway gateway(process->io.executor(), environment.clock, environment.random, *sink, std::move(settings));
  net::spawn(process->io.executor(), gateway.serve_devices(*devices), "gateway.devices");
  net::spawn(process->io.executor(), gateway.serve_readers(*readers), "gateway.readers");
  if (const auto days = process->settings.keep_telemetry_days; days > 0) {
    net::spawn(process->io.executor(), gateway::forget_old_telemetry(*sink, environment.clock, days * kDay),
               "gateway.retention");
  }
  process->run("gateway");
  return {};
}

Outcome serve_status(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto process, RoleProcess::prepare(arguments));
  TRY(net::Listener * connections, process->listener("status"));
  TRY(net::Listener * operators, process->listener("orders"));
  TRY_VOID(process->leave_root(arguments));
  auto link = link_settings(*process, "status");
  std::vector<pki::Certificate> roots = link.older_roots;
  roots.insert(roots.begin(), link.root);
  CLI_TRY(auto orders,
          in_state(status::OrderBook::open(
              {.folder = process->paths.orders(), .installation = process->settings.name, .roots = std::move(roots)})));
  status::Settings settings{.host = machine_name(),
                            .link = std::move(link),
                            .givers = {process->users.of("relay")},
                            .operators = {0, process->users.of("status")}};
  status::Status status(process->io.executor(), environment.clock, environment.random, std::move(settings),
                        std::move(orders));
  net::spawn(process->io.executor(), status.serve(*connections), "status.connections");
  net::spawn(process->io.executor(), status.serve_operators(*operators), "status.operators");
  process->run("status");
  return {};
}

// Empty where nodes are not called.
std::string caller_socket(const RoleProcess& process) {
  return process.settings.rpc ? process.paths.socket("caller").string() : std::string();
}

Outcome serve_console(const Arguments& arguments, Environment& environment) {
  CLI_TRY(auto process, RoleProcess::prepare(arguments));
  TRY(net::Listener * connections, process->listener("console"));
  net::Listener* monitors = nullptr;
  if (process->settings.metrics_port != 0) {
    TRY(monitors, process->listener("metrics"));
  }
  TRY_VOID(process->leave_root(arguments));
  console::Settings settings{.link = link_settings(*process, "console"),
                             .installation = process->settings.name,
                             .console_name = process->settings.console_name,
                             .zone = process->settings.zone,
                             .public_port = process->settings.public_port,
                             .givers = {process->users.of("relay")},
                             .telemetry_socket = process->paths.socket("telemetry").string(),
                             .caller_socket = caller_socket(*process)};
  console::Console console(process->io.executor(), environment.clock, environment.random, std::move(settings));
  net::spawn(process->io.executor(), console.serve(*connections), "console.connections");
  if (monitors != nullptr) net::spawn(process->io.executor(), console.serve_metrics(*monitors), "console.monitors");
  process->run("console");
  return {};
}

}  // namespace

std::vector<Command> role_commands() {
  std::vector<Command> all = {
      {.words = "serve authority",
       .summary = "decide who may enter; keep the records",
       .example = "sallyport serve authority --state /var/lib/sallyport --run-as 61002 --first-uid 61000",
       .options = role_options(),
       .run = serve_authority},
      {.words = "serve gateway",
       .summary = "speak to devices: enrolment, telemetry",
       .example = "sallyport serve gateway --state /var/lib/sallyport --run-as 61003 --first-uid 61000",
       .options = role_options(),
       .run = serve_gateway},
      {.words = "serve status",
       .summary = "answer OCSP and serve revocation lists",
       .example = "sallyport serve status --state /var/lib/sallyport --run-as 61006 --first-uid 61000",
       .options = role_options(),
       .run = serve_status},
      {.words = "serve console",
       .summary = "people's logins, the REST API and the web front end",
       .example = "sallyport serve console --state /var/lib/sallyport --run-as 61004 --first-uid 61000",
       .options = role_options(),
       .run = serve_console},
  };
  for (const auto& group : {status_commands(), edge_commands(), caller_commands()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

}  // namespace sallyport::cli
