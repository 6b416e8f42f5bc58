#include "relay/passing.h"

#include <fcntl.h>

#include "base/log.h"
#include "net/connect.h"
#include "net/descriptor_passing.h"
#include "relay/limits.h"

namespace sallyport::relay {

constexpr std::string_view kPassedBack = "back ";

std::string encode_passed_source(const net::Address& source, bool passed_back) {
  return (passed_back ? std::string(kPassedBack) : std::string()) + net::to_string(source);
}

Result<PassedSource> parse_passed_source(std::string_view text) {
  const bool passed_back = text.starts_with(kPassedBack);
  if (passed_back) text.remove_prefix(kPassedBack.size());
  TRY(auto address, net::parse_address(text));
  return PassedSource{.address = std::move(address), .came = passed_back ? Came::passed_back : Came::passed_on};
}

struct Passing::State {
  struct Waiting {
    std::unique_ptr<net::RawSocket> socket;
    net::Deadline deadline;
  };

  State(net::Executor on, std::string to, bool back) : executor(on), path(std::move(to)), passes_back(back), work(on) {}

  net::Executor executor;
  std::string path;
  bool passes_back;
  net::Event work;
  std::deque<Waiting> queue;
  net::StreamPtr channel;
  std::function<void()> on_broken;       // set: there is no other channel
  net::Deadline quiet{milliseconds(0)};  // until then nothing is logged
  bool closed = false;

  // Strangers decide how often there is something to warn of.
  void warn(std::string_view event, const Error* error = nullptr) {
    if (!quiet.passed()) return;
    quiet = net::Deadline(kPassWarning);
    if (error == nullptr) return log::warn(event, {{"to", path}});
    log::warn(event, {{"to", path}, {"error", *error}});
  }

  void drop_late() {
    while (!queue.empty() && queue.front().deadline.passed()) {
      queue.front().socket->reset();
      queue.pop_front();
    }
  }
};

Passing::Passing(net::Executor executor, std::string path, bool passes_back)
    : state_(std::make_shared<State>(executor, std::move(path), passes_back)) {
  net::spawn(executor, send_all(state_), "relay.passing");
}

Passing::Passing(net::Executor executor, net::StreamPtr channel, std::function<void()> on_broken)
    : state_(std::make_shared<State>(executor, std::string("a predecessor"), false)) {
  state_->channel = std::move(channel);
  state_->on_broken = std::move(on_broken);
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
    state_->warn("relay.passing-overloaded");
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
        state->warn("relay.passing-unreachable", &connected.error());
        co_await net::sleep_for(kPassRetry);
        state->drop_late();
        continue;
      }
      state->channel = *std::move(connected);
      state->drop_late();
      continue;
    }
    co_await send_next(state);
  }
}

// Whoever had the channel may have ended: the connection then goes to the one that comes after.
net::Task<void> Passing::send_next(std::shared_ptr<State> state) {
  auto next = std::move(state->queue.front());
  state->queue.pop_front();
  if (!next.socket->is_open()) co_return;
  net::Descriptor copy(::fcntl(next.socket->native(), F_DUPFD_CLOEXEC, 0));
  Bytes metadata = to_bytes(encode_passed_source(next.socket->peer(), state->passes_back));
  const auto sent = co_await net::send_descriptor(*state->channel, std::move(copy), std::move(metadata), next.deadline);
  if (sent) co_return;
  state->warn("relay.passing-broken", &sent.error());
  state->channel.reset();
  if (state->closed) co_return;
  if (!state->on_broken) {
    state->queue.push_front(std::move(next));
    co_return;
  }
  next.socket->reset();
  for (auto& waiting : state->queue) waiting.socket->reset();
  state->queue.clear();
  state->closed = true;
  state->on_broken();
}

}  // namespace sallyport::relay
