#include "status/ocsp_http.h"

#include <algorithm>

#include "codec/text.h"

namespace sallyport::status {
namespace {

// What intermediaries may keep at most, whatever the answer's own window (reference: RFC 5019 §6.2).
constexpr seconds kMaxAge{300};
constexpr seconds kCrlMaxAge{60};
constexpr std::string_view kOcspRequest = "application/ocsp-request";
constexpr std::string_view kOcspResponse = "application/ocsp-response";
constexpr std::string_view kCrlType = "application/pkix-crl";

}  // namespace

std::optional<ByteView> posted_question(const http::Request& request) {
  if (request.headers.get("Content-Type") != kOcspRequest) return std::nullopt;
  return request.body;
}

http::Response wrong_type() {
  return http::Response::error(415, "want Content-Type application/ocsp-request");
}

Bytes question_in_path(const http::Request& request) {
  // Base64, percent-encoded; '+' comes as a space from some clients.
  std::string text = request.param("request");
  std::ranges::replace(text, ' ', '+');
  auto der = codec::decode_base64(text);
  return der ? *std::move(der) : Bytes();
}

http::Response to_http(const Answer& answer, UnixTime now) {
  http::Response response = http::Response::bytes(*answer.der, kOcspResponse);
  if (!answer.next_update) {
    response.headers.set("Cache-Control", "no-store");
    return response;
  }
  const seconds age = std::clamp(*answer.next_update - now, seconds(0), kMaxAge);
  response.headers.add("Cache-Control", fmt::format("max-age={}, public, no-transform, must-revalidate", age.count()));
  response.headers.add("ETag", answer.etag);
  return response;
}

http::Response to_http(const ServedCrl& list, UnixTime now) {
  const seconds age = std::clamp(list.next_update - now, seconds(0), kCrlMaxAge);
  http::Response response = http::Response::bytes(*list.der, kCrlType);
  response.headers.set("Cache-Control", fmt::format("max-age={}, public, must-revalidate", age.count()));
  response.headers.set("ETag", list.etag);
  return response;
}

http::Response root_crl_to_http(Bytes der) {
  http::Response response = http::Response::bytes(std::move(der), kCrlType);
  response.headers.set("Cache-Control", "max-age=60, public, must-revalidate");
  return response;
}

http::Response certificate_to_http(Bytes der) {
  return http::Response::bytes(std::move(der), "application/pkix-cert");
}

}  // namespace sallyport::status
