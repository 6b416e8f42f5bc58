// sallyport up: the whole installation on this machine, one supervised process per role.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "ca_rollover.h"
#include "commands.h"
#include "folders.h"
#include "installation_folder.h"
#include "keystore/file.h"
#include "keystore/owned_folder.h"
#include "net/io.h"
#include "net/listener.h"
#include "relay/resumption.h"
#include "role_users.h"
#include "settings.h"
#include "store/record_database.h"
#include "store/telemetry_sink.h"
#include "supervisor.h"

namespace sallyport::cli {
namespace {

constexpr mode_t kSocketMode = 0666;  // who connects is decided by uid, not by the file's mode
constexpr mode_t kPassable = 0711;
constexpr mode_t kReadable = 0755;
constexpr mode_t kPrivate = 0700;

// The sockets that live as long as the supervisor, whichever role restarts, and the memory that relay workers share.
struct Sockets {
  std::vector<std::unique_ptr<net::Listener>> owned;
  net::Descriptor resumption;
  std::map<std::string, int> by_name;
};

Result<void> set_mode(const std::filesystem::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) == 0) return {};
  return failf(Errc::unauthorized, "{}: its mode cannot be set", path.string());
}

// A folder that belongs to one role alone, with the files in it: the role itself may have put other things there.
Result<void> give_folder(const std::filesystem::path& folder, uid_t owner) {
  TRY_VOID(make_folder(folder));
  TRY_VOID(set_mode(folder, kPrivate));
  if (::geteuid() != 0) return {};
  TRY(const auto left, keystore::give_folder(folder, owner));
  if (left > 0) log::warn("up.not-given", {{"folder", folder.string()}, {"entries", left}});
  return {};
}

Result<void> prepare_folders(const InstallationPaths& paths, const RoleUsers& users) {
  if (!users.is_single()) {
    TRY_VOID(set_mode(paths.state, kPassable));
    TRY_VOID(set_mode(paths.trust(), kReadable));
    TRY_VOID(set_mode(paths.settings(), 0644));
  }
  TRY_VOID(make_folder(paths.run()));
  TRY_VOID(set_mode(paths.run(), users.is_single() ? kPrivate : kReadable));
  TRY_VOID(give_folder(paths.database().parent_path(), users.of("authority")));
  TRY_VOID(give_folder(paths.orders(), users.of("status")));
  TRY_VOID(give_folder(paths.caller(), users.of("caller")));
  return give_folder(paths.telemetry().parent_path(), users.of("gateway"));
}

Result<void> open_unix(Sockets& sockets, net::Io& io, const InstallationPaths& paths, const std::string& name) {
  TRY(auto listener, net::Listener::unix_socket(io.executor(), paths.socket(name).string(), kSocketMode));
  sockets.by_name.emplace(name, listener->native());
  sockets.owned.push_back(std::move(listener));
  return {};
}

Result<void> open_tcp(Sockets& sockets, net::Io& io, const std::string& name, const net::Address& address) {
  TRY(auto listener, net::Listener::tcp(io.executor(), address));
  sockets.by_name.emplace(name, listener->native());
  sockets.owned.push_back(std::move(listener));
  return {};
}

std::uint32_t worker_count(const Settings& settings) {
  return settings.workers > 0 ? settings.workers : std::max(1U, std::thread::hardware_concurrency());
}

Result<Sockets> open_sockets(net::Io& io, const InstallationPaths& paths, const Settings& settings,
                             std::uint32_t workers) {
  Sockets sockets;
  for (const char* name : {"signer", "authority", "admin", "gateway", "telemetry", "console", "status", "orders"}) {
    TRY_VOID(open_unix(sockets, io, paths, name));
  }
  for (std::uint32_t slot = 0; slot < workers; ++slot) {
    TRY_VOID(open_unix(sockets, io, paths, fmt::format("worker-{}", slot)));
    TRY_VOID(open_unix(sockets, io, paths, fmt::format("succession-{}", slot)));
  }
  TRY_VOID(open_tcp(sockets, io, "public-tls", {settings.address, settings.tls_port}));
  TRY_VOID(open_tcp(sockets, io, "public-http", {settings.address, settings.http_port}));
  if (settings.rpc) TRY_VOID(open_unix(sockets, io, paths, "caller"));
  TRY(sockets.resumption, relay::make_resumption_memory());
  sockets.by_name.emplace("resumption", sockets.resumption.get());
  if (settings.metrics_port != 0) TRY_VOID(open_tcp(sockets, io, "metrics", {"127.0.0.1", settings.metrics_port}));
  return sockets;
}

ChildProcess role(std::string_view name, const InstallationPaths& paths, const RoleUsers& users, const Sockets& sockets,
                  const std::vector<std::string>& inherited) {
  ChildProcess child;
  child.name = name;
  child.arguments = {"serve", std::string(name), "--state", paths.state.string()};
  if (!users.is_single()) {
    child.arguments.insert(child.arguments.end(), {"--run-as", std::to_string(users.of(name))});
    if (name == "signer") {
      child.arguments.insert(child.arguments.end(), {"--authority-uid", std::to_string(users.of("authority"))});
    } else {
      child.arguments.insert(child.arguments.end(), {"--first-uid", std::to_string(users.of("signer") - 1)});
    }
  }
  for (const std::string& socket : inherited) child.inherited.emplace_back(socket, sockets.by_name.at(socket));
  return child;
}

// The listener of metrics where there is one.
std::vector<std::string> console_sockets(const Sockets& sockets) {
  if (sockets.by_name.contains("metrics")) return {"console", "metrics"};
  return {"console"};
}

std::vector<ChildProcess> all_roles(const InstallationPaths& paths, const RoleUsers& users, const Sockets& sockets,
                                    std::uint32_t workers) {
  std::vector<ChildProcess> children = {
      role("signer", paths, users, sockets, {"signer"}),
      role("authority", paths, users, sockets, {"authority", "admin"}),
      role("status", paths, users, sockets, {"status", "orders"}),
      role("gateway", paths, users, sockets, {"gateway", "telemetry"}),
      role("console", paths, users, sockets, console_sockets(sockets)),
  };
  if (sockets.by_name.contains("caller")) children.push_back(role("caller", paths, users, sockets, {"caller"}));
  for (std::uint32_t slot = 0; slot < workers; ++slot) {
    ChildProcess child = role("relay", paths, users, sockets,
                              {fmt::format("worker-{}", slot), fmt::format("succession-{}", slot), "public-tls",
                               "public-http", "resumption"});
    child.name = fmt::format("relay {}", slot);
    child.succeeds_by = "--succeeds";
    child.arguments.insert(child.arguments.end(),
                           {"--slot", std::to_string(slot), "--workers", std::to_string(workers)});
    children.push_back(std::move(child));
  }
  return children;
}

Try<RoleUsers> choose_users(const Arguments& arguments) {
  if (arguments.flag("single-uid")) return RoleUsers::single(::geteuid());
  if (::geteuid() != 0) {
    return std::unexpected(Failure(
        {Errc::unauthorized, "up: not root, so the roles cannot be kept apart; run it as root, or with --single-uid"},
        ExitStatus::refused));
  }
  TRY(const auto first, arguments.number("first-uid", 1'000, 65'000));
  return RoleUsers::apart(static_cast<uid_t>(first));
}

// What [rpc] names: a role that does not find it would end and be started again, for ever.
Result<void> check_caller_files(const Settings& settings) {
  if (!settings.rpc) return {};
  for (const rpcnode::BrokerSettings& broker : settings.rpc->brokers) {
    for (const auto& file : {broker.ca_file, broker.certificate_file, broker.key_file, broker.password_file}) {
      std::error_code ignored;
      if (!file.empty() && !std::filesystem::exists(file, ignored))
        return failf(Errc::not_found, "{}: is not there, and [[rpc.broker]] of sallyport.toml names it", file.string());
    }
  }
  return {};
}

Outcome up(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{arguments.path("state")};
  CLI_TRY(const auto users, choose_users(arguments));
  CLI_TRY(auto folder, open_state(paths.state, kInstallationFormat));
  CLI_TRY(const auto settings, load_settings_in_state(paths.settings()));
  CLI_TRY_VOID(in_state(check_init_is_complete(paths)));
  // A role that finds such a file would end and be started again, for ever.
  CLI_TRY_VOID(in_state(check_no_rollover_is_open(paths)));
  CLI_TRY_VOID(in_state(store::check_record_database(paths.database())));
  CLI_TRY_VOID(in_state(store::check_telemetry_sink(paths.telemetry())));
  CLI_TRY_VOID(in_state(check_caller_files(settings)));
  TRY_VOID(prepare_folders(paths, users));
  net::Io io;
  const std::uint32_t workers = worker_count(settings);
  TRY(const auto sockets, open_sockets(io, paths, settings, workers));
  TRY_VOID(keystore::atomic_write_file(paths.supervisor_pid(), as_bytes(fmt::format("{}\n", ::getpid())),
                                       keystore::kPublicMode));
  TRY_VOID(supervise(all_roles(paths, users, sockets, workers), environment.clock));
  return {};
}

}  // namespace

std::vector<Command> up_commands() {
  return {
      {.words = "up",
       .summary = "run every role on this machine, each as a process and a user of its own",
       .example = "sallyport up --state /var/lib/sallyport",
       .options = {state_option(),
                   {.name = "single-uid", .help = "all roles as the present user: for trying it out, not for keeping"},
                   {.name = "first-uid",
                    .value = "UID",
                    .help = "the users of the roles are the seven numbers after this",
                    .fallback = "61000"}},
       .run = up},
  };
}

}  // namespace sallyport::cli
