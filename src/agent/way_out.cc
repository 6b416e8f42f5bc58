#include "agent/way_out.h"

#include "net/connect.h"
#include "tunnel/limits.h"
#include "tunnel/proxy_connect.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kReplyPiece = 512;

// The proxy says nothing behind its reply before we speak, so that no byte of the tunnel is lost here.
net::Task<Result<void>> open_tunnel(net::Stream& proxy, net::Address target, net::Deadline deadline) {
  if (net::is_ip(target.host)) co_return fail(Errc::malformed, "proxy: want a name to connect to, found an address");
  CO_TRY(const auto request, tunnel::encode_connect_request(DnsName(target.host), target.port, nullptr));
  CO_TRY_VOID(co_await proxy.write_all(request.expose(), deadline));
  Bytes received;
  Bytes piece(kReplyPiece);
  for (;;) {
    CO_TRY(const std::size_t count, co_await proxy.read_some(piece, deadline));
    if (count == 0) co_return fail(Errc::unavailable, "proxy: closed before it answered");
    append(received, ByteView(piece).first(count));
    CO_TRY(const auto reply, tunnel::parse_connect_reply(received));
    if (!reply) continue;
    if (!reply->established()) co_return failf(Errc::unavailable, "proxy: answered {}, want 2xx", reply->status);
    if (reply->wire_size != received.size())
      co_return fail(Errc::malformed, "proxy: bytes behind its reply, want silence");
    co_return Result<void>{};
  }
}

}  // namespace

net::Task<Result<net::StreamPtr>> WayOut::dial(net::Address address, net::Deadline deadline) const {
  const net::ConnectOptions options{.source = from_};
  if (!proxy_) co_return co_await net::connect_tcp(std::move(address), deadline, options);
  CO_TRY(auto stream, co_await net::connect_tcp(*proxy_, deadline, options));
  CO_TRY_VOID(co_await open_tunnel(*stream, std::move(address), deadline));
  co_return std::move(stream);
}

}  // namespace sallyport::agent
