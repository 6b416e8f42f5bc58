#include "role_process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "folders.h"
#include "listeners.h"
#include "net/heap.h"
#include "run_as.h"
#include "supervisor.h"

namespace sallyport::cli {
namespace {

// What a role may have open: to relay and gateway every device is a connection or two.
constexpr rlim_t kMostDescriptors = 1U << 20U;

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlimit most{.rlim_cur = kMostDescriptors, .rlim_max = std::max<rlim_t>(limit.rlim_max, kMostDescriptors)};
  if (::setrlimit(RLIMIT_NOFILE, &most) == 0) return;
  // Without root the hard limit is what there is.
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) log::warn("role.descriptor-limit", {{"limit", limit.rlim_cur}});
}

}  // namespace

std::vector<Option> role_options() {
  return {state_option(),
          run_as_option(),
          {.name = "first-uid",
           .value = "UID",
           .help = "the users of the roles are the seven numbers after this; one user without it"}};
}

RoleProcess::RoleProcess(InstallationPaths where, Settings what, RoleUsers who, pki::Certificate anchor,
                         std::vector<pki::Certificate> older)
    : paths(std::move(where)),
      settings(std::move(what)),
      users(who),
      root(std::move(anchor)),
      older_roots(std::move(older)) {}

Try<std::unique_ptr<RoleProcess>> RoleProcess::prepare(const Arguments& arguments) {
  raise_descriptor_limit();
  InstallationPaths paths{arguments.path("state")};
  CLI_TRY_VOID(check_installation(paths));
  CLI_TRY(auto settings, load_settings_in_state(paths.settings()));
  CLI_TRY(auto root, in_state(read_certificate(paths.root_certificate())));
  CLI_TRY(auto older, in_state(read_certificates(paths.older_roots())));
  TRY(const auto first, arguments.find_number("first-uid", 1, kLargestUid));
  const RoleUsers users = first ? RoleUsers::apart(static_cast<uid_t>(*first)) : RoleUsers::single(::geteuid());
  return std::unique_ptr<RoleProcess>(
      new RoleProcess(std::move(paths), std::move(settings), users, std::move(root), std::move(older)));
}

Result<net::Listener*> RoleProcess::listener(std::string_view name) {
  TRY(auto opened, open_listener(io.executor(), name, paths.socket(name)));
  listeners.push_back(std::move(opened));
  return listeners.back().get();
}

Result<void> RoleProcess::leave_root(const Arguments& arguments) {
  TRY_VOID(cli::leave_root(arguments));
  end_with_supervisor();
  return {};
}

void RoleProcess::run(std::string_view role) {
  io.on_termination([this] {
    for (const auto& listener : listeners) listener->close();
    io.stop();
  });
  log::info("role.serving", {{"role", role}, {"pid", ::getpid()}, {"uid", ::getuid()}});
  net::spawn(io.executor(), net::keep_heap_small(), "role.heap");
  io.run();
  log::info("role.ended", {{"role", role}});
}

}  // namespace sallyport::cli
