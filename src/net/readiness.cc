#include "net/detail/readiness.h"

#include <sys/socket.h>

#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <cstring>

#include "net/detail/leave.h"
#include "net/detail/parked.h"

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

// A coroutine that waits for a descriptor, in its frame.
struct Wait final : Watcher {
  Wait(const Executor& executor, PolledDescriptor& waited_for, Direction waited_in)
      : polled(waited_for), direction(waited_in), parked(executor) {}
  void on_ready() override {
    // It goes on already, with what else happened, and is to be told yet if this is closed before.
    if (!parked.is_waiting()) return polled.watch_for_news(*this, direction);
    is_ready = true;
    parked.resume();
  }
  void on_closed() override {
    is_closed = true;
    parked.wake();
  }
  void on_loop_end() override {}  // the loop's alarms hold the coroutine

  PolledDescriptor& polled;
  const Direction direction;
  Parked parked;
  bool is_ready = false;
  bool is_closed = false;
};

}  // namespace

Readiness::Readiness(Executor executor, Descriptor descriptor)
    : executor_(std::move(executor)), polled_(std::make_unique<PolledDescriptor>(executor_, std::move(descriptor))) {}

Readiness::~Readiness() = default;

Task<Result<void>> Readiness::wait(Direction direction, Deadline deadline) {
  return direction == Direction::read ? wait_once(direction, deadline, &PolledDescriptor::watch)
                                      : wait_to_write(deadline);
}

Task<Result<void>> Readiness::wait_for_news(Deadline deadline) {
  return wait_once(Direction::read, deadline, &PolledDescriptor::watch_for_news);
}

Task<Result<void>> Readiness::wait_to_write(Deadline deadline) {
  for (;;) {
    auto ready = co_await wait_once(Direction::write, earlier(deadline, kWindowLook), &PolledDescriptor::watch);
    if (ready) window_.opened(get());
    if (ready || ready.error().code != Errc::expired || deadline.passed()) co_return ready;
    static_cast<void>(window_.look(get()));
  }
}

Task<Result<void>> Readiness::wait_once(Direction direction, Deadline deadline, Watch watch) {
  if (!is_open()) co_return fail(Errc::unavailable, "stream: closed");
  turn_ = 0;
  Wait wait(executor_, *polled_, direction);
  ((*polled_).*watch)(wait, direction);
  co_await wait.parked.until(deadline);
  if (wait.is_closed) co_return fail(Errc::unavailable, "stream: closed while waiting");
  if (wait.is_ready) co_return Result<void>{};
  leave_if_ended(co_await asio::this_coro::cancellation_state, co_await asio::this_coro::throw_if_cancelled());
  co_return fail(Errc::expired, "stream: deadline passed");
}

void Readiness::set_blocking(Direction direction) {
  if (is_open()) polled_->set_blocking(direction);
}

bool Readiness::turn_is_over() {
  if (++turn_ < kTurnLength) return false;
  turn_ = 0;
  return true;
}

Descriptor Readiness::release() {
  const auto polled = std::move(polled_);
  return polled ? polled->release() : Descriptor();
}

std::unique_ptr<PolledDescriptor> Readiness::take_polled() {
  if (!is_open()) return nullptr;
  polled_->drop_watchers();
  return std::move(polled_);
}

bool would_block(int cause) {
  return cause == EAGAIN || cause == EWOULDBLOCK;
}

void reset_at_close(int socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
}

std::unexpected<Error> system_error(std::string_view where, int cause) {
  Errc code = Errc::unavailable;
  switch (cause) {
    case EACCES:
    case EPERM:
      code = Errc::unauthorized;
      break;
    case ENOENT:
      code = Errc::not_found;
      break;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      code = Errc::overloaded;
      break;
    case EADDRINUSE:
      code = Errc::conflict;
      break;
    default:
      break;
  }
  return failf(code, "{}: {}", where, std::strerror(cause));
}

}  // namespace sallyport::net
