// Calls over HTTPS with certificates on both sides, for callers who reach the node: directly, or through the tunnel as
// a service of kind tcp.
//
//   POST /rpc    Content-Type: application/json     a JSON-RPC 2.0 request, notification or batch
//   Idempotency-Key: <call id>                      a UUIDv7; a repetition gets the same answer. Without it, one is
//   drawn Sallyport-Timeout: <seconds>                    1 to 600; 10 without it
//
// 403 for a certificate that no rule is for.
// 410 for an id that is more than an hour old. 200 with the response, 204 after notifications, 409 where it was started
// and its outcome is lost, 503 with Retry-After where nothing was run, 202 while a repetition's call still runs.
#pragma once

#include <memory>

#include "net/listener.h"
#include "rpcnode/node.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxHttpsConnections = 64;
inline constexpr milliseconds kHttpsHandshakeLimit{10'000};

// One thread. Ends its connections when it ends; borrows the rest.
class HttpsWay {
 public:
  // Listens at `address`; a device certificate of `identity` is shown. Errors as net::Listener::tcp.
  static Result<std::unique_ptr<HttpsWay>> open(net::TaskGroup& tasks, const Clock& clock, Random& random,
                                                const net::Address& address, const Identity& identity, Node& node);
  ~HttpsWay();
  HttpsWay(const HttpsWay&) = delete;
  HttpsWay& operator=(const HttpsWay&) = delete;

  // A renewed certificate, for connections from now on.
  Result<void> take(const Identity& identity);
  const net::Address& address() const;

 private:
  struct State;
  HttpsWay() = default;
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::rpcnode
