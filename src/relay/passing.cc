#include "relay/passing.h"

#include "base/log.h"
#include "net/connect.h"
#include "net/descriptor_passing.h"
#include "relay/limits.h"

namespace sallyport::relay {

struct Passing::State {
  struct Waiting {
    std::unique_ptr<net::RawSocket> socket;
    net::Deadline deadline;
  };

  State(net::Executor on, std::string to) : executor(on), path(std::move(to)), work(on) {}

  net::Executor executor;
  std::string path;
  net::Event work;
  std::deque<Waiting> queue;
  net::StreamPtr channel;
  bool closed = false;

  void drop_late() {
    while (!queue.empty() && queue.front().deadline.passed()) {
      queue.front().socket->reset();
      queue.pop_front();
    }
  }
};

Passing::Passing(net::Executor executor, std::string path)
    : state_(std::make_shared<State>(executor, std::move(path))) {
  net::spawn(executor, send_all(state_), "relay.passing");
}

Passing::~Passing() {
  close();
}

void Passing::close() {
  state_->closed = true;
  state_->queue.clear();
  if (state_->channel) state_->channel->close();
  state_->work.set();
}

std::size_t Passing::waiting() const {
  return state_->queue.size();
}

void Passing::pass(std::unique_ptr<net::RawSocket> socket) {
  if (state_->closed || state_->queue.size() >= kMaxPassing) {
    log::warn("relay.passing-overloaded", {{"to", state_->path}});
    return socket->reset();
  }
  state_->queue.push_back({.socket = std::move(socket), .deadline = kPassDeadline});
  state_->work.set();
}

net::Task<void> Passing::send_all(std::shared_ptr<State> state) {
  while (!state->closed) {
    if (state->queue.empty()) {
      state->work.clear();
      static_cast<void>(co_await state->work.wait(net::Deadline::never()));
      continue;
    }
    if (!state->channel) {
      auto connected = co_await net::connect_unix(state->path, kPassDeadline);
      if (!connected) {
        log::warn("relay.passing-unreachable", {{"to", state->path}, {"error", connected.error()}});
        co_await net::sleep_for(kPassRetry);
        state->drop_late();
        continue;
      }
      state->channel = *std::move(connected);
      state->drop_late();
      continue;
    }
    auto next = std::move(state->queue.front());
    state->queue.pop_front();
    if (!next.socket->is_open()) continue;
    Bytes metadata = to_bytes(net::to_string(next.socket->peer()));
    // A broken channel takes this one connection with it: half a message cannot be repeated.
    auto sent =
        co_await net::send_descriptor(*state->channel, next.socket->release(), std::move(metadata), kPassDeadline);
    if (!sent) {
      log::warn("relay.passing-broken", {{"to", state->path}, {"error", sent.error()}});
      state->channel.reset();
    }
  }
}

}  // namespace sallyport::relay
