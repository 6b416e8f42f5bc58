#include "console/metrics.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "codec/json.h"

namespace sallyport::console {
namespace {

constexpr std::string_view kPrometheus = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

// With or without a port.
bool is_loopback_host(std::string_view host) {
  constexpr std::array<std::string_view, 3> kNames = {"127.0.0.1", "localhost", "[::1]"};
  return std::ranges::any_of(kNames, [&](std::string_view name) {
    return host.starts_with(name) && (host.size() == name.size() || host[name.size()] == ':');
  });
}

net::Task<Result<std::string>> read_metrics(rolelink::RoleLink& authority) {
  records::AdminRequest request;
  request.method = "metrics.show";
  request.actor = "role:console";
  request.role = records::UserRole::viewer;
  request.parameters = "{}";
  CO_TRY(const auto bytes, co_await authority.call(records::RoleMethod::admin, records::encode(request)));
  CO_TRY(const auto answer, codec::parse_json(as_text(bytes), {.size = records::kMaxRoleMessage}));
  co_return answer.text_at("text");
}

net::Task<http::Response> answer_metrics(rolelink::RoleLink& authority, http::Request request) {
  if (!is_loopback_host(request.headers.get("Host")))
    co_return http::Response::text("found another Host, want 127.0.0.1, [::1] or localhost\n", kPlain, 403);
  const auto text = co_await read_metrics(authority);
  if (text) co_return http::Response::text(*text, kPrometheus);
  log::warn("metrics.not-read", {{"error", text.error()}});
  co_return http::Response::text("the authority does not answer\n", kPlain, 503);
}

}  // namespace

http::Router metrics_routes(rolelink::RoleLink& authority) {
  http::Router router;
  router.add("GET", "/metrics", [&authority](http::Request request, const net::PeerInfo&) {
    return answer_metrics(authority, std::move(request));
  });
  return router;
}

}  // namespace sallyport::console
