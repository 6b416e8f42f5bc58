#include "gateway/detail/front_door.h"

#include "base/log.h"
#include "net/tls_stream.h"

namespace sallyport::gateway {

FrontDoor::FrontDoor(const Clock& clock, const http::Server& server, DoorLimits limits)
    : clock_(clock),
      server_(server),
      handshakes_(limits.handshakes, limits.handshakes_per_source),
      strangers_(limits.strangers, limits.strangers_per_source),
      certified_(limits.certified, limits.certified_per_source) {}

net::Task<Result<net::StreamPtr>> FrontDoor::shake_hands(net::StreamPtr lower,
                                                         std::shared_ptr<crypto::TlsContext> context) {
  const auto place = handshakes_.admit(net::source_of(lower->peer().address.host));
  if (!place) co_return fail(Errc::overloaded, "gateway: too many handshakes at once");
  co_return co_await net::tls_accept(std::move(lower), std::move(context), kHandshakeLimit);
}

FrontDoor::Place FrontDoor::admit(const net::PeerInfo& peer) {
  const std::string source = net::source_of(peer.address.host);
  return peer.tls_chain.empty() ? strangers_.admit(source) : certified_.admit(source);
}

void FrontDoor::note_failed_handshake(const std::string& source, const Error& error) {
  const std::string host = source.substr(0, source.rfind(':'));
  const auto left_out = failed_handshakes_.take(host, clock_.monotonic());
  if (left_out) log::info("gateway.handshake-failed", {{"source", host}, {"error", error}, {"left_out", *left_out}});
}

net::Task<void> FrontDoor::serve(net::HandedOver connection, std::shared_ptr<crypto::TlsContext> context) {
  if (!connection.is_tls || !context) co_return;
  auto stream = co_await shake_hands(std::move(connection.stream), std::move(context));
  if (!stream) {
    note_failed_handshake(connection.source, stream.error());
    co_return;
  }
  const auto place = admit((*stream)->peer());
  if (place) co_await server_.serve(*std::move(stream));
}

}  // namespace sallyport::gateway
