#include "status/detail/front_door.h"

#include "net/tls_stream.h"

namespace sallyport::status {

FrontDoor::FrontDoor(const http::Server& server, std::size_t most, std::size_t most_per_source)
    : server_(server), admissions_(most, most_per_source) {}

net::Task<void> FrontDoor::serve(net::HandedOver connection, std::shared_ptr<crypto::TlsContext> context) {
  const auto place = admissions_.admit(net::source_of(connection.stream->peer().address.host));
  if (!place) co_return;
  if (!connection.is_tls) {
    co_await server_.serve(std::move(connection.stream));
    co_return;
  }
  if (!context) co_return;
  auto stream = co_await net::tls_accept(std::move(connection.stream), std::move(context), kHandshakeLimit);
  if (stream) co_await server_.serve(*std::move(stream));
}

}  // namespace sallyport::status
