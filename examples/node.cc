// A node whose methods are functions of this program: a tank that has a level and can be filled.
//
//   sallyport-agent rpc init --state ./tank --node tank-1 --broker mqtt://127.0.0.1
//   sallyport-agent rpc key-add --state ./tank --id plant-a --allow 'tank.*' > plant-a.key && chmod 600 plant-a.key
//   example_node ./tank
//   sallyport rpc call tank-1 tank.fill '{"litres": 3}' --broker mqtt://127.0.0.1 --key-file plant-a.key
//
// Everything that rpc.toml offers is there as well: brokers, keys, commands, endpoints, states.
#include "base/log.h"
#include "crypto/system_random.h"
#include "net/io.h"
#include "net/run.h"
#include "net/timer.h"
#include "rpcnode/node_program.h"

namespace {

using namespace sallyport;
using codec::Json;
using rpcnode::MethodCall;
using rpcnode::MethodFault;
using rpcnode::MethodResult;

constexpr std::int64_t kMostLitres = 100;
constexpr milliseconds kPerLitre{20};

struct Tank {
  std::int64_t litres = 0;
};

// Methods are coroutines on the node's one thread, so the tank needs no lock. The tank outlives the node.
net::Task<MethodResult> level(const Tank& tank, MethodCall) {
  co_return Json(Json::Object{{"litres", tank.litres}});
}

// Tells how far it is, and stops when the caller's time is over.
net::Task<MethodResult> fill(Tank& tank, MethodCall call) {
  const auto wanted = call.params.integer_at("litres");
  if (!wanted || *wanted < 1)
    co_return std::unexpected(
        MethodFault{.code = sealed::RpcCode::invalid_params, .message = "litres: want 1 or more"});
  if (*wanted > kMostLitres - tank.litres)
    co_return std::unexpected(
        MethodFault{.message = "the tank would run over", .data = Json::Object{{"free", kMostLitres - tank.litres}}});
  for (std::int64_t filled = 1; filled <= *wanted; ++filled) {
    if (call.deadline.passed())
      co_return std::unexpected(MethodFault{.code = sealed::RpcCode::timed_out, .message = "not filled in time"});
    co_await net::sleep_for(kPerLitre);
    ++tank.litres;
    call.progress(Json::Object{{"litres", tank.litres}});
  }
  co_return Json(Json::Object{{"litres", tank.litres}});
}

Result<void> add_methods(rpcnode::Node& node, Tank& tank) {
  // Asking twice does no harm: it may run out of a caller's first message.
  TRY_VOID(node.add_method("tank.level", {.description = "how full it is",
                                          .idempotent = true,
                                          .run = [&tank](MethodCall call) { return level(tank, std::move(call)); }}));
  // Filling twice does: a call runs once, whatever is lost or comes again. And one at a time.
  return node.add_method("tank.fill", {.description = "fills litres", .concurrent = 1, .run = [&tank](MethodCall call) {
                                         return fill(tank, std::move(call));
                                       }});
}

Result<void> run(const std::filesystem::path& folder) {
  const SystemClock clock;
  crypto::SystemRandom random;
  Tank tank;
  net::Io io;
  net::TaskGroup tasks(io.executor());
  TRY(auto settings, rpcnode::load_settings(folder / rpcnode::kSettingsFile));
  TRY(const auto program, rpcnode::NodeProgram::open(tasks, clock, random, folder, std::move(settings)));
  TRY_VOID(add_methods(program->node(), tank));
  io.on_termination([&io] { io.stop(); });
  io.run();
  // Lets what runs end, and takes leave of the brokers.
  io.restart();
  net::run(io, program->finish(seconds(2)));
  io.restart();
  net::run(io, tasks.stop());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  net::ignore_sigpipe();
  log::start("example_node", log::Level::info);
  if (argc != 2) {
    fmt::print(stderr, "want: example_node FOLDER\n");
    return 2;
  }
  const auto done = run(argv[1]);
  if (!done) fmt::print(stderr, "example_node: {}\n", done.error().detail);
  return done ? 0 : 1;
}
