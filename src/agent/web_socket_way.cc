#include "agent/web_socket_way.h"

#include "agent/proxy_tunnel.h"
#include "agent/tunnel_request.h"
#include "net/websocket_stream.h"
#include "tunnel/websocket_upgrade.h"

namespace sallyport::agent {
namespace {

constexpr unsigned kSwitchingProtocols = 101;

Result<void> check_upgrade_reply(const tunnel::ConnectReply& reply, const tunnel::WebSocketNonce& nonce) {
  if (reply.status == kSwitchingProtocols) return tunnel::check_upgrade(reply, nonce);
  return failf(Errc::unavailable, "answered {} to a WebSocket, want 101", reply.status);
}

TunnelRequest upgrade_request(const net::Address& relay, bool is_absolute, Random& random) {
  const auto nonce = random.array<std::tuple_size_v<tunnel::WebSocketNonce>>();
  const std::string authority = net::to_string(relay);
  const std::string uri = (is_absolute ? "http://" + authority : "") + std::string(tunnel::kWebSocketTarget);
  return {
      .method = "GET",
      .uri = uri,
      .encode = [=](const SecretBytes& shown) { return tunnel::encode_upgrade_request(authority, uri, nonce, shown); },
      .check = [nonce](const tunnel::ConnectReply& reply) { return check_upgrade_reply(reply, nonce); }};
}

}  // namespace

net::Task<Result<WebSocketReached>> open_web_socket(net::Address relay, std::optional<Proxy> proxy,
                                                    std::shared_ptr<tunnel::ProxyLogin> login, net::Deadline deadline,
                                                    net::ConnectOptions options, Random& random) {
  const bool is_absolute = proxy && proxy->kind == ProxyKind::http;
  // Without an HTTP proxy nobody is told a login.
  if (!is_absolute) login = std::make_shared<tunnel::ProxyLogin>(nullptr, tunnel::LoginRule::any, random);
  const std::string where = is_absolute ? name_of(*proxy) : net::to_string(relay);
  Connect connect = [=] {
    if (proxy && !is_absolute) return connect_through(*proxy, nullptr, relay, deadline, options);
    return net::connect_tcp(is_absolute ? proxy->address : relay, deadline, options);
  };
  auto opened = co_await open_by_request(std::move(connect), upgrade_request(relay, is_absolute, random),
                                         std::move(login), deadline);
  if (!opened) co_return std::unexpected(std::move(opened).error().at(where));
  WebSocketReached out{.stream = nullptr, .own_host = net::own_address(*opened->stream).host};
  const net::Executor executor = opened->stream->executor();
  auto web_socket = net::make_web_socket_client(std::move(opened->stream), std::move(opened->unread), random);
  CO_TRY(auto inside, net::carry_web_socket(std::move(web_socket)));
  CO_TRY(out.stream, net::adopt_socket(executor, std::move(inside)));
  co_return out;
}

}  // namespace sallyport::agent
