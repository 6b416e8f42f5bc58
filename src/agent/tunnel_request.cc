#include "agent/tunnel_request.h"

namespace sallyport::agent {
namespace {

constexpr std::size_t kReplyPiece = 512;
constexpr std::size_t kMaxRefusalPage = 256 * 1024;  // a longer one is left unread, with its connection
constexpr unsigned kProxyLogin = 407;
constexpr unsigned kMisdirected = 421;

// A reply and what came behind its head.
struct Replied {
  tunnel::ConnectReply reply;
  Bytes behind;
};

net::Task<Result<Replied>> read_reply(net::Stream& proxy, net::Deadline deadline) {
  Bytes received;
  Bytes piece(kReplyPiece);
  for (;;) {
    CO_TRY(const ByteView came, co_await read_answer(proxy, piece, deadline));
    append(received, came);
    CO_TRY(auto reply, tunnel::parse_connect_reply(received));
    if (!reply) continue;
    Bytes behind = to_bytes(ByteView(received).subspan(reply->wire_size));
    co_return Replied{.reply = *std::move(reply), .behind = std::move(behind)};
  }
}

// Whether the connection is ready for another request: reads the page of the refusal.
net::Task<bool> pass_over_page(net::Stream& proxy, Replied refused, net::Deadline deadline) {
  const auto page = refused.reply.body_before_next;
  if (!page || *page > kMaxRefusalPage || refused.behind.size() > *page) co_return false;
  Bytes rest(static_cast<std::size_t>(*page) - refused.behind.size());
  if (rest.empty()) co_return true;
  const auto read = co_await net::read_exactly(proxy, rest, deadline);
  co_return read.has_value();
}

enum class Asked : std::uint8_t {
  opened,
  once_more,   // by this connection
  over_again,  // by another
};

struct Asking {
  TunnelRequest request;
  std::shared_ptr<tunnel::ProxyLogin> login;
  net::Deadline deadline;
  unsigned requests = 0;     // that were sent
  unsigned misdirected = 0;  // of them, those that came to somebody else
};

net::Task<Result<Asked>> ask(net::Stream& proxy, Asking& asking, Bytes& unread) {
  CO_TRY(const auto shown, asking.login->show(asking.request.method, asking.request.uri));
  CO_TRY(const auto request, asking.request.encode(shown.line));
  CO_TRY_VOID(co_await proxy.write_all(request.expose(), asking.deadline));
  ++asking.requests;
  CO_TRY(auto replied, co_await read_reply(proxy, asking.deadline));
  if (replied.reply.status == kProxyLogin) {
    auto again = asking.login->take_challenges(replied.reply.challenges, shown, asking.requests);
    if (!again) co_return std::unexpected(std::move(again).error().at("answered 407"));
    const bool is_ready = co_await pass_over_page(proxy, std::move(replied), asking.deadline);
    co_return is_ready ? Asked::once_more : Asked::over_again;
  }
  asking.login->take_success(shown);
  if (replied.reply.status == kMisdirected && ++asking.misdirected <= kMaxMisdirected) {
    asking.requests = 0;
    co_return Asked::over_again;
  }
  CO_TRY_VOID(asking.request.check(replied.reply));
  unread = std::move(replied.behind);
  co_return Asked::opened;
}

}  // namespace

net::Task<Result<ByteView>> read_answer(net::Stream& proxy, std::span<std::uint8_t> into, net::Deadline deadline) {
  const auto count = co_await proxy.read_some(into, deadline);
  if (!count && count.error().code == Errc::expired) co_return fail(Errc::expired, "did not answer in time");
  if (!count) co_return std::unexpected(count.error());
  if (*count == 0) co_return fail(Errc::unavailable, "closed before it answered");
  co_return ByteView(into).first(*count);
}

net::Task<Result<OpenedTunnel>> open_by_request(Connect connect, TunnelRequest request,
                                                std::shared_ptr<tunnel::ProxyLogin> login, net::Deadline deadline) {
  Asking asking{.request = std::move(request), .login = std::move(login), .deadline = deadline};
  OpenedTunnel out;
  for (;;) {
    if (!out.stream) {
      CO_TRY(out.stream, co_await connect());
    }
    CO_TRY(const Asked asked, co_await ask(*out.stream, asking, out.unread));
    if (asked == Asked::opened) co_return out;
    if (asked == Asked::over_again) out.stream.reset();
  }
}

}  // namespace sallyport::agent
