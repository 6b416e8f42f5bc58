#include "relay/unwrapping.h"

#include "net/websocket_stream.h"
#include "relay/limits.h"

namespace sallyport::relay {

Unwrapping::Carried::Carried(std::shared_ptr<Numbers> numbers) : numbers_(std::move(numbers)) {
  ++numbers_->carried;
}

Unwrapping::Carried::~Carried() {
  --numbers_->carried;
  if (is_for_role_) --numbers_->for_roles;
}

bool Unwrapping::Carried::goes_to_role() {
  if (numbers_->for_roles >= kMaxWebSocketsForRoles) return false;
  is_for_role_ = true;
  ++numbers_->for_roles;
  return true;
}

net::Task<Result<Unwrapping::Unwrapped>> Unwrapping::begin(std::unique_ptr<net::RawSocket> outside, ToUnwrap upgrade) {
  if (numbers_->carried >= kMaxWebSockets) {
    outside->reset();
    co_return failf(Errc::overloaded, "{} WebSockets are carried already", numbers_->carried);
  }
  Unwrapped out{.socket = nullptr, .carried = std::make_shared<Carried>(numbers_)};
  const net::Executor executor = outside->executor();
  const net::Address peer = outside->peer();
  CO_TRY_VOID(outside->take(upgrade.request));
  CO_TRY(auto stream, net::adopt_socket(executor, outside->release()));
  CO_TRY_VOID(co_await stream->write_all(upgrade.answer, kHandshakeDeadline));
  CO_TRY(auto inside, net::carry_web_socket(net::make_web_socket_server(std::move(stream), {}), out.carried));
  out.socket = std::make_unique<net::RawSocket>(executor, std::move(inside), peer);
  co_return out;
}

}  // namespace sallyport::relay
