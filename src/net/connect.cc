#include "net/connect.h"

#include <netinet/in.h>
#include <sys/un.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "net/detail/socket_stream.h"
#include "net/timer.h"

namespace sallyport::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

struct Lookup {
  Lookup(const Executor& executor) : resolver(executor), done(executor) {}  // NOLINT(google-explicit-constructor)
  tcp::resolver resolver;
  Event done;
  boost::system::error_code error;
  std::vector<tcp::endpoint> found;
};

// getaddrinfo on Asio's resolver thread; at the deadline the answer is no longer waited for.
Task<Result<std::vector<tcp::endpoint>>> look_up(Address address, Deadline deadline) {
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address.host, error);
  if (!error) co_return std::vector{tcp::endpoint(ip, address.port)};
  auto lookup = std::make_shared<Lookup>(co_await current_executor());
  lookup->resolver.async_resolve(
      address.host, std::to_string(address.port), tcp::resolver::numeric_service,
      [lookup](const boost::system::error_code& outcome, const tcp::resolver::results_type& results) {
        lookup->error = outcome;
        for (const auto& entry : results) lookup->found.push_back(entry.endpoint());
        lookup->done.set();
      });
  if (auto waited = co_await lookup->done.wait(deadline); !waited) {
    lookup->resolver.cancel();
    co_return failf(Errc::expired, "connect {}: name not resolved in time", to_string(address));
  }
  if (lookup->found.empty()) {
    co_return failf(Errc::not_found, "connect {}: name not resolved: {}", to_string(address), lookup->error.message());
  }
  co_return lookup->found;
}

// The local end; the kernel chooses the port when it connects, so that many can share a port.
Result<void> bind_source(const Descriptor& socket, const tcp::endpoint& source) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  const auto* address = reinterpret_cast<const sockaddr*>(source.data());
  if (::bind(socket.get(), address, static_cast<socklen_t>(source.size())) != 0) return system_error("bind", errno);
  return {};
}

Task<Result<StreamPtr>> connect_socket(int family, const sockaddr* to, socklen_t size, Deadline deadline,
                                       std::optional<tcp::endpoint> source = std::nullopt) {
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) co_return system_error("socket", errno);
  if (source) CO_TRY_VOID(bind_source(socket, *source));
  const int begun = ::connect(socket.get(), to, size);
  const int cause = begun == 0 ? 0 : errno;
  if (cause != 0 && cause != EINPROGRESS && cause != EINTR) co_return system_error("connect", cause);
  auto executor = co_await current_executor();
  Readiness readiness(executor, std::move(socket));
  if (cause != 0) CO_TRY_VOID(co_await finish_connect(readiness, deadline));
  co_return adopt_socket(executor, readiness.release());
}

Result<std::optional<tcp::endpoint>> parse_source(const std::string& text) {
  if (text.empty()) return std::nullopt;
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(text, error);
  if (error) return failf(Errc::malformed, "connect from {}: want an IP address", text);
  return tcp::endpoint(ip, 0);
}

}  // namespace

Task<Result<StreamPtr>> connect_tcp(Address address, Deadline deadline, ConnectOptions options) {
  CO_TRY(const auto source, parse_source(options.source));
  CO_TRY(auto endpoints, co_await look_up(address, deadline));
  if (source) std::erase_if(endpoints, [&](const auto& each) { return each.protocol() != source->protocol(); });
  Error last{Errc::unavailable, source ? "no address of the family of " + options.source : "no address"};
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const auto attempt = i + 1 < endpoints.size() ? earlier(deadline, kConnectAttempt) : deadline;
    const auto* to = reinterpret_cast<const sockaddr*>(endpoints[i].data());
    const auto size = static_cast<socklen_t>(endpoints[i].size());
    auto stream = co_await connect_socket(to->sa_family, to, size, attempt, source);
    if (stream) {
      CO_TRY_VOID(set_socket_options(**stream, options.socket));
      co_return stream;
    }
    last = std::move(stream).error();
    if (deadline.passed()) break;
  }
  co_return std::unexpected<Error>(std::move(last).at(fmt::format("connect {}", to_string(address))));
}

Task<Result<StreamPtr>> connect_unix(std::string path, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    co_return failf(Errc::malformed, "connect: socket path of {} bytes, want 1 to {}", path.size(),
                    sizeof(address.sun_path) - 1);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  auto stream =
      co_await connect_socket(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address), deadline);
  if (!stream) co_return std::unexpected<Error>(std::move(stream).error().at(path));
  co_return stream;
}

}  // namespace sallyport::net
