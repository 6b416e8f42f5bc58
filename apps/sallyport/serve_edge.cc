// sallyport serve edge: what the status service has signed, handed out by a process without a key.
#include "base/log.h"
#include "commands.h"
#include "folders.h"
#include "net/heap.h"
#include "net/io.h"
#include "net/listener.h"
#include "option_error.h"
#include "run_as.h"
#include "status/edge.h"

namespace sallyport::cli {
namespace {

Result<status::EdgeSettings> settings_of(const Arguments& arguments) {
  status::EdgeSettings out;
  TRY(out.origin, of_option("--origin", net::parse_address(arguments.text("origin"))));
  TRY(const auto zone, of_option("--zone", parse_dns_name(arguments.text("zone"))));
  out.host = under("status", zone).get();
  TRY(out.roots, read_certificates(arguments.path("root-certificate")));
  if (out.roots.empty())
    return failf(Errc::not_found, "{}: found no certificate, want the root's", arguments.text("root-certificate"));
  return out;
}

Outcome serve_edge(const Arguments& arguments, Environment& environment) {
  TRY(auto settings, settings_of(arguments));
  TRY(const auto address, of_option("--listen", net::parse_address(arguments.text("listen"))));
  net::Io io;
  TRY(auto listener, net::Listener::tcp(io.executor(), address));
  io.on_termination([&] {
    listener->close();
    io.stop();
  });
  TRY_VOID(leave_root(arguments));
  log::info("edge.serving", {{"address", net::to_string(listener->address())}});
  status::Edge edge(io.executor(), environment.clock, std::move(settings));
  net::spawn(io.executor(), net::keep_heap_small(), "edge.heap");
  net::spawn(io.executor(), edge.serve(*listener), "edge.connections");
  io.run();
  log::info("edge.ended");
  return {};
}

}  // namespace

std::vector<Command> edge_commands() {
  return {
      {.words = "serve edge",
       .summary = "hand out what the status service has signed: no key, no folder, no authority",
       .example = "sallyport serve edge --origin status.devices.example.com:80 --zone devices.example.com "
                  "--root-certificate root.pem --listen 0.0.0.0:80",
       .options =
           {{.name = "origin", .value = "HOST:PORT", .help = "the status service, plain HTTP", .required = true},
            {.name = "zone", .value = "ZONE", .help = "of the installation", .required = true},
            {.name = "root-certificate",
             .value = "FILE",
             .help = "every root that is trusted, newest first, PEM",
             .required = true},
            {.name = "listen", .value = "ADDRESS:PORT", .help = "where it is asked, plain HTTP", .required = true},
            run_as_option()},
       .run = serve_edge},
  };
}

}  // namespace sallyport::cli
