#include "net/raw_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "net/detail/readiness.h"
#include "net/detail/socket_stream.h"
#include "net/listener.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

// What end_with() throws away at most: a hello and some.
constexpr std::size_t kBulkDiscard = 16 * 1024;
constexpr std::size_t kDiscardRounds = 16;

bool has_hung_up(int socket) {
  pollfd poll{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return ::poll(&poll, 1, 0) != 0;
}

std::size_t unread_bytes(int socket) {
  int count = 0;
  return ::ioctl(socket, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

// Whose readiness knows nothing of SO_RCVLOWAT.
bool is_unix_socket(int socket) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  return ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

void set_number(int socket, int level, int option, std::int64_t value) {
  const int number = static_cast<int>(value);
  // Refused only on a socket that is gone, which the next read tells.
  static_cast<void>(::setsockopt(socket, level, option, &number, sizeof(number)));
}

void apply(int socket, const SocketOptions& options) {
  if (options.no_delay) set_number(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.user_timeout.count() > 0) {
    set_number(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout.count());
  }
  if (options.keepalive_idle.count() > 0) {
    set_number(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_number(socket, IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_idle.count());
  }
  if (options.keepalive_interval.count() > 0) {
    set_number(socket, IPPROTO_TCP, TCP_KEEPINTVL, options.keepalive_interval.count());
  }
}

}  // namespace

RawSocket::RawSocket(Executor executor, Descriptor socket, Address peer)
    : readiness_(std::make_unique<Readiness>(std::move(executor), std::move(socket))), peer_(std::move(peer)) {}

RawSocket::~RawSocket() = default;

void RawSocket::set_low_water(std::size_t bytes) {
  set_number(readiness_->get(), SOL_SOCKET, SO_RCVLOWAT, static_cast<std::int64_t>(bytes));
  has_low_water_ = bytes > 1;
}

void RawSocket::drop_low_water() {
  if (has_low_water_ && is_open()) set_low_water(1);
}

Task<Result<std::size_t>> RawSocket::peek(std::span<std::uint8_t> into, std::size_t at_least, Deadline deadline) {
  SALLYPORT_CHECK(at_least >= 1 && at_least <= into.size());
  bool has_waited_for_more = false;
  while (readiness_->is_open()) {
    const ssize_t got = ::recv(readiness_->get(), into.data(), into.size(), MSG_PEEK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && !would_block(errno)) co_return system_error("first bytes", errno);
    const std::size_t count = got < 0 ? 0 : static_cast<std::size_t>(got);
    if (count >= at_least) {
      drop_low_water();
      co_return count;
    }
    // Woken with too little: the peer's end, or memory so short that the kernel gives up on the mark.
    const bool is_over = got == 0 || (count > 0 && has_hung_up(readiness_->get()));
    if (is_over) co_return fail(Errc::unavailable, "first bytes: the peer ended");
    if (count > 0 && is_unix_socket(readiness_->get())) {
      CO_TRY_VOID(co_await readiness_->wait_for_news(deadline));
      continue;
    }
    if (has_waited_for_more && count > 0) co_return fail(Errc::overloaded, "first bytes: no room for them");
    if (at_least > 1) {
      set_low_water(at_least);
      has_waited_for_more = true;
    }
    if (count == 0) readiness_->set_blocking(Direction::read);
    CO_TRY_VOID(co_await readiness_->wait(Direction::read, deadline));
  }
  co_return fail(Errc::unavailable, "first bytes: closed");
}

Result<Bytes> RawSocket::take(std::size_t count) {
  Bytes out(count);
  const ssize_t got = ::recv(readiness_->get(), out.data(), out.size(), 0);
  if (got != static_cast<ssize_t>(count)) return fail(Errc::unavailable, "first bytes: gone before they were taken");
  return out;
}

Task<Result<void>> RawSocket::until_gone(Deadline deadline) {
  if (!readiness_->is_open()) co_return fail(Errc::unavailable, "wait: closed");
  while (!readiness_->has_hung_up() && unread_bytes(readiness_->get()) <= kMaxUnreadWhileWaiting) {
    CO_TRY_VOID(co_await readiness_->wait_for_news(deadline));
  }
  co_return Result<void>{};
}

Task<Result<void>> RawSocket::until_readable(Deadline deadline) {
  if (!readiness_->is_open()) co_return fail(Errc::unavailable, "wait: closed");
  co_return co_await readiness_->wait(Direction::read, deadline);
}

void RawSocket::end_with(ByteView last_words) {
  const int socket = readiness_->get();
  if (socket < 0) return;
  std::array<std::uint8_t, kBulkDiscard> discarded;
  for (std::size_t rounds = 0; rounds < kDiscardRounds; ++rounds) {
    if (::recv(socket, discarded.data(), discarded.size(), MSG_DONTWAIT) <= 0) break;
  }
  if (!last_words.empty()) {
    static_cast<void>(::send(socket, last_words.data(), last_words.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  static_cast<void>(::shutdown(socket, SHUT_WR));
  readiness_->close();
}

void RawSocket::reset() {
  if (!readiness_->is_open()) return;
  reset_at_close(readiness_->get());
  readiness_->close();
}

void RawSocket::close() {
  readiness_->close();
}

Descriptor RawSocket::release() {
  drop_low_water();
  return readiness_->release();
}

std::unique_ptr<Readiness> RawSocket::dissolve(std::unique_ptr<RawSocket> socket) {
  socket->drop_low_water();
  return std::move(socket->readiness_);
}

std::unique_ptr<PolledDescriptor> RawSocket::take_polled() {
  drop_low_water();
  return readiness_->take_polled();
}

bool RawSocket::is_open() const {
  return readiness_->is_open();
}

int RawSocket::native() const {
  return readiness_->get();
}

const Executor& RawSocket::executor() const {
  return readiness_->executor();
}

RawListener::RawListener(Executor executor, Descriptor listening, SocketOptions options)
    : readiness_(std::make_unique<Readiness>(std::move(executor), std::move(listening))) {
  // tcp(7): what is accepted inherits them, at no cost per connection.
  if (address().port != 0) apply(readiness_->get(), options);
}

RawListener::~RawListener() = default;

Task<Result<std::unique_ptr<RawSocket>>> RawListener::accept() {
  while (readiness_->is_open()) {
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    Descriptor socket(
        ::accept4(readiness_->get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const int cause = errno;
    if (socket.is_open()) {
      co_return std::make_unique<RawSocket>(readiness_->executor(), std::move(socket), to_address(from));
    }
    if (would_block(cause)) {
      readiness_->set_blocking(Direction::read);
      CO_TRY_VOID(co_await readiness_->wait(Direction::read, Deadline::never()));
    } else if (cause == EMFILE || cause == ENFILE || cause == ENOBUFS || cause == ENOMEM) {
      co_await sleep_for(kAcceptPause);
    } else if (cause == EBADF || cause == EINVAL || cause == ENOTSOCK) {
      co_return system_error("accept", cause);
    }
  }
  co_return fail(Errc::unavailable, "accept: closed");
}

void RawListener::close() {
  readiness_->close();
}

Address RawListener::address() const {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (::getsockname(readiness_->get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return {};
  return to_address(bound);
}

}  // namespace sallyport::net
