#include "net/timer.h"

#include <algorithm>

#include "net/detail/leave.h"
#include "net/detail/parked.h"

namespace sallyport::net {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

Deadline::Deadline(milliseconds from_now) {
  const auto now = SteadyClock::now();
  const auto most = std::chrono::duration_cast<milliseconds>(SteadyClock::time_point::max() - now);
  at_ = from_now >= most ? SteadyClock::time_point::max() : now + from_now;
}

Deadline Deadline::never() {
  return Deadline(SteadyClock::time_point::max());
}

bool Deadline::passed() const {
  return SteadyClock::now() >= at_;
}

milliseconds Deadline::remaining() const {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(at_ - SteadyClock::now()));
}

Task<void> sleep_until(Deadline deadline) {
  Parked parked(co_await asio::this_coro::executor);
  co_await parked.until(deadline);
  leave_if_ended(co_await asio::this_coro::cancellation_state, co_await asio::this_coro::throw_if_cancelled());
}

Task<void> sleep_for(milliseconds duration) {
  return sleep_until(Deadline(duration));
}

struct Event::State {
  struct Waiter : Link {
    explicit Waiter(const Executor& executor) : parked(executor) {}
    Parked parked;
    bool woken = false;
  };

  explicit State(Executor on) : executor(std::move(on)) {}
  void wake_all() {
    while (!waiters.is_alone()) {
      auto& waiter = static_cast<Waiter&>(waiters.first());
      waiter.leave();
      waiter.woken = true;
      waiter.parked.wake();
    }
  }

  Executor executor;
  bool set = false;
  bool ended = false;
  Link waiters;
};

Event::Event(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

Event::~Event() {
  state_->ended = true;
  state_->wake_all();
}

void Event::set() {
  state_->set = true;
  state_->wake_all();
}

void Event::clear() {
  state_->set = false;
}

bool Event::is_set() const {
  return state_->set;
}

Task<Result<void>> Event::wait(Deadline deadline) {
  return wait_on(state_, deadline);
}

Task<Result<void>> Event::wait_on(std::shared_ptr<State> state, Deadline deadline) {
  if (state->set) co_return Result<void>{};
  if (state->ended) co_return fail(Errc::unavailable, "wait: what was waited for has gone");
  State::Waiter waiter(state->executor);
  state->waiters.append(waiter);
  co_await waiter.parked.until(deadline);
  if (!waiter.woken) {
    leave_if_ended(co_await asio::this_coro::cancellation_state, co_await asio::this_coro::throw_if_cancelled());
    co_return fail(Errc::expired, "wait: deadline passed");
  }
  if (state->ended && !state->set) co_return fail(Errc::unavailable, "wait: what was waited for has gone");
  co_return Result<void>{};
}

}  // namespace sallyport::net
