#include "relay/first_flight.h"

#include "relay/redirect.h"
#include "tunnel/demux.h"
#include "tunnel/websocket_upgrade.h"

namespace sallyport::relay {
namespace {

FirstFlight look_at_hello(ByteView received) {
  auto outcome = tunnel::parse_client_hello(received);
  if (const auto* more = std::get_if<tunnel::HelloNeedsMore>(&outcome)) return NeedMore{more->total};
  if (const auto* refused = std::get_if<tunnel::HelloRefused>(&outcome)) {
    return Answer{tunnel::encode_alert(tunnel::alert_for(refused->fault))};
  }
  return std::get<tunnel::ClientHello>(std::move(outcome));
}

FirstFlight look_at_preface(ByteView received) {
  const auto ticket = tunnel::parse_preface(received);
  if (!ticket) return Answer{};
  if (!*ticket) return NeedMore{tunnel::kPrefaceSize};
  return **ticket;
}

FirstFlight look_at_upgrade(ByteView received) {
  auto upgrade = tunnel::find_upgrade(received);
  if (!upgrade) return Answer{};
  if (!*upgrade) return NeedMore{received.size() + 1};
  if (!(*upgrade)->is_accepted) return Answer{std::move((*upgrade)->bytes)};
  return ToUnwrap{.request = (*upgrade)->wire_size, .answer = std::move((*upgrade)->bytes)};
}

FirstFlight look_at_request(ByteView received, const OwnNames& names) {
  const auto route = tunnel::find_plain_route(received);
  if (!route) return Answer{};
  if (!*route) return NeedMore{received.size() + 1};
  if (**route == tunnel::PlainRoute::status) return PlainStatus{};
  if (**route == tunnel::PlainRoute::web_socket) return look_at_upgrade(received);
  auto redirect = find_redirect(received, names.zone, names.console, names.port);
  if (!redirect) return Answer{};
  if (!*redirect) return NeedMore{received.size() + 1};
  return Answer{**std::move(redirect)};
}

}  // namespace

FirstFlight find_first_flight(ByteView received, const OwnNames& names) {
  switch (tunnel::classify(received)) {
    case tunnel::FirstBytes::need_more:
      return NeedMore{received.size() + 1};
    case tunnel::FirstBytes::tls:
      return look_at_hello(received);
    case tunnel::FirstBytes::data_preface:
      return look_at_preface(received);
    case tunnel::FirstBytes::http:
      return look_at_request(received, names);
    case tunnel::FirstBytes::garbage:
      return Answer{};
  }
  return Answer{};
}

}  // namespace sallyport::relay
