#include "agent/gate_pages.h"

namespace sallyport::agent {
namespace {

constexpr unsigned kForbidden = 403;
constexpr unsigned kUnavailable = 503;

std::string_view sentence_of(tunnel::GateFault fault) {
  switch (fault) {
    case tunnel::GateFault::no_grant:
    case tunnel::GateFault::no_session:
      return "This address is not open for you. Open the device from the console.";
    case tunnel::GateFault::entry_used:
      return "This link was used already. Open the device from the console again.";
    default:
      return {};
  }
}

std::string_view sentence_of(tunnel::RefuseCode code) {
  switch (code) {
    case tunnel::RefuseCode::grant_expired:
      return "This link is too old. Open the device from the console again.";
    case tunnel::RefuseCode::no_such_service:
      return "The device does not offer this service now.";
    case tunnel::RefuseCode::remote_access_off:
      return "Remote access is switched off on the device.";
    case tunnel::RefuseCode::consent_denied:
      return "Somebody at the device has to consent, and did not.";
    case tunnel::RefuseCode::service_down:
    case tunnel::RefuseCode::busy:
      return "The device takes no further connection now.";
    default:
      return sentence_of(tunnel::GateFault::no_grant);
  }
}

http::Response refusal_page(unsigned status, std::string_view sentence) {
  http::Response response = http::Response::text(
      fmt::format("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><link rel=\"icon\" href=\"data:,\">"
                  "<title>{0}</title></head><body><p>{0}</p></body></html>\n",
                  sentence.empty() ? http::reason_phrase(status) : sentence),
      "text/html; charset=utf-8", status);
  response.headers.set("Content-Security-Policy", "default-src 'none'; img-src data:; frame-ancestors 'none'");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Cache-Control", "no-store");
  response.close = true;
  return response;
}

}  // namespace

tunnel::RequestHead to_gate(const http::Request& request) {
  tunnel::RequestHead head{.method = request.method, .target = request.target, .headers = {}};
  for (const auto& field : request.headers.fields()) head.headers.push_back({field.name, field.value});
  return head;
}

http::Headers to_http(const tunnel::Headers& headers) {
  http::Headers out;
  for (const auto& header : headers) out.add(header.name, header.value);
  return out;
}

http::Response to_response(const tunnel::GateRefusal& refusal) {
  return refusal_page(refusal.status, sentence_of(refusal.fault));
}

http::Response to_response(tunnel::RefuseCode code) {
  const bool is_passing = code == tunnel::RefuseCode::busy || code == tunnel::RefuseCode::service_down;
  return refusal_page(is_passing ? kUnavailable : kForbidden, sentence_of(code));
}

http::Response to_response(const tunnel::GateAnswer& answer) {
  http::Response response;
  response.status = answer.status;
  response.headers = to_http(answer.headers);
  response.body = to_bytes(std::string_view(answer.body));
  return response;
}

}  // namespace sallyport::agent
