#include "rpcnode/http_method.h"

#include <algorithm>

#include "http/client.h"
#include "net/connect.h"

namespace sallyport::rpcnode {
namespace {

using codec::Json;

MethodFault http_fault(sealed::RpcCode code, std::string message, Json data = nullptr) {
  return {.code = code, .message = std::move(message), .data = std::move(data)};
}

MethodFault fault_of(const Error& error) {
  const auto code = error.code == Errc::expired      ? sealed::RpcCode::timed_out
                    : error.code == Errc::overloaded ? sealed::RpcCode::too_large
                                                     : sealed::RpcCode::failed;
  return http_fault(code, error.detail);
}

Json body_value(const Bytes& body) {
  if (body.empty()) return nullptr;
  const std::string_view text = as_text(body);
  if (auto json = codec::parse_json(text)) return *std::move(json);
  return codec::is_utf8(text) ? Json(std::string(text)) : Json("a body that is not UTF-8");
}

}  // namespace

Result<HttpEndpoint> parse_http_endpoint(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) return fail(Errc::malformed, "endpoint: want http://127.0.0.1:PORT/PATH");
  text.remove_prefix(kScheme.size());
  const std::size_t slash = text.find('/');
  HttpEndpoint out;
  TRY(out.address, net::parse_address(text.substr(0, slash)));
  if (!net::is_loopback(out.address)) return fail(Errc::malformed, "endpoint: want a loopback address");
  out.target = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
  if (std::ranges::any_of(out.target, [](char c) { return c < 0x21 || c > 0x7E || c == '#'; }))
    return fail(Errc::malformed, "endpoint: path: want printable ASCII without spaces and '#'");
  return out;
}

net::Task<MethodResult> call_http(HttpEndpoint endpoint, MethodCall call) {
  auto stream = co_await net::connect_tcp(endpoint.address, call.deadline);
  if (!stream) co_return std::unexpected(fault_of(stream.error()));
  http::Client client(*std::move(stream), net::to_string(endpoint.address));
  http::Request request = http::post(endpoint.target, "application/json", to_bytes(call.params.write()));
  request.headers.add("Sallyport-Caller", call.principal);
  request.headers.add("Sallyport-Method", call.method);
  request.headers.add("Idempotency-Key", sealed::to_text(call.id));
  const auto response = co_await client.send(std::move(request), call.deadline, kMaxHttpResult);
  if (!response) co_return std::unexpected(fault_of(response.error()));
  Json value = body_value(response->body);
  if (response->status >= 200 && response->status < 300) co_return value;
  co_return std::unexpected(
      http_fault(sealed::RpcCode::failed, fmt::format("the endpoint answered {}", response->status),
                 Json::Object{{"status", std::int64_t{response->status}}, {"body", std::move(value)}}));
}

}  // namespace sallyport::rpcnode
