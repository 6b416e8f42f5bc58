// A method that is an HTTP endpoint of this machine: the params are posted to it as JSON.
#pragma once

#include <string>
#include <string_view>

#include "net/address.h"
#include "rpcnode/methods.h"

namespace sallyport::rpcnode {

inline constexpr std::size_t kMaxHttpResult = 128U << 10U;

// Where a method's requests go. Loopback alone: they are plain.
struct HttpEndpoint {
  net::Address address;
  std::string target;  // path and query
  friend bool operator==(const HttpEndpoint&, const HttpEndpoint&) = default;
};

// Parses "http://127.0.0.1:PORT/PATH". Errc::malformed for another scheme, a host that is not a loopback address, or
// characters that a request line cannot have.
Result<HttpEndpoint> parse_http_endpoint(std::string_view text);

// Posts the params with the headers Sallyport-Caller, Sallyport-Method and Idempotency-Key (the call's id). A status of
// 2xx with a JSON body is the result, an empty body is null; any other status is RpcCode::failed with the status and
// the body as data.
net::Task<MethodResult> call_http(HttpEndpoint endpoint, MethodCall call);

}  // namespace sallyport::rpcnode
