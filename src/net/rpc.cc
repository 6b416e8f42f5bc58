#include "net/rpc.h"

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "net/run.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kMaxSentence = 1024;  // of an error that goes to the peer
constexpr std::size_t kWrittenAtOnce = 64 * 1024;

// One call of ours that waits for its answer.
struct Pending {
  explicit Pending(const Executor& executor) : answered(executor) {}
  Event answered;
  std::optional<Result<Bytes>> answer;
};

}  // namespace

struct RpcPeer::State {
  State(StreamPtr stream, RpcOptions chosen)
      : executor(stream->executor()),
        info(stream->peer()),
        options(std::move(chosen)),
        channel(std::move(stream), options.max_frame),
        to_write(executor),
        ended(executor) {}

  // From the queue what is written at once: at least one frame, and no further ones than kWrittenAtOnce holds.
  std::vector<Bytes> take_frames() {
    std::vector<Bytes> taken;
    std::size_t size = 0;
    while (!queue.empty() && (taken.empty() || size + queue.front().size() <= kWrittenAtOnce)) {
      size += queue.front().size();
      taken.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    queued -= size;
    return taken;
  }

  Executor executor;
  PeerInfo info;
  RpcOptions options;
  FrameChannel channel;
  bool open = true;
  std::uint64_t next_id = 1;
  std::map<std::uint64_t, std::shared_ptr<Pending>> calls;
  std::size_t answering = 0;
  std::deque<Bytes> queue;
  std::size_t queued = 0;
  Event to_write;
  Event ended;
};

const PeerInfo& Caller::info() const {
  return peer->info();
}

RpcPeer::RpcPeer(std::unique_ptr<State> state) : state_(std::move(state)) {}
RpcPeer::~RpcPeer() = default;

std::shared_ptr<RpcPeer> RpcPeer::start(StreamPtr stream, RpcOptions options) {
  std::shared_ptr<RpcPeer> peer(new RpcPeer(std::make_unique<State>(std::move(stream), std::move(options))));
  spawn(peer->state_->executor, read_frames(peer), "rpc.read");
  spawn(peer->state_->executor, write_frames(peer), "rpc.write");
  return peer;
}

bool RpcPeer::is_open() const {
  return state_->open;
}

const PeerInfo& RpcPeer::info() const {
  return state_->info;
}

void RpcPeer::close() {
  end();
}

void RpcPeer::end() {
  if (!std::exchange(state_->open, false)) return;
  state_->channel.close();
  for (auto& [id, call] : std::exchange(state_->calls, {})) {
    call->answer = fail(Errc::unavailable, "rpc: the connection ended before the answer");
    call->answered.set();
  }
  state_->queue.clear();
  state_->queued = 0;
  state_->to_write.set();
  state_->ended.set();
}

Task<void> RpcPeer::ended() {
  auto self = shared_from_this();
  static_cast<void>(co_await self->state_->ended.wait(Deadline::never()));
}

Result<void> RpcPeer::enqueue(RpcFrame frame) {
  if (!state_->open) return fail(Errc::unavailable, "rpc: the connection has ended");
  auto bytes = encode_rpc_frame(frame);
  if (bytes.size() > state_->options.max_frame) {
    return failf(Errc::overloaded, "rpc: frame of {} bytes, want {} or fewer", bytes.size(), state_->options.max_frame);
  }
  if (bytes.size() > state_->options.max_queued - state_->queued) {
    return failf(Errc::overloaded, "rpc: {} bytes wait for the peer already", state_->queued);
  }
  state_->queued += bytes.size();
  state_->queue.push_back(std::move(bytes));
  state_->to_write.set();
  return {};
}

Result<void> RpcPeer::send_event(Bytes event) {
  return enqueue({.id = 0, .kind = RpcKind::event, .body = std::move(event)});
}

Task<Result<Bytes>> RpcPeer::call(Bytes request, Deadline deadline) {
  auto self = shared_from_this();
  auto& state = *self->state_;
  if (state.calls.size() >= state.options.max_calls) {
    co_return failf(Errc::overloaded, "rpc: {} calls are under way already", state.calls.size());
  }
  const auto id = state.next_id++;
  RpcFrame frame{.id = id, .kind = RpcKind::request, .body = std::move(request)};
  CO_TRY_VOID(self->enqueue(std::move(frame)));
  auto call = std::make_shared<Pending>(state.executor);
  state.calls.emplace(id, call);
  auto waited = co_await call->answered.wait(deadline);
  state.calls.erase(id);
  if (call->answer) co_return *std::move(call->answer);
  co_return std::unexpected<Error>(std::move(waited).error().at("rpc: no answer"));
}

Task<void> RpcPeer::read_frames(std::shared_ptr<RpcPeer> self) {
  auto& state = *self->state_;
  co_await yield();  // spawn() begins at once, and whoever called start() shall have its result first
  while (state.open) {
    auto bytes = co_await state.channel.read_when_any(state.options.write_limit);
    if (!bytes) break;
    auto frame = parse_rpc_frame(*bytes);
    if (!frame) {
      log::warn("rpc.malformed", {{"error", frame.error()}});
      break;
    }
    self->on_frame(*std::move(frame));
  }
  self->end();
}

void RpcPeer::on_frame(RpcFrame frame) {
  auto& state = *state_;
  switch (frame.kind) {
    case RpcKind::request:
      if (state.answering >= state.options.max_calls) {
        const Error refusal{Errc::overloaded, "rpc: too many calls at once"};
        if (!enqueue({.id = frame.id, .kind = RpcKind::error, .body = encode_rpc_error(refusal)})) end();
        return;
      }
      ++state.answering;
      spawn(state.executor, answer(shared_from_this(), frame.id, std::move(frame.body)), "rpc.answer");
      return;
    case RpcKind::event:
      if (state.options.on_event) state.options.on_event(std::move(frame.body), Caller{shared_from_this()});
      return;
    case RpcKind::answer:
    case RpcKind::error: {
      const auto call = state.calls.find(frame.id);
      if (call == state.calls.end()) return;  // it had expired
      if (frame.kind == RpcKind::answer) {
        call->second->answer = std::move(frame.body);
      } else {
        auto error = parse_rpc_error(frame.body);
        call->second->answer = error ? std::unexpected<Error>(*error) : std::unexpected<Error>(error.error());
      }
      call->second->answered.set();
      return;
    }
  }
}

namespace {

// A handler that throws fails its call and no other.
Task<Result<Bytes>> ask_handler(RpcHandler handler, Bytes request, Caller caller) {
  if (!handler) co_return fail(Errc::not_found, "rpc: this end answers no requests");
  try {
    co_return co_await handler(std::move(request), std::move(caller));
  } catch (const std::exception& error) {
    log::error("rpc.handler_failed", {{"what", error.what()}});
  }
  co_return fail(Errc::internal, "rpc: the handler failed");
}

RpcFrame to_frame(std::uint64_t id, Result<Bytes> result) {
  if (result) return {.id = id, .kind = RpcKind::answer, .body = *std::move(result)};
  result.error().detail.resize(std::min(result.error().detail.size(), kMaxSentence));
  return {.id = id, .kind = RpcKind::error, .body = encode_rpc_error(result.error())};
}

}  // namespace

Task<void> RpcPeer::answer(std::shared_ptr<RpcPeer> self, std::uint64_t id, Bytes request) {
  Caller caller{self};
  auto result = co_await ask_handler(self->state_->options.on_request, std::move(request), std::move(caller));
  --self->state_->answering;
  auto sent = self->enqueue(to_frame(id, std::move(result)));
  if (sent || !self->is_open()) co_return;
  // An answer that is too long is told as such; a peer that does not read has lost its connection.
  if (!self->enqueue(to_frame(id, std::unexpected<Error>(std::move(sent).error())))) self->end();
}

Task<void> RpcPeer::write_frames(std::shared_ptr<RpcPeer> self) {
  auto& state = *self->state_;
  while (state.open) {
    if (state.queue.empty()) {
      state.to_write.clear();
      static_cast<void>(co_await state.to_write.wait(Deadline::never()));
      continue;
    }
    const std::vector<Bytes> frames = state.take_frames();
    auto written = co_await state.channel.write(frames, state.options.write_limit);
    if (!written) break;
  }
  self->end();
}

Task<void> serve_rpc(StreamPtr stream, RpcOptions options) {
  auto peer = RpcPeer::start(std::move(stream), std::move(options));
  co_await peer->ended();
}

}  // namespace sallyport::net
