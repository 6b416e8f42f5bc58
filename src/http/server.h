// HTTP/1.1 over a stream that somebody else accepted.
#pragma once

#include <memory>

#include "http/repeated_answers.h"
#include "http/router.h"
#include "net/stream.h"

namespace sallyport::http {

struct ServerOptions {
  // Added to every response that does not have the field itself.
  Headers default_headers{{"Cache-Control", "no-store"},
                          {"X-Content-Type-Options", "nosniff"},
                          {"Referrer-Policy", "no-referrer"},
                          {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"}};
  milliseconds header_limit = kHeaderLimit;
  milliseconds body_limit = kBodyLimit;
  milliseconds idle_limit = kIdleLimit;
  milliseconds write_limit = kWriteLimit;
  std::size_t max_requests = 1000;  // per connection
  // Told of every answered request, for access logs and counters. May be empty.
  std::function<void(const Request& head, unsigned status, const net::PeerInfo& peer)> on_answer;
  // Where answers that may be repeated are kept, which `on_answer` is not told of; none are without it.
  std::shared_ptr<RepeatedAnswers> repeated;
};

// Serves any number of connections with one set of routes. Must outlive them; not thread-safe.
class Server {
 public:
  Server(Router router, ServerOptions options = {});

  // Answers the requests of one connection until either side closes it, then closes the stream. A malformed request is
  // answered 400 and ends the connection, a slow header or body 408, an exception in a handler 500.
  net::Task<void> serve(net::StreamPtr stream) const;

 private:
  Router router_;
  ServerOptions options_;
};

}  // namespace sallyport::http
