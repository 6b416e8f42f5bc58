#include "net/detail/readiness.h"

#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "net/detail/leave.h"

namespace sallyport::net {

namespace asio = boost::asio;

namespace {

// Shared by a waiting coroutine and the loop's callback, of which either may be the last.
struct Wait {
  Wait(const Executor& executor, Deadline deadline) : timer(executor, deadline.at()) {}
  asio::steady_timer timer;
  asio::cancellation_signal cancel;
  boost::system::error_code outcome;
  bool done = false;
};

}  // namespace

Readiness::Readiness(Executor executor, Descriptor descriptor)
    : executor_(std::move(executor)), descriptor_(executor_) {
  boost::system::error_code error;
  const int number = descriptor.release();
  descriptor_.assign(number, error);
  if (error) {
    // epoll refuses only what we never pass: regular files and closed numbers.
    Descriptor(number).close();
    closed_ = true;
  }
}

Readiness::~Readiness() {
  close();
}

Task<Result<void>> Readiness::wait(Direction direction, Deadline deadline) {
  return direction == Direction::read ? wait_once(direction, deadline) : wait_to_write(deadline);
}

Task<Result<void>> Readiness::wait_to_write(Deadline deadline) {
  for (;;) {
    auto ready = co_await wait_once(Direction::write, earlier(deadline, kWindowLook));
    if (ready) window_.opened(get());
    if (ready || ready.error().code != Errc::expired || deadline.passed()) co_return ready;
    static_cast<void>(window_.look(get()));
  }
}

Task<Result<void>> Readiness::wait_once(Direction direction, Deadline deadline) {
  if (closed_) co_return fail(Errc::unavailable, "stream: closed");
  auto wait = std::make_shared<Wait>(executor_, deadline);
  const auto type =
      direction == Direction::read ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
  descriptor_.async_wait(
      type, asio::bind_cancellation_slot(wait->cancel.slot(), [wait](const boost::system::error_code& error) {
        wait->outcome = error;
        wait->done = true;
        wait->timer.cancel();
      }));
  turn_ = 0;
  boost::system::error_code ignored;
  co_await wait->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (!wait->done) {
    wait->cancel.emit(asio::cancellation_type::terminal);
    leave_if_ended(co_await asio::this_coro::cancellation_state, co_await asio::this_coro::throw_if_cancelled());
    co_return fail(Errc::expired, "stream: deadline passed");
  }
  if (wait->outcome) co_return fail(Errc::unavailable, "stream: closed while waiting");
  co_return Result<void>{};
}

bool Readiness::turn_is_over() {
  if (++turn_ < kTurnLength) return false;
  turn_ = 0;
  return true;
}

void Readiness::close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

Descriptor Readiness::release() {
  if (closed_) return {};
  closed_ = true;
  return Descriptor(descriptor_.release());
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
