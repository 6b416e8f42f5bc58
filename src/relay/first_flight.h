// What a new connection wants, by its first bytes, which stay unread (DESIGN §11). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <variant>

#include "base/bytes.h"
#include "base/names.h"
#include "tunnel/client_hello.h"
#include "tunnel/ticket.h"

namespace sallyport::relay {

// Look again when at least so many bytes are there.
struct NeedMore {
  std::size_t total = 0;
};
// Plain HTTP for the status service.
struct PlainStatus {};
// Send these bytes, which may be none, and close.
struct Answer {
  Bytes bytes;
};
// A WebSocket, in which anything but another one may come: take the request, send the answer.
struct ToUnwrap {
  std::size_t request = 0;  // bytes
  Bytes answer;
};
// Under which names we are known, for redirects.
struct OwnNames {
  DnsName zone;
  DnsName console;
  std::uint16_t port = 443;  // of https
};
using FirstFlight = std::variant<NeedMore, Answer, PlainStatus, ToUnwrap, tunnel::Ticket, tunnel::ClientHello>;

// Total; asks for more only while the bytes may become something, and never beyond what a hello, a preface or a plain
// request may have.
FirstFlight find_first_flight(ByteView received, const OwnNames& names);

}  // namespace sallyport::relay
