#include "agent/proxy_tunnel.h"

#include <algorithm>

#include "agent/tunnel_request.h"
#include "tunnel/socks_connect.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kReplyPiece = 512;
constexpr unsigned kForbidden = 403;

// What a proxy's refusal means to whoever can do something about it.
Result<void> check_connect_reply(const tunnel::ConnectReply& reply, const std::string& target) {
  if (reply.established()) return {};
  if (reply.status == kForbidden)
    return failf(Errc::unavailable, "answered 403: does not let CONNECT {} through", target);
  return failf(Errc::unavailable, "answered {} to CONNECT {}, want 2xx", reply.status, target);
}

// The proxy says nothing behind its consent before we speak, so that no byte of the tunnel is lost.
net::Task<Result<net::StreamPtr>> open_http_tunnel(Proxy proxy, std::shared_ptr<tunnel::ProxyLogin> login,
                                                   net::Address target, net::Deadline deadline,
                                                   net::ConnectOptions options) {
  const std::string authority = net::to_string(target);
  TunnelRequest request{
      .method = "CONNECT",
      .uri = authority,
      .encode = [authority](const SecretBytes& shown) { return tunnel::encode_connect_request(authority, shown); },
      .check = [authority](const tunnel::ConnectReply& reply) { return check_connect_reply(reply, authority); }};
  Connect connect = [=] { return net::connect_tcp(proxy.address, deadline, options); };
  CO_TRY(auto opened, co_await open_by_request(std::move(connect), std::move(request), std::move(login), deadline));
  if (!opened.unread.empty()) co_return fail(Errc::malformed, "bytes behind its reply, want silence");
  co_return std::move(opened.stream);
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
    CO_TRY(const ByteView came, co_await read_answer(proxy, piece, deadline));
    CO_TRY(is_connected, socks.on_bytes(came));
  }
  co_return Result<void>{};
}

// The same through a SOCKS proxy.
net::Task<Result<net::StreamPtr>> open_socks_way(Proxy proxy, net::Address target, net::Deadline deadline,
                                                 net::ConnectOptions options) {
  CO_TRY(auto stream, co_await net::connect_tcp(proxy.address, deadline, std::move(options)));
  CO_TRY_VOID(co_await open_socks_tunnel(*stream, std::move(target), proxy.credentials, deadline));
  co_return std::move(stream);
}

}  // namespace

std::string name_of(const Proxy& proxy) {
  return "proxy " + net::to_string(proxy.address);
}

net::Task<Result<net::StreamPtr>> connect_through(Proxy proxy, std::shared_ptr<tunnel::ProxyLogin> login,
                                                  net::Address target, net::Deadline deadline,
                                                  net::ConnectOptions options) {
  const std::string name = name_of(proxy);
  const bool is_socks = proxy.kind == ProxyKind::socks5;
  auto opened = is_socks ? co_await open_socks_way(std::move(proxy), std::move(target), deadline, std::move(options))
                         : co_await open_http_tunnel(std::move(proxy), std::move(login), std::move(target), deadline,
                                                     std::move(options));
  if (!opened) co_return std::unexpected(std::move(opened).error().at(name));
  co_return opened;
}

}  // namespace sallyport::agent
