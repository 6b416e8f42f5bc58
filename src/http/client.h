// Requests over a stream that somebody else opened: EST, OCSP, REST.
#pragma once

#include <memory>
#include <string>

#include "base/secret.h"
#include "http/limits.h"
#include "http/message.h"

namespace sallyport::http {

// Who logs in at a proxy where it asks for that (RFC 9110 §11.7). One thread.
class ProxyVisitor {
 public:
  virtual ~ProxyVisitor() = default;
  // The header line, with its end of line, of the next request, of `method` to `target` as it is sent; empty: none.
  virtual Result<SecretBytes> show(std::string_view method, std::string_view target) = 0;
  // That request was answered, and not by 407.
  virtual void take_success() = 0;
  // The `requests`-th sending of that request was answered 407 with these values of Proxy-Authenticate. Whether to send
  // it once more.
  virtual bool take_challenges(const std::vector<std::string_view>& challenges, unsigned requests) = 0;
};

// How requests are written for an HTTP proxy that stands between (RFC 9112 §3.2.2).
struct ProxyForm {
  std::string origin;                     // put before each target: "http://host:port"
  std::shared_ptr<ProxyVisitor> visitor;  // null: nobody who could log in
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

  // Sends a request and reads the whole answer, whatever its status; interim answers (1xx) are skipped. With
  // "Expect: 100-continue" the body is sent once the server wants it; an answer before that closes the connection. A
  // body beyond `body_limit` is Errc::overloaded, a malformed answer Errc::malformed, a broken connection
  // Errc::unavailable; after an error the connection is closed.
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
