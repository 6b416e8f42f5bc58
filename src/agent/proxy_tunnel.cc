#include "agent/proxy_tunnel.h"

#include <algorithm>

#include "tunnel/proxy_connect.h"
#include "tunnel/socks_connect.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kReplyPiece = 512;
constexpr std::size_t kMaxRefusalPage = 256 * 1024;  // a longer one is left unread, with its connection
constexpr unsigned kForbidden = 403;
constexpr unsigned kProxyLogin = 407;

std::string name_of(const Proxy& proxy) {
  return "proxy " + net::to_string(proxy.address);
}

// What a proxy's refusal means to whoever can do something about it.
std::string explain(unsigned status, const net::Address& target) {
  if (status == kForbidden) return fmt::format("answered 403: does not let CONNECT {} through", net::to_string(target));
  return fmt::format("answered {} to CONNECT {}, want 2xx", status, net::to_string(target));
}

net::Task<Result<ByteView>> read_piece(net::Stream& proxy, std::span<std::uint8_t> into, net::Deadline deadline) {
  const auto count = co_await proxy.read_some(into, deadline);
  if (!count && count.error().code == Errc::expired) co_return fail(Errc::expired, "did not answer in time");
  if (!count) co_return std::unexpected(count.error());
  if (*count == 0) co_return fail(Errc::unavailable, "closed before it answered");
  co_return ByteView(into).first(*count);
}

// A reply and how many bytes came behind its head.
struct Replied {
  tunnel::ConnectReply reply;
  std::size_t behind = 0;
};

net::Task<Result<Replied>> read_reply(net::Stream& proxy, net::Deadline deadline) {
  Bytes received;
  Bytes piece(kReplyPiece);
  for (;;) {
    CO_TRY(const ByteView came, co_await read_piece(proxy, piece, deadline));
    append(received, came);
    CO_TRY(auto reply, tunnel::parse_connect_reply(received));
    if (!reply) continue;
    const std::size_t behind = received.size() - reply->wire_size;
    co_return Replied{.reply = *std::move(reply), .behind = behind};
  }
}

// Whether the connection is ready for another request: reads the page of the refusal.
net::Task<bool> pass_over_page(net::Stream& proxy, Replied refused, net::Deadline deadline) {
  const auto page = refused.reply.body_before_next;
  if (!page || *page > kMaxRefusalPage || refused.behind > *page) co_return false;
  Bytes rest(static_cast<std::size_t>(*page) - refused.behind);
  if (rest.empty()) co_return true;
  const auto read = co_await net::read_exactly(proxy, rest, deadline);
  co_return read.has_value();
}

enum class Asked : std::uint8_t {
  open,        // it is the target's connection now
  once_more,   // by this connection
  over_again,  // by another
};

// Asks once, the `requests`-th time. The proxy says nothing behind its consent before we speak, so that no byte of the
// tunnel is lost here.
net::Task<Result<Asked>> ask_for_tunnel(net::Stream& proxy, net::Address target,
                                        std::shared_ptr<tunnel::ProxyLogin> login, unsigned requests,
                                        net::Deadline deadline) {
  const std::string authority = net::to_string(target);
  CO_TRY(const auto shown, login->show("CONNECT", authority));
  CO_TRY(const auto request, tunnel::encode_connect_request(authority, shown.line));
  CO_TRY_VOID(co_await proxy.write_all(request.expose(), deadline));
  CO_TRY(auto replied, co_await read_reply(proxy, deadline));
  if (replied.reply.status == kProxyLogin) {
    auto again = login->take_challenges(replied.reply.challenges, shown, requests);
    if (!again) co_return std::unexpected(std::move(again).error().at("answered 407"));
    const bool is_ready = co_await pass_over_page(proxy, std::move(replied), deadline);
    co_return is_ready ? Asked::once_more : Asked::over_again;
  }
  login->take_success(shown);
  if (!replied.reply.established()) co_return fail(Errc::unavailable, explain(replied.reply.status, target));
  if (replied.behind > 0) co_return fail(Errc::malformed, "bytes behind its reply, want silence");
  co_return Asked::open;
}

net::Task<Result<net::StreamPtr>> open_http_tunnel(Proxy proxy, std::shared_ptr<tunnel::ProxyLogin> login,
                                                   net::Address target, net::Deadline deadline,
                                                   net::ConnectOptions options) {
  net::StreamPtr stream;
  for (unsigned requests = 1;; ++requests) {
    if (!stream) {
      CO_TRY(stream, co_await net::connect_tcp(proxy.address, deadline, options));
    }
    const auto asked = co_await ask_for_tunnel(*stream, target, login, requests, deadline);
    if (!asked) co_return std::unexpected(Error(asked.error()).at(name_of(proxy)));
    if (*asked == Asked::open) co_return std::move(stream);
    if (*asked == Asked::over_again) stream.reset();
  }
}

tunnel::SocksTarget socks_target(const net::Address& target) {
  tunnel::SocksTarget out{.host = target.host, .port = target.port};
  const auto ip = net::find_ip_octets(target.host);
  if (!ip) return out;
  if (ip->size == 4) {
    std::ranges::copy_n(ip->octets.begin(), 4, out.host.emplace<tunnel::SocksTarget::IpV4>().begin());
  } else {
    out.host = ip->octets;
  }
  return out;
}

net::Task<Result<void>> open_socks_tunnel(net::Stream& proxy, net::Address target,
                                          std::shared_ptr<const tunnel::ProxyCredentials> credentials,
                                          net::Deadline deadline) {
  CO_TRY(auto socks, tunnel::SocksConnect::begin(socks_target(target), credentials.get()));
  Bytes piece(kReplyPiece);
  for (bool is_connected = false; !is_connected;) {
    const SecretBytes words = socks.to_send();
    if (!words.empty()) CO_TRY_VOID(co_await proxy.write_all(words.expose(), deadline));
    CO_TRY(const ByteView came, co_await read_piece(proxy, piece, deadline));
    CO_TRY(is_connected, socks.on_bytes(came));
  }
  co_return Result<void>{};
}

}  // namespace

net::Task<Result<net::StreamPtr>> connect_through(Proxy proxy, std::shared_ptr<tunnel::ProxyLogin> login,
                                                  net::Address target, net::Deadline deadline,
                                                  net::ConnectOptions options) {
  if (proxy.kind == ProxyKind::http)
    co_return co_await open_http_tunnel(std::move(proxy), std::move(login), std::move(target), deadline,
                                        std::move(options));
  CO_TRY(auto stream, co_await net::connect_tcp(proxy.address, deadline, std::move(options)));
  auto opened = co_await open_socks_tunnel(*stream, std::move(target), proxy.credentials, deadline);
  if (!opened) co_return std::unexpected(std::move(opened).error().at(name_of(proxy)));
  co_return std::move(stream);
}

}  // namespace sallyport::agent
