// What every role's process does around its role: options, sockets, privileges, end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "installation_folder.h"
#include "net/io.h"
#include "net/listener.h"
#include "role_users.h"
#include "settings.h"

namespace sallyport::cli {

// The options of `serve ROLE` but for the signer's; append a role's own.
std::vector<Option> role_options();

// Everything that a role is wired from. Made before privileges are dropped.
struct RoleProcess {
  static Try<std::unique_ptr<RoleProcess>> prepare(const Arguments& arguments);

  // Takes the inherited socket `name`, or makes it in the run folder.
  Result<net::Listener*> listener(std::string_view name);
  // Gives up root for the role's own user, for good.
  Result<void> leave_root(const Arguments& arguments);
  // Runs the loop until the process is told to end, then closes its listeners.
  void run(std::string_view role);

  net::Io io;
  InstallationPaths paths;
  Settings settings;
  RoleUsers users = RoleUsers::single(0);
  pki::Certificate root;
  std::vector<pki::Certificate> older_roots;  // newest first
  std::vector<std::unique_ptr<net::Listener>> listeners;

 private:
  RoleProcess(InstallationPaths where, Settings what, RoleUsers who, pki::Certificate anchor,
              std::vector<pki::Certificate> older);
};

}  // namespace sallyport::cli
