// A reverse proxy for one user connection: each request is decided upon, and what may pass is forwarded to one
// upstream.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>

#include "http/router.h"

namespace sallyport::http {

// What becomes of a request. `Response`: answer it here without reading its body, which closes the connection when
// there is one. `AnswerHere`: collect the body (at most `body_limit`, then 413) and let `handler` answer. `Forward`:
// send this head upstream, then the body as it arrives; Content-Length and Transfer-Encoding stay the proxy's matter.
struct AnswerHere {
  Handler handler;
  std::size_t body_limit = kDefaultRequestBody;
};
struct Forward {
  Request head;
};
using Decision = std::variant<Response, AnswerHere, Forward>;

struct ProxyHooks {
  // Must be set. The head comes as the user sent it, hop-by-hop fields and Expect included.
  std::function<net::Task<Decision>(Request head, net::PeerInfo user)> decide;
  // Opens the upstream; called again when it has closed. An error answers the request with 502. Must be set.
  std::function<net::Task<Result<net::StreamPtr>>()> connect_upstream;
  // Edits the head of a response to `request` (as the user sent it) before it goes to the user. May be empty.
  std::function<void(const Request& request, Response& head)> edit_response;
  // Told when a response is complete or an upgraded connection ended. May be empty.
  std::function<void(const Request& request, unsigned status)> on_answer;
};

struct ProxyOptions {
  milliseconds header_limit = kHeaderLimit;  // the user's header
  milliseconds idle_limit = kIdleLimit;      // between two requests
  milliseconds response_limit{120'000};      // until the upstream's response begins
  milliseconds stream_idle = kStreamIdle;    // within bodies and upgraded connections
  milliseconds rest_of_body{2'000};          // for a request's body once its response is complete
  bool allow_upgrade = true;                 // else the field is removed
};

struct ProxyTotals {
  std::uint64_t requests = 0;
  std::uint64_t bytes_from_user = 0;  // bodies and upgraded bytes
  std::uint64_t bytes_to_user = 0;
  std::optional<Error> error;  // why it ended, other than orderly
};

// One user connection with at most one upstream connection. Belongs to the executor of its stream; must outlive run().
class ProxyConnection {
 public:
  ProxyConnection(net::StreamPtr user, ProxyHooks hooks, ProxyOptions options = {});
  ~ProxyConnection();
  ProxyConnection(const ProxyConnection&) = delete;
  ProxyConnection& operator=(const ProxyConnection&) = delete;

  // Serves until the connection ends. Requests are read one by one; bodies stream both ways with back-pressure; 101
  // splices with half-close; 100-continue is passed on as the upstream says it; HTTP/1.0 upstreams may end a body by
  // closing.
  net::Task<ProxyTotals> run();
  // Closes both connections at once; run() then returns.
  void cut();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Removes the fields that belong to one connection alone (RFC 9110 §7.6.1): Connection and what it names, Keep-Alive,
// Proxy-Connection, Proxy-Authenticate, Proxy-Authorization, TE, Trailer, Transfer-Encoding, Upgrade.
void remove_hop_by_hop(Headers& headers);

}  // namespace sallyport::http
