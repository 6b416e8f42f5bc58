#include "rpcnode/command_method.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "net/privileges.h"
#include "net/program.h"
#include "net/stream.h"
#include "net/timer.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

// A child in a process group of its own. Killed with its group, and waited for, at the end.
class Child {
 public:
  explicit Child(pid_t id) : id_(id) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (status_) return;
    ::kill(-id_, SIGKILL);
    while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  // Its exit status, 128 + signal; absent while it runs.
  std::optional<int> look() {
    int status = 0;
    if (!status_ && ::waitpid(id_, &status, WNOHANG) == id_)
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
  }
  // What it left running goes with it.
  void end_group() const { ::kill(-id_, SIGKILL); }

 private:
  pid_t id_;
  std::optional<int> status_;
};

// A socket each, since some programs refuse an input that is their output as well.
struct Spawned {
  pid_t id = 0;
  net::StreamPtr input;
  net::StreamPtr output;
};

Result<Spawned> spawn(net::Executor executor, std::vector<std::string> words, std::vector<std::string> environment) {
  TRY(auto input, net::make_socket_pair());
  TRY(auto output, net::make_socket_pair());
  // Programs expect to wait for their input.
  for (const int end : {input.second.get(), output.second.get()}) ::fcntl(end, F_SETFL, 0);
  const std::string program = words.front();
  // What the node may have is no limit for the programs of the device.
  const net::MemoryLimitLifted lifted;
  const auto child = net::start_program({.words = std::move(words),
                                         .environment = std::move(environment),
                                         .descriptors = {{.descriptor = input.second.get(), .number = STDIN_FILENO},
                                                         {.descriptor = output.second.get(), .number = STDOUT_FILENO}},
                                         .default_signals = {SIGPIPE},
                                         .own_group = true});
  if (!child) return failf(Errc::unavailable, "command '{}': cannot be run: error {}", program, child.error());
  Spawned out{.id = *child};
  auto to = net::adopt_socket(executor, std::move(input.first));
  auto from = net::adopt_socket(std::move(executor), std::move(output.first));
  if (!to || !from) {
    const Child ended(out.id);
    return fail(Errc::internal, "command: its streams cannot be used");
  }
  out.input = *std::move(to);
  out.output = *std::move(from);
  return out;
}

// Lines as they come; `rest` is what has no end yet, which is the result once the program has ended.
struct Output {
  std::string rest;
  std::size_t total = 0;
  std::optional<std::string> last;

  // Gives the line before each line to `progress`: the last one is the result.
  void take(std::string_view text, const std::function<void(Json)>& progress) {
    rest += text;
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      if (last) progress(value_of(*last));
      last = rest.substr(0, end);
      rest.erase(0, end + 1);
    }
  }
  void finish(const std::function<void(Json)>& progress) {
    if (!rest.empty()) take("\n", progress);
  }
  static Json value_of(const std::string& line) {
    if (auto json = codec::parse_json(line)) return *std::move(json);
    return codec::is_utf8(line) ? Json(line) : Json("output that is not UTF-8");
  }
  Json result() const { return last ? value_of(*last) : Json(nullptr); }
};

MethodFault command_fault(sealed::RpcCode code, std::string message, Json data = nullptr) {
  return {.code = code, .message = std::move(message), .data = std::move(data)};
}

net::Task<Result<void>> read_output(net::Stream& stream, Output& output, const MethodCall& call) {
  std::array<std::uint8_t, 4'096> buffer;
  while (true) {
    CO_TRY(const std::size_t count, co_await stream.read_some(buffer, call.deadline));
    if (count == 0) break;
    output.total += count;
    if (output.total > kMaxCommandOutput)
      co_return failf(Errc::overloaded, "more than {} bytes of output", kMaxCommandOutput);
    output.take(as_text(ByteView(buffer).first(count)), call.progress);
  }
  output.finish(call.progress);
  co_return Result<void>{};
}

// Absent at the deadline.
net::Task<std::optional<int>> wait_for(Child& child, net::Deadline deadline) {
  milliseconds pause{1};
  while (true) {
    if (const auto status = child.look()) co_return status;
    if (deadline.passed()) co_return std::nullopt;
    co_await net::sleep_for(pause);
    pause = std::min(pause * 2, milliseconds(50));
  }
}

}  // namespace

net::Task<MethodResult> run_command(std::vector<std::string> words, MethodCall call) {
  std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SALLYPORT_CALLER=" + call.principal,
                                       "SALLYPORT_METHOD=" + call.method,
                                       "SALLYPORT_CALL_ID=" + sealed::to_text(call.id)};
  auto spawned = spawn(co_await net::current_executor(), std::move(words), std::move(environment));
  if (!spawned) co_return std::unexpected(command_fault(sealed::RpcCode::internal_error, spawned.error().detail));
  Child child(spawned->id);
  const std::string input = call.params.write() + "\n";
  // A program that does not read its input is no fault.
  static_cast<void>(co_await spawned->input->write_all(as_bytes(input), call.deadline));
  spawned->input->close();
  Output output;
  const auto read = co_await read_output(*spawned->output, output, call);
  if (!read && read.error().code == Errc::overloaded)
    co_return std::unexpected(command_fault(sealed::RpcCode::too_large, read.error().detail));
  const auto status = co_await wait_for(child, call.deadline);
  child.end_group();
  if (!status) co_return std::unexpected(command_fault(sealed::RpcCode::timed_out, "it ran longer than it may"));
  if (*status != 0)
    co_return std::unexpected(
        command_fault(sealed::RpcCode::failed, fmt::format("ended with status {}", *status), output.result()));
  co_return output.result();
}

}  // namespace sallyport::rpcnode
