// Calls the node of node.cc from C++, two calls at a time, with what it tells in between.
//
//   example_caller mqtt://127.0.0.1 tank-1 plant-a.key
//
// A program with a loop of its own does it like this; who has none finds sallyport_rpc.h simpler (caller.c).
#include "base/log.h"
#include "crypto/system_random.h"
#include "net/io.h"
#include "net/run.h"
#include "rpcnode/callers.h"
#include "rpcnode/key_file.h"

namespace {

using namespace sallyport;
using codec::Json;

// Borrows the caller, which outlives the call.
net::Task<void> call_and_tell(rpcnode::CallerTask& caller, std::string method, Json params, bool idempotent) {
  const auto outcome = co_await caller.call(
      method, std::move(params), {.idempotent = idempotent, .on_progress = [method](const std::string& json) {
                                    fmt::print("{}: at {}\n", method, json);
                                  }});
  if (!outcome) {
    fmt::print("{}: no answer: {}\n", method, outcome.error().detail);
  } else if (outcome->error) {
    fmt::print("{}: error {}: {}\n", method, static_cast<int>(outcome->error->code), outcome->error->message);
  } else {
    fmt::print("{}: {}\n", method, outcome->result->write());
  }
}

net::Task<void> call_all(rpcnode::CallerTask& caller) {
  co_await net::join(call_and_tell(caller, "tank.fill", Json::Object{{"litres", 3}}, false),
                     call_and_tell(caller, "tank.level", nullptr, true));
  co_await call_and_tell(caller, "tank.fill", Json::Object{{"litres", 1'000}}, false);
  co_await call_and_tell(caller, "tank.empty", nullptr, false);
}

Result<void> run(std::string_view broker, std::string_view name, const std::filesystem::path& key_file) {
  const SystemClock clock;
  crypto::SystemRandom random;
  TRY(const auto url, rpcnode::parse_broker_url(broker));
  TRY(const auto node, sealed::parse_node_name(name));
  TRY(const auto key, rpcnode::read_key_file(key_file));
  net::Io io;
  net::TaskGroup tasks(io.executor());
  TRY(const auto callers, rpcnode::Callers::open(tasks, clock, random, {}, {{.address = url.address}}, {}));
  const auto caller = callers->make(node, sealed::KeyCredential{.key = sealed::derive_node_key(key.secret, node)});
  net::run(io, call_all(*caller));
  io.restart();
  net::run(io, callers->disconnect());
  io.restart();
  net::run(io, tasks.stop());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  net::ignore_sigpipe();
  log::start("example_caller", log::Level::warn);
  if (argc != 4) {
    fmt::print(stderr, "want: example_caller BROKER NODE KEY_FILE\n");
    return 2;
  }
  const auto done = run(argv[1], argv[2], argv[3]);
  if (!done) fmt::print(stderr, "example_caller: {}\n", done.error().detail);
  return done ? 0 : 1;
}
