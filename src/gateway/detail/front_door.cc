#include "gateway/detail/front_door.h"

#include "base/log.h"
#include "gateway/routes.h"
#include "net/tls_stream.h"

namespace sallyport::gateway {
namespace {

constexpr seconds kFullLimit{5};  // for the one request that is answered when there is no place

http::Response full() {
  http::Response response = http::Response::error(503, "too many connections");
  response.headers.set("Retry-After", std::to_string(kFullRetryAfter.count()));
  response.close = true;
  return response;
}

net::Task<http::Response> answer_full(http::Request, net::PeerInfo) {
  co_return full();
}

http::Server make_full_server() {
  http::Router router;
  const auto judge = [](const http::Request&, const net::PeerInfo&) { return std::optional(full()); };
  for (const Route& route : kRoutes) router.add(route.verb, route.pattern, answer_full, {.judge_head = judge});
  return {std::move(router),
          {.header_limit = kFullLimit, .idle_limit = kFullLimit, .write_limit = kFullLimit, .max_requests = 1}};
}

}  // namespace

FrontDoor::FrontDoor(const Clock& clock, const http::Server& server, DoorLimits limits)
    : clock_(clock), server_(server), full_(make_full_server()), places_(limits) {}

void FrontDoor::note_failed_handshake(const std::string& source, const Error& error) {
  const std::string host = source.substr(0, source.rfind(':'));
  const auto left_out = failed_handshakes_.take(host, clock_.monotonic());
  if (left_out) log::info("gateway.handshake-failed", {{"source", host}, {"error", error}, {"left_out", *left_out}});
}

net::Task<void> FrontDoor::serve(net::HandedOver connection, std::shared_ptr<crypto::TlsContext> context) {
  if (!connection.is_tls || !context) co_return;
  const std::string source = net::source_of(connection.stream->peer().address.host);
  auto handshake = places_.admit_handshake(source, clock_.monotonic());
  if (!handshake) {
    note_failed_handshake(connection.source, {Errc::overloaded, "gateway: too many handshakes at once"});
    co_return;
  }
  auto stream = co_await net::tls_accept(std::move(connection.stream), std::move(context), kHandshakeLimit);
  if (!stream) {
    note_failed_handshake(connection.source, stream.error());
    co_return;
  }
  const auto place = places_.admit((*stream)->peer(), clock_.monotonic());
  const bool has_certificate = !(*stream)->peer().tls_chain.empty();
  if (!place && has_certificate) co_await full_.serve(*std::move(stream));
  if (!place) co_return;
  handshake.reset();
  co_await server_.serve(*std::move(stream));
}

}  // namespace sallyport::gateway
