// What lies between a role and its authority, to be cut and mended.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/connect.h"
#include "net/copy.h"
#include "net/listener.h"

namespace sallyport::integration {

class Cable {
 public:
  // Listens at `path` and leads to the socket `to`.
  Cable(net::Executor executor, const std::string& path, std::string to)
      : path_(path),
        state_(std::make_shared<State>(executor, *net::Listener::unix_socket(executor, path), std::move(to))) {
    net::spawn(executor, accept(state_), "test.cable");
  }
  ~Cable() {
    state_->listener->close();
    cut();
  }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  const std::string& path() const { return path_; }
  // Ends what leads through it, and whatever begins until it is mended.
  void cut() {
    state_->whole = false;
    for (const auto& end : std::exchange(state_->ends, {})) end->close();
  }
  void mend() { state_->whole = true; }

 private:
  using End = std::shared_ptr<net::Stream>;
  struct State {
    State(net::Executor on, std::unique_ptr<net::Listener> at, std::string leads_to)
        : executor(on), listener(std::move(at)), to(std::move(leads_to)) {}
    net::Executor executor;
    std::unique_ptr<net::Listener> listener;
    std::string to;
    bool whole = true;
    std::vector<End> ends;
  };
  static constexpr milliseconds kLongest{600'000};

  static net::Task<void> accept(std::shared_ptr<State> state) {
    for (;;) {
      auto near = co_await state->listener->accept(net::Deadline::never());
      if (!near) co_return;
      if (state->whole) net::spawn(state->executor, lead(state, *std::move(near)), "test.cable-copy");
    }
  }
  static net::Task<void> lead(std::shared_ptr<State> state, net::StreamPtr accepted) {
    const End near = std::move(accepted);
    auto connected = co_await net::connect_unix(state->to, kLongest);
    if (!connected || !state->whole) co_return;
    const End far = *std::move(connected);
    state->ends.insert(state->ends.end(), {near, far});
    static_cast<void>(co_await net::copy_both_ways(*near, *far, kLongest));
  }

  std::string path_;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::integration
