// sallyport serve …: one role in this process. Each role's wiring is a file of its own.
#include <unistd.h>

#include "base/log.h"
#include "commands.h"
#include "installation_folder.h"
#include "listeners.h"
#include "net/heap.h"
#include "net/io.h"
#include "run_as.h"
#include "signer/server.h"

namespace sallyport::cli {
namespace {

Outcome serve_signer(const Arguments& arguments, Environment& environment) {
  const InstallationPaths paths{arguments.path("state")};
  CLI_TRY_VOID(check_installation(paths));
  auto keys = load_signer(paths, environment.clock);
  if (!keys) return in_state(Result<void>(std::unexpected(std::move(keys).error())));
  TRY(const auto authority, arguments.find_number("authority-uid", 0, kLargestUid));
  net::Io io;
  TRY(auto listener, open_listener(io.executor(), "signer", paths.socket("signer")));
  // Before the sandbox, which opens no descriptor any more.
  io.on_termination([&] {
    listener->close();
    io.stop();
  });
  TRY_VOID(leave_root(arguments));
  TRY_VOID(signer::confine_signer());
  log::info("signer.serving", {{"pid", ::getpid()}, {"uid", ::getuid()}});
  const uid_t allowed = authority ? static_cast<uid_t>(*authority) : ::getuid();
  net::spawn(io.executor(), net::keep_heap_small(), "signer.heap");
  net::spawn(io.executor(), signer::serve_signer(*listener, *keys, allowed), "signer");
  io.run();
  log::info("signer.ended");
  return {};
}

}  // namespace

std::vector<Command> serve_commands() {
  return {
      {.words = "serve signer",
       .summary = "hold the online keys and sign what the authority may ask for",
       .example = "sallyport serve signer --state /var/lib/sallyport --run-as 61001 --authority-uid 61002",
       .options = {state_option(),
                   run_as_option(),
                   {.name = "authority-uid",
                    .value = "UID",
                    .help = "the one user that may connect; this process's own without it"}},
       .run = serve_signer},
  };
}

}  // namespace sallyport::cli
