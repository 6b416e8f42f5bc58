#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/detail/socket_stream.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

// Removes the socket's file when the listener goes, unless somebody put another in its place.
struct SocketFile {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
};

class SocketListener final : public Listener {
 public:
  SocketListener(Executor executor, Descriptor socket, ListenOptions options, Address address, SocketFile file = {})
      : readiness_(std::move(executor), std::move(socket)),
        options_(options),
        address_(std::move(address)),
        file_(std::move(file)) {}
  ~SocketListener() override {
    struct stat found{};
    if (file_.path.empty() || ::lstat(file_.path.c_str(), &found) != 0) return;
    if (found.st_dev == file_.device && found.st_ino == file_.inode) ::unlink(file_.path.c_str());
  }

  Task<Result<StreamPtr>> accept(Deadline deadline) override {
    while (readiness_.is_open()) {
      Descriptor socket(::accept4(readiness_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      const int cause = errno;
      if (socket.is_open()) {
        auto stream = adopt_socket(readiness_.executor(), std::move(socket));
        if (!stream || !set_socket_options(**stream, options_.socket)) continue;  // gone before we came
        co_return stream;
      }
      if (cause == EAGAIN || cause == EWOULDBLOCK) {
        readiness_.set_blocking(Direction::read);
        CO_TRY_VOID(co_await readiness_.wait(Direction::read, deadline));
      } else if (cause == EMFILE || cause == ENFILE || cause == ENOBUFS || cause == ENOMEM) {
        if (deadline.passed()) co_return system_error("accept", cause);
        co_await sleep_for(kAcceptPause);
      } else if (cause == EBADF || cause == EINVAL || cause == ENOTSOCK) {
        co_return system_error("accept", cause);
      }
    }
    co_return fail(Errc::unavailable, "accept: closed");
  }

  void close() override { readiness_.close(); }
  const Address& address() const override { return address_; }
  int native() const override { return readiness_.get(); }

 private:
  Readiness readiness_;
  ListenOptions options_;
  Address address_;
  SocketFile file_;
};

Result<Address> bound_address(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return system_error("listen", errno);
  return to_address(bound);
}

std::unexpected<Error> bind_error(const Address& address, int cause) {
  const auto where = to_string(address);
  switch (cause) {
    case EADDRINUSE:
      return failf(Errc::unavailable,
                   "listen: {} is in use by another process, want it free: stop that process (`ss -ltnp 'sport = :{}'` "
                   "names it) or choose another port",
                   where, address.port);
    case EACCES:
      return failf(Errc::unauthorized, "listen: {} needs root or CAP_NET_BIND_SERVICE, or choose a port above 1023",
                   where);
    case EADDRNOTAVAIL:
      return failf(Errc::not_found, "listen: {} is no address of this machine", where);
    default:
      return system_error("listen: " + where, cause);
  }
}

Result<std::pair<sockaddr_storage, socklen_t>> to_sockaddr(const Address& address) {
  sockaddr_storage out{};
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&out, &v4, sizeof(v4));
    return std::pair(out, socklen_t{sizeof(v4)});
  }
  if (::inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&out, &v6, sizeof(v6));
    return std::pair(out, socklen_t{sizeof(v6)});
  }
  return failf(Errc::malformed, "listen: {} is no IP address", to_string(address));
}

// Makes way for a new socket at `path`.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return system_error("listen: " + path, errno);
  }
  if (!S_ISSOCK(found.st_mode)) return failf(Errc::conflict, "listen: {} exists and is no socket", path);
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.is_open()) return system_error("listen: " + path, errno);
  const int answered = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (answered == 0 || errno != ECONNREFUSED) {
    return failf(Errc::unavailable, "listen: {} is in use by another process, want it free: stop that process", path);
  }
  if (::unlink(path.c_str()) != 0) return system_error("listen: " + path, errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::tcp(Executor executor, const Address& address, ListenOptions options) {
  TRY(const auto to, to_sockaddr(address));
  Descriptor socket(::socket(to.first.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return system_error("listen: " + to_string(address), errno);
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (options.reuse_port && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) != 0) {
    return system_error("listen: SO_REUSEPORT", errno);
  }
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&to.first), to.second) != 0 ||
      ::listen(socket.get(), options.backlog) != 0) {
    return bind_error(address, errno);
  }
  TRY(auto bound, bound_address(socket.get()));
  return std::make_unique<SocketListener>(std::move(executor), std::move(socket), options, std::move(bound));
}

Result<std::unique_ptr<Listener>> Listener::unix_socket(Executor executor, const std::string& path, mode_t mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return failf(Errc::malformed, "listen: socket path of {} bytes, want 1 to {}", path.size(),
                 sizeof(address.sun_path) - 1);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  TRY_VOID(remove_stale(path, address));
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return system_error("listen: " + path, errno);
  // Nobody can connect before listen(), so the mode is right before the first connection.
  struct stat made{};
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(path.c_str(), mode) != 0 || ::lstat(path.c_str(), &made) != 0 ||
      ::listen(socket.get(), ListenOptions{}.backlog) != 0) {
    return system_error("listen: " + path, errno);
  }
  return std::make_unique<SocketListener>(std::move(executor), std::move(socket), ListenOptions{}, Address{},
                                          SocketFile{.path = path, .device = made.st_dev, .inode = made.st_ino});
}

Result<std::unique_ptr<Listener>> Listener::inherited(Executor executor, Descriptor socket, ListenOptions options) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
    return fail(Errc::malformed, "listen: the inherited descriptor is no listening socket");
  }
  TRY_VOID(set_non_blocking(socket.get()));
  TRY(auto bound, bound_address(socket.get()));
  return std::make_unique<SocketListener>(std::move(executor), std::move(socket), options, std::move(bound));
}

}  // namespace sallyport::net
