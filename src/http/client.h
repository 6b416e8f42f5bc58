// Requests over a stream that somebody else opened: EST, OCSP, REST.
#pragma once

#include <memory>
#include <string>

#include "base/secret.h"
#include "http/limits.h"
#include "http/message.h"

namespace sallyport::http {

// How requests are written for an HTTP proxy that stands between (RFC 9112 §3.2.2).
struct ProxyForm {
  std::string origin;         // put before each target: "http://host:port"
  SecretBytes authorization;  // a header line with its end of line; empty: none
};

// One connection. One request at a time. Owns its stream.
class Client {
 public:
  // `host` is sent as Host where a request has none.
  Client(net::StreamPtr stream, std::string host);
  // To a proxy.
  Client(net::StreamPtr stream, std::string host, ProxyForm proxy);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Sends a request and reads the whole answer, whatever its status; interim answers (1xx) are skipped. A body beyond
  // `body_limit` is Errc::overloaded, a malformed answer Errc::malformed, a broken connection Errc::unavailable; after
  // an error the connection is closed.
  net::Task<Result<Response>> send(Request request, net::Deadline deadline,
                                   std::size_t body_limit = kDefaultResponseBody);
  // Whether another request may be sent.
  bool is_open() const;
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A request with a body: POST `target`, Content-Type `type`.
Request post(std::string target, std::string_view type, Bytes body);
// POST of an OCSP request (RFC 6960 appendix A.1): returns the DER of the answer. Any status but 200 and any other
// type than application/ocsp-response is Errc::unavailable.
net::Task<Result<Bytes>> post_ocsp(Client& client, std::string target, Bytes request, net::Deadline deadline);

}  // namespace sallyport::http
