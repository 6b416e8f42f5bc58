#include "console/api.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/secret.h"
#include "codec/text.h"
#include "console/problem.h"
#include "net/admissions.h"

namespace sallyport::console {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 5> kVerbs = {"GET", "POST", "PUT", "PATCH", "DELETE"};
constexpr std::size_t kRequestIdSize = 8;

// Of "application/json; charset=utf-8" the part before the parameters.
bool is_json(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const std::size_t end = type.find_last_not_of(" \t");
  return end != std::string_view::npos && http::equal_ignoring_case(type.substr(0, end + 1), "application/json");
}

Result<void> check_csrf(const http::Request& request, const Session& session) {
  const auto fields = request.headers.all("X-CSRF-Token");
  if (fields.size() == 1 && equal_constant_time(as_bytes(fields.front()), as_bytes(session.csrf))) return {};
  return fail(Errc::unauthorized, "csrf-mismatch: want the session's token in X-CSRF-Token");
}

Result<void> check_role(records::UserRole role, records::UserRole least) {
  if (role >= least) return {};
  return failf(Errc::unauthorized, "forbidden: your role is {}, want {} or more", records::to_string(role),
               records::to_string(least));
}

net::Task<http::Response> refuse(std::string_view type, Random& random) {
  co_return problem(type, {}, codec::encode_hex(random.bytes(kRequestIdSize)));
}

// What strangers can cause as often as they like.
bool is_refusal(unsigned status) {
  return status >= 400 && status < 500;
}

// A preview changes nothing, so it is open to whoever may do the act.
bool is_dry_run(const Json::Object& parameters) {
  const auto found = parameters.find("dry_run");
  return found != parameters.end() && found->second.boolean().value_or(false);
}

}  // namespace

Api::Api(const Clock& clock, Random& random, rolelink::RoleLink& authority, net::RpcLink& telemetry,
         net::RpcLink* caller, LoginSessions& sessions, EventHub& events, ApiFacts facts)
    : clock_(clock),
      random_(random),
      authority_(authority),
      telemetry_(telemetry),
      caller_(caller),
      sessions_(sessions),
      events_(events),
      facts_(std::move(facts)) {}

void Api::add_routes(http::Router& router) {
  const auto refuse_with = [&](std::string_view verb, std::string_view pattern, std::string_view type) {
    router.add(verb, pattern,
               [this, type](const http::Request&, const net::PeerInfo&) { return refuse(type, random_); });
  };
  for (const Route& route : routes()) {
    router.add(route.verb, route.pattern, [this, kept = &route](http::Request request, net::PeerInfo peer) {
      return serve(kept, std::move(request), std::move(peer));
    });
  }
  for (const Route& route : routes()) {
    const auto others = std::ranges::find(routes(), route.pattern, &Route::pattern);
    if (&*others != &route) continue;  // the pattern's first route speaks for all of them
    for (const std::string_view verb : kVerbs) {
      const bool exists = std::ranges::any_of(
          routes(), [&](const Route& other) { return other.pattern == route.pattern && other.verb == verb; });
      if (!exists) refuse_with(verb, route.pattern, "method-not-allowed");
    }
  }
  for (const std::string_view verb : kVerbs) refuse_with(verb, "/api/{rest...}", "not-found");
}

Result<void> Api::check_origin(const http::Request& request) const {
  if (!is_json(request.headers.get("Content-Type"))) {
    return fail(Errc::malformed, "unsupported-media-type: want Content-Type application/json");
  }
  const auto origins = request.headers.all("Origin");
  if (origins.size() == 1 && origins.front() == facts_.origin) return {};
  return failf(Errc::unauthorized, "origin-mismatch: want Origin {}", facts_.origin);
}

net::Task<http::Response> Api::serve(const Route* route, http::Request request, net::PeerInfo peer) {
  const std::string request_id = codec::encode_hex(random_.bytes(kRequestIdSize));
  const std::string path(request.path());
  const std::string source = peer.address.host;
  bool has_session = false;
  auto answered = co_await run(*route, std::move(request), source, request_id, &has_session);
  http::Response response = answered ? *std::move(answered) : problem_of(answered.error(), request_id);
  response.headers.set("X-Request-Id", request_id);
  std::optional<std::uint64_t> left_out = 0;
  if (!has_session && is_refusal(response.status))
    left_out = strangers_.take(net::source_of(source), clock_.monotonic());
  if (left_out) {
    log::info("console.request", {{"id", request_id},
                                  {"verb", route->verb},
                                  {"path", path},
                                  {"status", response.status},
                                  {"source", source},
                                  {"left_out", *left_out}});
  }
  if (!answered && response.status >= 500) {
    log::warn("console.request-failed", {{"id", request_id}, {"error", answered.error()}});
  }
  co_return response;
}

Api::Answer Api::run(const Route& route, http::Request request, std::string source, std::string request_id,
                     bool* has_session) {
  const bool changes = route.verb != "GET";
  if (changes) CO_TRY_VOID(check_origin(request));
  Call call;
  if (!route.is_open) {
    CO_TRY(call.session, co_await sessions_.find(std::string(request.cookie(kCookie).value_or(""))));
    *has_session = true;
    if (changes) CO_TRY_VOID(check_csrf(request, call.session));
    CO_TRY_VOID(check_role(call.session.role, route.least));
  }
  CO_TRY(call.parameters,
         changes ? parse_body(request.body, route.fields) : parse_query(request.query(), route.fields));
  for (const auto& [name, value] : request.params) call.parameters.insert_or_assign(name, value);
  if (route.is_dangerous && !is_dry_run(call.parameters) && !sessions_.is_stepped_up(call.session)) {
    co_return fail(Errc::unauthorized, "step-up-required: give your password again, then repeat this");
  }
  call.request = std::move(request);
  call.source = std::move(source);
  call.request_id = std::move(request_id);
  co_return co_await (this->*route.special)(route, std::move(call));
}

net::Task<Result<Bytes>> Api::ask(std::string method, const Call& call, Json::Object parameters) {
  records::AdminRequest request;
  request.method = std::move(method);
  request.actor = call.session.login;
  request.role = call.session.role;
  request.tenant = call.session.tenant;
  request.source = call.source;
  request.request_id = call.request_id;
  request.parameters = Json(std::move(parameters)).write();
  co_return co_await authority_.call(records::RoleMethod::admin, records::encode(request));
}

}  // namespace sallyport::console
