#include "console/problem.h"

#include <algorithm>
#include <array>

#include "codec/json.h"

namespace sallyport::console {
namespace {

struct Type {
  std::string_view name;
  unsigned status;
  std::string_view title;
};

constexpr std::array kTypes = {
    Type{"invalid-request", 400, "The request is not of the right form"},
    Type{"unauthenticated", 401, "Not logged in"},
    Type{"login-refused", 401, "Login or password is wrong"},
    Type{"origin-mismatch", 403, "The request does not come from this console"},
    Type{"csrf-mismatch", 403, "The request lacks this session's token"},
    Type{"forbidden", 403, "Your role does not allow this"},
    Type{"step-up-required", 403, "Give your password again"},
    Type{"not-found", 404, "There is no such thing"},
    Type{"service-unknown", 404, "The device does not offer this service now"},
    Type{"method-not-allowed", 405, "This cannot be done here"},
    Type{"state-conflict", 409, "The device's state does not allow this"},
    Type{"site-needed", 409, "Two sites have this serial id"},
    Type{"login-taken", 409, "A user of this login exists"},
    Type{"device-offline", 409, "The device is offline"},
    Type{"remote-access-off", 409, "Remote access is switched off"},
    Type{"device-switch-off", 409, "Remote access is switched off on the device itself"},
    Type{"service-not-http", 409, "A browser cannot open this service"},
    Type{"service-not-tcp", 409, "The command line cannot open this service"},
    Type{"rpc-off", 409, "Nodes are not called from here"},
    Type{"rpc-key-missing", 409, "No key is kept for this node"},
    Type{"rpc-refused", 409, "The node refuses"},
    Type{"unsupported-media-type", 415, "The body must be JSON"},
    Type{"confirmation-mismatch", 422, "The confirmation does not match"},
    Type{"claim-refused", 422, "Serial id and code do not belong together"},
    Type{"password-refused", 422, "This password cannot be used"},
    Type{"too-many-requests", 429, "Too many tries"},
    Type{"internal", 500, "Something went wrong here"},
    Type{"rpc-no-answer", 504, "The node does not answer"},
    Type{"unavailable", 503, "Not available right now"},
};
constexpr std::string_view kPrefix = "urn:sallyport:problem:";

const Type* find_type(std::string_view name) {
  const auto found = std::ranges::find(kTypes, name, &Type::name);
  return found == kTypes.end() ? nullptr : &*found;
}

std::string_view type_of(Errc code) {
  switch (code) {
    case Errc::malformed:
      return "invalid-request";
    case Errc::unauthorized:
      return "forbidden";
    case Errc::not_found:
      return "not-found";
    case Errc::conflict:
      return "state-conflict";
    case Errc::overloaded:
      return "too-many-requests";
    case Errc::expired:
    case Errc::unavailable:
    case Errc::not_yet:
      return "unavailable";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace

http::Response problem(std::string_view name, std::string_view detail, std::string_view request_id) {
  const Type* type = find_type(name);
  SALLYPORT_CHECK(type != nullptr);
  codec::Json::Object body{{"type", std::string(kPrefix) + std::string(name)},
                           {"title", type->title},
                           {"status", type->status},
                           {"request_id", request_id}};
  if (!detail.empty()) body.emplace("detail", detail);
  http::Response response =
      http::Response::text(codec::Json(std::move(body)).write(), "application/problem+json", type->status);
  if (type->status == 429 || type->status == 503) response.headers.set("Retry-After", type->status == 429 ? "60" : "5");
  response.headers.set("X-Request-Id", request_id);
  return response;
}

http::Response problem_of(const Error& error, std::string_view request_id) {
  const std::string_view detail(error.detail);
  const std::size_t colon = detail.find(": ");
  if (colon != std::string_view::npos && find_type(detail.substr(0, colon)) != nullptr) {
    return problem(detail.substr(0, colon), detail.substr(colon + 2), request_id);
  }
  return problem(type_of(error.code), error.code == Errc::malformed ? detail : std::string_view(), request_id);
}

}  // namespace sallyport::console
