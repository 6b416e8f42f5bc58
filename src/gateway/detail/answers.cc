#include "gateway/detail/answers.h"

#include "codec/text.h"
#include "pki/est.h"

namespace sallyport::gateway {
namespace {

// What a device whose ledger is not in yet is told to wait.
constexpr std::string_view kRetryAfter = "5";

}  // namespace

http::Response refusal(const Error& error) {
  if (error.code == Errc::not_yet) {
    http::Response response = http::Response::text("not in a ledger yet", "text/plain; charset=utf-8", 202);
    response.headers.set("Retry-After", kRetryAfter);
    return response;
  }
  switch (error.code) {
    case Errc::conflict:
      return http::Response::error(403, "another key enrolled with this certificate");
    case Errc::unauthorized:
    case Errc::not_found:
      return http::Response::error(403, "not permitted");
    case Errc::malformed:
      return http::Response::error(400, "not a request of the right form");
    case Errc::overloaded: {
      http::Response response = http::Response::error(429, "the quota is used up or the service is busy");
      response.headers.set("Retry-After", "60");
      return response;
    }
    default: {
      http::Response response = http::Response::error(503, "not available now");
      response.headers.set("Retry-After", kRetryAfter);
      return response;
    }
  }
}

http::Response paused(std::uint32_t retry_after_s) {
  http::Response response = http::Response::error(429, "too many requests that failed");
  response.headers.set("Retry-After", std::to_string(retry_after_s));
  return response;
}

http::Response over_budget(seconds wait) {
  http::Response response = http::Response::error(429, "more than a device may have stored at a time");
  response.headers.set("Retry-After", std::to_string(wait.count()));
  return response;
}

bool wants_log_proof(const http::Request& request) {
  return request.headers.get("Sallyport-Log-Proof") == "wanted";
}

http::Response with_log_proof(http::Response response, const records::CertificateChain& chain, bool wanted) {
  if (!wanted || chain.log_proof.empty()) return response;
  response.headers.set("Sallyport-Log-Proof", codec::encode_base64(as_bytes(chain.log_proof)));
  response.headers.set("Sallyport-Log-Key", codec::encode_base64(chain.log_key));
  return response;
}

codec::Json window_json(const std::optional<records::RenewalWindow>& window) {
  if (!window) return {};
  return codec::Json::Object{{"start", to_iso8601(window->start)}, {"end", to_iso8601(window->end)}};
}

http::Response certs_only(std::span<const pki::Certificate> certificates) {
  const std::string body = pki::encode_est_body(pki::encode_certs_only(certificates));
  return http::Response::bytes(to_bytes(std::string_view(body)), "application/pkcs7-mime; smime-type=certs-only");
}

}  // namespace sallyport::gateway
