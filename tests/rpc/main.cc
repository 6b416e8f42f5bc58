// rpc_peer node FOLDER: the node of a folder with two methods more, `count`, which writes down that it ran, and `look`.
// rpc_peer call KEY_FILE NODE BROKER FIRST COUNT PARALLEL: calls `count` with FIRST to FIRST + COUNT - 1, each until it
// is answered or was tried kTries times under its one id, and writes what came of each to standard output: "N
// answered|unknown|silent".
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "crypto/system_random.h"
#include "net/io.h"
#include "net/run.h"
#include "net/timer.h"
#include "rpcnode/callers.h"
#include "rpcnode/key_file.h"
#include "rpcnode/node_program.h"

namespace sallyport {
namespace {

using codec::Json;

constexpr int kTries = 8;
constexpr seconds kTryLimit{8};

std::string marker_of(std::int64_t number) {
  return fmt::format("PLAINTEXT-MARKER-{}", number);
}

// One line a run, in one write: what a killed process has begun is there or not.
net::Task<rpcnode::MethodResult> count(int file, rpcnode::MethodCall call) {
  const auto number = call.params.integer_at("number");
  if (!number)
    co_return std::unexpected(rpcnode::MethodFault{.code = sealed::RpcCode::invalid_params, .message = "no number"});
  const std::string line = fmt::format("{}\n", *number);
  if (::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    co_return std::unexpected(rpcnode::MethodFault{.code = sealed::RpcCode::failed, .message = "cannot write"});
  co_return Json(Json::Object{{"number", *number}, {"marker", marker_of(*number)}});
}

net::Task<rpcnode::MethodResult> look(rpcnode::MethodCall call) {
  co_return call.params;
}

Result<void> run_node(const std::filesystem::path& folder) {
  const SystemClock clock;
  crypto::SystemRandom random;
  TRY(auto settings, rpcnode::load_settings(folder / rpcnode::kSettingsFile));
  const int file = ::open((folder / "ran").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return failf(Errc::unavailable, "ran: {}", std::strerror(errno));
  net::Io io;
  net::TaskGroup tasks(io.executor());
  TRY(const auto program, rpcnode::NodeProgram::open(tasks, clock, random, folder, std::move(settings)));
  rpcnode::Method counting{.description = "counts", .concurrent = rpcnode::kMaxConcurrent};
  counting.run = [file](rpcnode::MethodCall call) { return count(file, std::move(call)); };
  rpcnode::Method looking{.description = "looks", .idempotent = true, .concurrent = rpcnode::kMaxConcurrent};
  looking.run = look;
  TRY_VOID(program->node().add_method("count", std::move(counting)));
  TRY_VOID(program->node().add_method("look", std::move(looking)));
  io.on_termination([&io] { io.stop(); });
  io.run();
  io.restart();
  net::run(io, program->finish(seconds(2)));
  io.restart();
  net::run(io, tasks.stop());
  ::close(file);
  return {};
}

struct Load {
  std::int64_t next = 0;
  std::int64_t end = 0;
  std::int64_t wrong = 0;
};

Result<std::int64_t> number_in(const sealed::ReplyBody& reply, const Json& id) {
  TRY(const std::string text, rpcnode::done_text(reply));
  TRY(const auto outcome, sealed::parse_rpc_response(text, id));
  if (outcome.error) return fail(Errc::internal, outcome.error->message);
  TRY(const std::int64_t number, outcome.result->integer_at("number"));
  TRY(const std::string marker, outcome.result->text_at("marker"));
  if (marker != marker_of(number)) return fail(Errc::internal, "another marker");
  return number;
}

net::Task<const char*> call_until_answered(rpcnode::CallerTask& caller, Random& random, const Clock& clock,
                                           std::int64_t number, Load& load) {
  const sealed::CallId id = sealed::draw_call_id(clock.now(), random);
  const Json json_id(sealed::to_text(id));
  const std::string text =
      sealed::rpc_request(json_id, "count", Json(Json::Object{{"number", number}, {"marker", marker_of(number)}}));
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const auto reply = co_await caller.send(id, text, {.timeout = kTryLimit});
    if (!reply) continue;
    if (reply->status == sealed::ReplyStatus::outcome_unknown) co_return "unknown";
    if (reply->status == sealed::ReplyStatus::overloaded) {
      co_await net::sleep_for(milliseconds(200));
      continue;
    }
    if (reply->status != sealed::ReplyStatus::done) continue;
    const auto answered = number_in(*reply, json_id);
    if (!answered || *answered != number) {
      ++load.wrong;
      fmt::print(stderr, "{}: {}\n", number, answered ? std::to_string(*answered) : answered.error().detail);
    }
    co_return "answered";
  }
  co_return "silent";
}

net::Task<void> call_on(rpcnode::CallerTask& caller, Random& random, const Clock& clock, Load& load) {
  while (load.next < load.end) {
    const std::int64_t number = load.next++;
    const char* outcome = co_await call_until_answered(caller, random, clock, number, load);
    fmt::print("{} {}\n", number, outcome);
  }
}

struct CallOrder {
  std::filesystem::path key_file;
  std::string node;
  std::string broker;
  std::int64_t first = 0, count = 0, parallel = 0;
};

Result<bool> run_calls(const CallOrder& order) {
  const SystemClock clock;
  crypto::SystemRandom random;
  TRY(const auto key, rpcnode::read_key_file(order.key_file));
  TRY(const auto node, sealed::parse_node_name(order.node));
  TRY(const auto url, rpcnode::parse_broker_url(order.broker));
  net::Io io;
  net::TaskGroup tasks(io.executor());
  TRY(const auto callers, rpcnode::Callers::open(tasks, clock, random, {}, {{.address = url.address}}, {}));
  const auto caller = callers->make(node, sealed::KeyCredential{.key = sealed::derive_node_key(key.secret, node)});
  Load load{.next = order.first, .end = order.first + order.count};
  net::TaskGroup calls(io.executor());
  for (std::int64_t i = 0; i < order.parallel; ++i) calls.spawn(call_on(*caller, random, clock, load), "call");
  net::run(io, calls.until_empty());
  fmt::print(stderr, "sessions {} resent {} dropped {}\n", caller->core().counts().sessions,
             caller->core().counts().resent, caller->core().counts().dropped);
  io.restart();
  net::run(io, callers->disconnect());
  io.restart();
  net::run(io, tasks.stop());
  return load.wrong == 0;
}

std::int64_t number_of(const char* text) {
  std::int64_t out = 0;
  std::from_chars(text, text + std::strlen(text), out);
  return out;
}

int run(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "node" && argc == 3) {
    const auto ran = run_node(argv[2]);
    if (!ran) fmt::print(stderr, "rpc_peer: {}\n", ran.error().detail);
    return ran ? 0 : 1;
  }
  if (mode == "call" && argc == 8) {
    const auto ran = run_calls({.key_file = argv[2],
                                .node = argv[3],
                                .broker = argv[4],
                                .first = number_of(argv[5]),
                                .count = number_of(argv[6]),
                                .parallel = number_of(argv[7])});
    if (!ran) fmt::print(stderr, "rpc_peer: {}\n", ran.error().detail);
    return ran && *ran ? 0 : 1;
  }
  fmt::print(stderr, "want: rpc_peer node FOLDER | call KEY_FILE NODE BROKER FIRST COUNT PARALLEL\n");
  return 2;
}

}  // namespace
}  // namespace sallyport

int main(int argc, char** argv) {
  sallyport::net::ignore_sigpipe();
  sallyport::log::start("rpc_peer", sallyport::log::Level::info);
  return sallyport::run(argc, argv);
}
