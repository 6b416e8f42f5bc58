#include "agent/node_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "net/program.h"
#include "net/timer.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX has it in no header

namespace sallyport::agent {
namespace {

constexpr int kChannelNumber = 3;  // the first behind the standard streams
constexpr milliseconds kLook{20};
constexpr std::size_t kMostCalls = 8;
constexpr std::size_t kMostQueued = 2 * sealed::kMaxNodeFrame;

std::vector<std::string> node_environment() {
  const std::string own = std::string(kNodeChannelVariable) + "=";
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(own)) out.emplace_back(*entry);
  }
  out.push_back(own + std::to_string(kChannelNumber));
  return out;
}

// Starts `words` with `channel` as its descriptor kChannelNumber.
Result<pid_t> spawn_node(std::vector<std::string> words, int channel) {
  const std::string program = words.front();
  const auto child = net::start_program({.words = std::move(words),
                                         .environment = node_environment(),
                                         .descriptors = {{.descriptor = channel, .number = kChannelNumber}},
                                         .default_signals = {SIGPIPE, SIGTERM, SIGINT}});
  if (!child) return failf(Errc::unavailable, "node: {}: {}", program, std::strerror(child.error()));
  return *child;
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return fmt::format("ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace

struct NodeProcess::State : std::enable_shared_from_this<NodeProcess::State> {
  State(net::TaskGroup& group, const Clock& time, std::vector<std::string> program, NodeDesk answers,
        NodePauses intervals)
      : tasks(group),
        clock(time),
        words(std::move(program)),
        desk(std::move(answers)),
        pauses(intervals),
        stopping(group.executor()),
        over(group.executor()) {}
  ~State();

  net::TaskGroup& tasks;
  const Clock& clock;
  std::vector<std::string> words;
  NodeDesk desk;
  NodePauses pauses;
  net::Event stopping;
  net::Event over;
  bool is_kept = false;
  pid_t child = -1;
  std::shared_ptr<net::RpcPeer> peer;
  std::uint64_t starts = 0;
  UnixTime since;
  std::string fault;  // why we ended it
  std::string error;  // why it ended last

  static net::Task<Result<Bytes>> answer(std::weak_ptr<State> self, Bytes request, net::Caller caller);
  static net::Task<void> keep(std::shared_ptr<State> self);
  static net::Task<void> await_end(std::shared_ptr<State> self);
  Result<void> begin();
  bool reap(int options);
};

// Nobody is left behind, whatever happened.
NodeProcess::State::~State() {
  if (child < 0) return;
  ::kill(child, SIGKILL);
  reap(0);
}

net::Task<Result<Bytes>> NodeProcess::State::answer(std::weak_ptr<State> self, Bytes request, net::Caller caller) {
  const auto held = self.lock();
  if (!held) co_return fail(Errc::unavailable, "agent: is ending");
  auto found = held->desk.answer(request);
  if (held->desk.is_flooded()) {
    held->fault = "asked more than it may";
    caller.peer->close();
  }
  co_return found;
}

Result<void> NodeProcess::State::begin() {
  fault.clear();
  TRY(auto ends, net::make_socket_pair());
  TRY(auto stream, net::adopt_socket(tasks.executor(), std::move(ends.first)));
  TRY(child, spawn_node(words, ends.second.get()));
  ++starts;
  since = clock.now();
  desk.begin_anew();
  net::RpcOptions options{.max_frame = sealed::kMaxNodeFrame, .max_calls = kMostCalls, .max_queued = kMostQueued};
  options.on_request = [self = weak_from_this()](Bytes request, net::Caller caller) {
    return answer(self, std::move(request), std::move(caller));
  };
  // It has nothing to tell.
  options.on_event = [](const Bytes&, const net::Caller& caller) { caller.peer->close(); };
  peer = net::RpcPeer::start(std::move(stream), std::move(options));
  return {};
}

// Whether the child is gone; how it ended is noted.
bool NodeProcess::State::reap(int options) {
  int status = 0;
  pid_t found = 0;
  do {
    found = ::waitpid(child, &status, options);
  } while (found < 0 && errno == EINTR);
  if (found == 0) return false;
  error = (fault.empty() ? "" : fault + "; ") + (found == child ? describe_end(status) : "is gone");
  child = -1;
  since = clock.now();
  return true;
}

// Who has let go of the socket has ended, or shall.
net::Task<void> NodeProcess::State::await_end(std::shared_ptr<State> self) {
  const net::Deadline limit(self->pauses.stop);
  ::kill(self->child, SIGTERM);
  while (!self->reap(WNOHANG)) {
    if (limit.passed()) {
      ::kill(self->child, SIGKILL);
      self->reap(0);
      co_return;
    }
    co_await net::sleep_for(kLook);
  }
}

net::Task<void> NodeProcess::State::keep(std::shared_ptr<State> self) {
  milliseconds pause = self->pauses.first;
  while (!self->stopping.is_set()) {
    const Instant began = self->clock.monotonic();
    if (const auto begun = self->begin(); begun) {
      log::info("agent.node-started", {{"pid", self->child}});
      co_await self->peer->ended();
      co_await await_end(self);
      self->peer.reset();
    } else {
      self->error = begun.error().detail;
    }
    if (self->stopping.is_set()) break;
    if (self->clock.monotonic() - began >= self->pauses.settled) pause = self->pauses.first;
    log::warn("agent.node-ended", {{"error", self->error}, {"again_in_ms", pause.count()}});
    static_cast<void>(co_await self->stopping.wait(pause));
    pause = std::min(pause * 2, self->pauses.longest);
  }
  self->over.set();
}

NodeProcess::NodeProcess(net::TaskGroup& tasks, const Clock& clock, std::vector<std::string> words, NodeDesk desk,
                         NodePauses pauses)
    : state_(std::make_shared<State>(tasks, clock, std::move(words), std::move(desk), pauses)) {}

NodeProcess::~NodeProcess() {
  state_->stopping.set();
}

void NodeProcess::start() {
  if (std::exchange(state_->is_kept, true)) return;
  state_->tasks.spawn(State::keep(state_), "agent.node");
}

net::Task<void> NodeProcess::stop() {
  const std::shared_ptr<State> state = state_;
  state->stopping.set();
  if (!state->is_kept) co_return;
  if (state->child >= 0) ::kill(state->child, SIGTERM);
  const auto ended = co_await state->over.wait(state->pauses.stop);
  if (ended) co_return;
  if (state->child >= 0) ::kill(state->child, SIGKILL);
  static_cast<void>(co_await state->over.wait(state->pauses.stop));
}

void NodeProcess::tell_identity_changed() {
  // Who does not read will ask again by itself.
  if (state_->peer) static_cast<void>(state_->peer->send_event({sealed::kIdentityChanged}));
}

codec::Json NodeProcess::report() const {
  const State& state = *state_;
  const char* word = state.child >= 0 ? "running" : state.stopping.is_set() ? "ended" : "waiting";
  return codec::Json::Object{{"state", word},
                             {"pid", state.child >= 0 ? codec::Json(std::int64_t{state.child}) : codec::Json(nullptr)},
                             {"since", to_iso8601(state.since)},
                             {"starts", state.starts},
                             {"error", state.error}};
}

pid_t NodeProcess::pid() const {
  return state_->child;
}

std::uint64_t NodeProcess::starts() const {
  return state_->starts;
}

}  // namespace sallyport::agent
