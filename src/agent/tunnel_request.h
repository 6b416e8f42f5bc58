// Asking for a tunnel in HTTP/1.1: by CONNECT, or by an upgrade to a WebSocket.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/connect.h"
#include "tunnel/proxy_connect.h"
#include "tunnel/proxy_login.h"

namespace sallyport::agent {

struct TunnelRequest {
  std::string method;
  std::string uri;  // as it is sent
  // The request with a login's header line, which may be empty.
  std::function<Result<SecretBytes>(const SecretBytes& login)> encode;
  // Whether a reply, of any status but 407 and 421, opens the tunnel; errors are words for people.
  std::function<Result<void>(const tunnel::ConnectReply& reply)> check;
};

struct OpenedTunnel {
  net::StreamPtr stream;
  Bytes unread;  // what came behind the reply: the tunnel's first bytes
};

// Makes a connection to who is asked.
using Connect = std::function<net::Task<Result<net::StreamPtr>>()>;

// How often a request is sent again that came to somebody else (421, RFC 9110 §15.5.20): whoever stands between had a
// connection to him at hand.
inline constexpr unsigned kMaxMisdirected = 8;

// Connects and asks. Who is asked for a login shows what `login` remembers, and asks again, by another connection where
// the first is not kept. Errors: those of `connect`; Errc::unavailable where it is refused or closed, with the reason;
// Errc::malformed for what is no answer; Errc::expired; those of Stream and of `request`.
net::Task<Result<OpenedTunnel>> open_by_request(Connect connect, TunnelRequest request,
                                                std::shared_ptr<tunnel::ProxyLogin> login, net::Deadline deadline);

// Reads some of what a proxy answers; its end is Errc::unavailable. Borrows stream and buffer until it returns.
net::Task<Result<ByteView>> read_answer(net::Stream& proxy, std::span<std::uint8_t> into, net::Deadline deadline);

}  // namespace sallyport::agent
