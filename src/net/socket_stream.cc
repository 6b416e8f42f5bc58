#include "net/detail/socket_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <cerrno>
#include <cstring>

#include "net/run.h"

namespace sallyport::net {
namespace {

Result<void> set_option(int socket, int level, int option, std::int64_t value) {
  const int number = static_cast<int>(value);
  if (::setsockopt(socket, level, option, &number, sizeof(number)) == 0) return {};
  return system_error("socket option", errno);
}

Task<Result<void>> without_waiting(Result<void> outcome) {
  co_return outcome;
}

}  // namespace

SocketStream::SocketStream(Executor executor, Descriptor socket, PeerInfo peer)
    : readiness_(std::move(executor), std::move(socket)), peer_(std::move(peer)) {}

Result<std::optional<std::size_t>> SocketStream::take(std::span<std::uint8_t> into) {
  const ssize_t got = ::recv(readiness_.get(), into.data(), into.size(), 0);
  const int cause = errno;
  if (got < 0 && cause == EINTR) return std::optional<std::size_t>();
  if (got < 0 && !would_block(cause)) return system_error("stream: read", cause);
  // A Unix socket's read ends after a descriptor that was passed, whatever comes after it.
  const bool is_all = is_tcp() && got >= 0 && static_cast<std::size_t>(got) < into.size();
  if (got < 0 || is_all) readiness_.set_blocking(Direction::read);
  return got < 0 ? std::optional<std::size_t>() : std::optional(static_cast<std::size_t>(got));
}

Task<Result<std::size_t>> SocketStream::read_some(std::span<std::uint8_t> into, Deadline deadline) {
  SALLYPORT_CHECK(!into.empty());
  while (readiness_.is_open()) {
    // Not a call for nothing, unless the deadline leaves no time to be told.
    const bool looks = !readiness_.is_blocking(Direction::read) || deadline.passed();
    CO_TRY(const auto got, looks ? take(into) : std::optional<std::size_t>());
    if (got) {
      if (readiness_.turn_is_over()) co_await yield();
      co_return *got;
    }
    CO_TRY_VOID(co_await readiness_.wait(Direction::read, deadline));
  }
  co_return fail(Errc::unavailable, "stream: closed");
}

Task<Result<void>> SocketStream::wait_readable(Deadline deadline) {
  if (!readiness_.is_open()) return without_waiting(fail(Errc::unavailable, "stream: closed"));
  const bool looks = !std::exchange(rests_, false) && !readiness_.is_blocking(Direction::read);
  if (looks || deadline.passed()) {
    // Not recv(): even one that only peeks takes the error of a reset, and the next read would see an end in order.
    pollfd look{.fd = readiness_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&look, 1, 0) != 0) return without_waiting(Result<void>{});
    readiness_.set_blocking(Direction::read);
  }
  return readiness_.wait(Direction::read, deadline);
}

Result<std::optional<std::size_t>> SocketStream::read_now(std::span<std::uint8_t> into) {
  SALLYPORT_CHECK(!into.empty());
  if (!readiness_.is_open()) return fail(Errc::unavailable, "stream: closed");
  if (readiness_.turn_is_over()) rests_ = true;
  if (rests_ || readiness_.is_blocking(Direction::read)) return std::optional<std::size_t>();
  return take(into);
}

Result<std::size_t> SocketStream::write_now(ByteView from) {
  if (!readiness_.is_open()) return fail(Errc::unavailable, "stream: closed");
  const ssize_t sent = ::send(readiness_.get(), from.data(), from.size(), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (would_block(errno) || errno == EINTR) return std::size_t{0};
  return system_error("stream: write", errno);
}

Task<Result<void>> SocketStream::write_all(ByteView from, Deadline deadline) {
  while (readiness_.is_open()) {
    if (from.empty()) {
      if (readiness_.turn_is_over()) co_await yield();
      co_return Result<void>{};
    }
    const ssize_t sent = ::send(readiness_.get(), from.data(), from.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      from = from.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (!would_block(errno)) co_return system_error("stream: write", errno);
    readiness_.set_blocking(Direction::write);
    CO_TRY_VOID(co_await readiness_.wait(Direction::write, deadline));
  }
  co_return fail(Errc::unavailable, "stream: closed");
}

Task<Result<void>> SocketStream::shutdown_write(Deadline) {
  if (!readiness_.is_open()) co_return fail(Errc::unavailable, "stream: closed");
  if (::shutdown(readiness_.get(), SHUT_WR) != 0) co_return system_error("stream: shutdown", errno);
  co_return Result<void>{};
}

Result<Descriptor> SocketStream::release() {
  auto descriptor = readiness_.release();
  if (!descriptor.is_open()) return fail(Errc::unavailable, "stream: closed");
  return descriptor;
}

Address to_address(const sockaddr_storage& from) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (from.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof(v4));
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {.host = text.data(), .port = ntohs(v4.sin_port)};
  }
  if (from.ss_family != AF_INET6) return {};
  sockaddr_in6 v6{};
  std::memcpy(&v6, &from, sizeof(v6));
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
  } else {
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  return {.host = text.data(), .port = ntohs(v6.sin6_port)};
}

Result<PeerInfo> describe_peer(int socket) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
    return fail(Errc::malformed, "socket: no stream socket");
  }
  sockaddr_storage address{};
  size = sizeof(address);
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return system_error("socket", errno);
  PeerInfo peer;
  if (address.ss_family == AF_UNIX) {
    ucred credentials{};
    size = sizeof(credentials);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
      return system_error("peer credentials", errno);
    }
    peer.uid = credentials.uid;
    return peer;
  }
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) {
    return fail(Errc::malformed, "socket: neither TCP nor Unix");
  }
  peer.address = to_address(address);
  return peer;
}

Unread look_at_unread(const Stream& stream) {
  std::uint8_t byte = 0;
  const int socket = stream.native();
  if (socket < 0) return Unread::nothing;
  const ssize_t seen = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (seen > 0) return Unread::bytes;
  return seen < 0 && would_block(errno) ? Unread::nothing : Unread::end;
}

Address own_address(const Stream& stream) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (stream.native() < 0 || ::getsockname(stream.native(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return {};
  return to_address(address);
}

Result<void> set_socket_options(Stream& stream, const SocketOptions& options) {
  const int socket = stream.native();
  if (socket < 0 || stream.peer().uid) return {};
  if (options.no_delay) TRY_VOID(set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1));
  if (options.user_timeout.count() > 0) {
    TRY_VOID(set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout.count()));
  }
  if (options.keepalive_idle.count() > 0) {
    TRY_VOID(set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1));
    TRY_VOID(set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_idle.count()));
  }
  if (options.keepalive_interval.count() > 0) {
    TRY_VOID(set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, options.keepalive_interval.count()));
  }
  return {};
}

void reset(Stream& stream) {
  if (stream.native() >= 0) reset_at_close(stream.native());
  stream.close();
}

Result<StreamPtr> adopt_socket(Executor executor, Descriptor socket, Address told) {
  TRY(auto peer, describe_peer(socket.get()));
  if (peer.uid) peer.address = std::move(told);
  TRY_VOID(set_non_blocking(socket.get()));
  return std::make_unique<SocketStream>(std::move(executor), std::move(socket), std::move(peer));
}

Task<Result<void>> finish_connect(Readiness& socket, Deadline deadline) {
  CO_TRY_VOID(co_await socket.wait(Direction::write, deadline));
  int cause = 0;
  socklen_t size = sizeof(cause);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &cause, &size) != 0) cause = errno;
  if (cause != 0) co_return system_error("connect", cause);
  co_return Result<void>{};
}

}  // namespace sallyport::net
