// From method and path to the code that answers.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/limits.h"
#include "http/message.h"

namespace sallyport::http {

// Answers one request. The request and what is known of the peer are its own.
using Handler = std::function<net::Task<Response>(Request request, net::PeerInfo peer)>;

// Answers a request of which only the head is here, for a reason that its body does not change: the body is not read,
// and the connection ends. Absent: the body may come. Must not block.
using HeadJudge = std::function<std::optional<Response>(const Request& head, const net::PeerInfo& peer)>;

struct RouteOptions {
  std::size_t body_limit = kDefaultRequestBody;
  // Whether "%2F" may stand in the path, which then counts as part of a segment: for values that are no paths, such as
  // base64 (RFC 6960 appendix A.1).
  bool encoded_slashes = false;
  // Asked before a body is read, so that strangers cannot have it collected. May be empty.
  HeadJudge judge_head{};
};

// The routes of one server, complete before it serves. A pattern is a path whose segments are literal, `{name}`
// (exactly one non-empty segment), or as the last `{name...}` (the rest, possibly empty). Literal segments win over
// parameters.
class Router {
 public:
  // HEAD is answered by the GET route. A pattern that is there already, or malformed, is a broken invariant.
  Router& add(std::string_view method, std::string_view pattern, Handler handler, RouteOptions options = {});

  struct Match {
    const Handler* handler = nullptr;
    const RouteOptions* options = nullptr;
    std::map<std::string, std::string, std::less<>> params;
  };
  // The route for a request; otherwise the 404, 400 (an escape in the path is broken, or hides NUL, or a
  // '/' that the route does not want) or 405 (with
  // Allow) that answers it.
  std::variant<Match, Response> find(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    Handler handler;
    RouteOptions options;
  };
  Response method_not_allowed(const std::vector<std::string>& segments) const;

  std::vector<Route> routes_;
};

}  // namespace sallyport::http
