#include "agent/proxy_tunnel.h"

#include <algorithm>

#include "tunnel/socks_connect.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kReplyPiece = 512;
constexpr unsigned kForbidden = 403;
constexpr unsigned kProxyLogin = 407;

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "nothing" : out;
}

// What a proxy's refusal means to whoever can do something about it.
std::string explain(const tunnel::ConnectReply& reply, const net::Address& target, bool has_credentials) {
  const bool takes_basic = std::ranges::find(reply.auth_schemes, "basic") != reply.auth_schemes.end();
  if (reply.status == kProxyLogin && !takes_basic && !reply.auth_schemes.empty())
    return fmt::format("answered 407, wants a login by {}; want one that takes Basic, or an exception without a login",
                       listed(reply.auth_schemes));
  if (reply.status == kProxyLogin && has_credentials) return "answered 407: refused user name or password";
  if (reply.status == kProxyLogin) return "answered 407: wants a user name and password";
  if (reply.status == kForbidden)
    return fmt::format("answered 403: does not let CONNECT {} through", net::to_string(target));
  return fmt::format("answered {} to CONNECT {}, want 2xx", reply.status, net::to_string(target));
}

net::Task<Result<ByteView>> read_piece(net::Stream& proxy, std::span<std::uint8_t> into, net::Deadline deadline) {
  const auto count = co_await proxy.read_some(into, deadline);
  if (!count && count.error().code == Errc::expired) co_return fail(Errc::expired, "did not answer in time");
  if (!count) co_return std::unexpected(count.error());
  if (*count == 0) co_return fail(Errc::unavailable, "closed before it answered");
  co_return ByteView(into).first(*count);
}

// The proxy says nothing behind its reply before we speak, so that no byte of the tunnel is lost here.
net::Task<Result<void>> open_http_tunnel(net::Stream& proxy, net::Address target,
                                         std::shared_ptr<const tunnel::ProxyCredentials> credentials,
                                         net::Deadline deadline) {
  CO_TRY(const auto request, tunnel::encode_connect_request(net::to_string(target), credentials.get()));
  CO_TRY_VOID(co_await proxy.write_all(request.expose(), deadline));
  Bytes received;
  Bytes piece(kReplyPiece);
  for (;;) {
    CO_TRY(const ByteView came, co_await read_piece(proxy, piece, deadline));
    append(received, came);
    CO_TRY(const auto reply, tunnel::parse_connect_reply(received));
    if (!reply) continue;
    if (!reply->established()) co_return fail(Errc::unavailable, explain(*reply, target, credentials != nullptr));
    if (reply->wire_size != received.size()) co_return fail(Errc::malformed, "bytes behind its reply, want silence");
    co_return Result<void>{};
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

net::Task<Result<void>> open_tunnel(net::Stream& stream, Proxy proxy, net::Address target, net::Deadline deadline) {
  const std::string where = fmt::format("proxy {}", net::to_string(proxy.address));
  Result<void> opened;
  if (proxy.kind == ProxyKind::socks5) {
    opened = co_await open_socks_tunnel(stream, std::move(target), proxy.credentials, deadline);
  } else {
    opened = co_await open_http_tunnel(stream, std::move(target), proxy.credentials, deadline);
  }
  if (opened) co_return opened;
  co_return std::unexpected(std::move(opened).error().at(where));
}

}  // namespace sallyport::agent
