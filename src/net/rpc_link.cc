#include "net/rpc_link.h"

#include <algorithm>

#include "base/log.h"
#include "net/connect.h"
#include "net/run.h"

namespace sallyport::net {

struct RpcLink::State {
  State(Executor on, Random& source, RpcLinkOptions chosen)
      : executor(std::move(on)), random(source), options(std::move(chosen)), connected(executor), closing(executor) {}

  Executor executor;
  Random& random;
  RpcLinkOptions options;
  std::shared_ptr<RpcPeer> peer;  // set once on_connect has succeeded
  std::shared_ptr<RpcPeer> opening;
  Event connected;
  Event closing;
};

RpcLink::RpcLink(Executor executor, Random& random, RpcLinkOptions options)
    : state_(std::make_shared<State>(std::move(executor), random, std::move(options))) {
  spawn(state_->executor, keep_connected(state_), "rpc.link");
}

RpcLink::~RpcLink() {
  close();
}

void RpcLink::close() {
  state_->closing.set();
  if (state_->opening) state_->opening->close();
  if (state_->peer) state_->peer->close();
  state_->connected.set();  // who waits shall see that nothing comes any more
}

void RpcLink::drop_connection() {
  if (state_->peer) state_->peer->close();
}

bool RpcLink::is_connected() const {
  return state_->peer && state_->peer->is_open();
}

Result<void> RpcLink::send_event(Bytes event) {
  if (!is_connected()) return failf(Errc::unavailable, "{}: not connected", state_->options.path);
  return state_->peer->send_event(std::move(event));
}

Task<Result<Bytes>> RpcLink::call(Bytes request, Deadline deadline) {
  return call_on(state_, std::move(request), deadline);
}

Task<Result<Bytes>> RpcLink::call_on(std::shared_ptr<State> state, Bytes request, Deadline deadline) {
  while (!state->peer || !state->peer->is_open()) {
    if (state->closing.is_set()) co_return failf(Errc::unavailable, "{}: closed", state->options.path);
    state->connected.clear();
    auto waited = co_await state->connected.wait(deadline);
    if (!waited) co_return failf(Errc::unavailable, "{}: no connection in time", state->options.path);
  }
  auto peer = state->peer;
  co_return co_await peer->call(std::move(request), deadline);
}

Task<Result<void>> RpcLink::connect_once(std::shared_ptr<State> state) {
  CO_TRY(auto stream, co_await connect_unix(state->options.path, state->options.connect_limit));
  if (state->closing.is_set()) co_return fail(Errc::unavailable, "rpc link: closed");
  auto peer = RpcPeer::start(std::move(stream), state->options.rpc);
  state->opening = peer;
  if (state->options.on_connect) {
    auto greeted = co_await state->options.on_connect(peer);
    if (!greeted) peer->close();
    if (!greeted) co_return greeted;
  }
  state->opening.reset();
  if (!peer->is_open()) co_return fail(Errc::unavailable, "rpc link: the connection ended at once");
  state->peer = peer;
  state->connected.set();
  co_return Result<void>{};
}

Task<void> RpcLink::keep_connected(std::shared_ptr<State> state) {
  co_await yield();  // the link's owner shall have it before on_connect runs
  auto pause = state->options.first_retry;
  while (!state->closing.is_set()) {
    auto connected = co_await connect_once(state);
    if (connected) {
      pause = state->options.first_retry;
      auto peer = state->peer;
      co_await peer->ended();
      state->peer.reset();
      if (state->options.on_disconnect) state->options.on_disconnect();
    } else {
      log::debug("rpc.link_failed", {{"path", state->options.path}, {"error", connected.error()}});
    }
    state->opening.reset();
    if (state->closing.is_set()) co_return;  // whose random this is may be gone by now
    // Decorrelated jitter: between the least pause and three times the last one.
    const auto least = state->options.first_retry.count();
    const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(1, 3 * pause.count() - least));
    const auto drawn = least + static_cast<std::int64_t>(state->random.below(spread));
    pause = std::min(milliseconds(drawn), state->options.longest_retry);
    static_cast<void>(co_await state->closing.wait(pause));
  }
}

}  // namespace sallyport::net
