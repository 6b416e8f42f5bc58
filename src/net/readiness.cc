#include "net/detail/readiness.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <cstring>

#include "net/detail/leave.h"

namespace sallyport::net {

namespace asio = boost::asio;

// A coroutine that waits, in its frame: in the list of its descriptor, and in the wheel of its loop.
struct Readiness::Wait final : Readiness::Listed, Alarm {
  explicit Wait(Readiness& waited_for) : readiness(&waited_for), alarms(waited_for.alarms_) {
    readiness->waits_.append(static_cast<Listed&>(*this));
  }
  ~Wait() { alarms->clear(*this); }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  // Ends the wait for the other direction as well, which then goes on waiting.
  void on_deadline() override {
    is_over = true;
    boost::system::error_code ignored;
    if (readiness != nullptr) readiness->descriptor_.cancel(ignored);
  }
  void on_loop_end() override {}  // the coroutine is kept by the loop's list of waits

  Readiness* readiness;  // null when it was closed meanwhile
  Alarms* alarms;
  bool is_over = false;
};

Readiness::Readiness(Executor executor, Descriptor descriptor)
    : executor_(std::move(executor)), descriptor_(executor_), alarms_(&Alarms::of(executor_)) {
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
  turn_ = 0;
  Wait wait(*this);
  alarms_->set(wait, deadline);
  const auto type =
      direction == Direction::read ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
  for (;;) {
    const auto [error] = co_await descriptor_.async_wait(type, asio::as_tuple(asio::deferred));
    if (wait.readiness == nullptr) co_return fail(Errc::unavailable, "stream: closed while waiting");
    if (!error) co_return Result<void>{};
    const auto state = co_await asio::this_coro::cancellation_state;
    leave_if_ended(state, co_await asio::this_coro::throw_if_cancelled());
    if (wait.is_over || is_ended(state)) co_return fail(Errc::expired, "stream: deadline passed");
    if (error != asio::error::operation_aborted) co_return fail(Errc::unavailable, "stream: closed while waiting");
  }
}

bool Readiness::turn_is_over() {
  if (++turn_ < kTurnLength) return false;
  turn_ = 0;
  return true;
}

void Readiness::forget_waits() {
  while (!waits_.is_alone()) {
    auto& listed = static_cast<Listed&>(waits_.first());
    listed.leave();
    static_cast<Wait&>(listed).readiness = nullptr;
  }
}

void Readiness::close() {
  if (closed_) return;
  closed_ = true;
  forget_waits();
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

Descriptor Readiness::release() {
  if (closed_) return {};
  closed_ = true;
  forget_waits();
  return Descriptor(descriptor_.release());
}

asio::posix::stream_descriptor Readiness::release_registered() {
  if (closed_) return asio::posix::stream_descriptor(executor_);
  closed_ = true;
  forget_waits();
  boost::system::error_code ignored;
  descriptor_.cancel(ignored);
  return std::move(descriptor_);
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
