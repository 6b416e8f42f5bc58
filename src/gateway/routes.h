// What devices may ask of the gateway, as data: what is not here does not exist, and nothing here is without an
// admission.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/limits.h"
#include "http/message.h"
#include "telemetry/batch.h"

namespace sallyport::gateway {

// Who may call a route.
enum class Admission : std::uint8_t {
  anyone,     // what anybody may know (RFC 7030 §4.1, §4.5)
  certified,  // a certificate of this installation's, a factory's or an operational one: the authority decides on it
  device,     // an operational certificate in the issuance record, of a device that is connected or claimed
};

inline constexpr std::size_t kMaxCsrBody = 16U << 10U;

struct Route {
  std::string_view verb;
  std::string_view pattern;
  Admission admission{};
  std::string_view content_type;  // that a body must have; empty: no body is read
  std::size_t body_limit = http::kDefaultRequestBody;
  bool is_metered = false;  // its bodies are taken from the device's budget (TelemetryBudget)
};

inline constexpr std::string_view kPkcs10 = "application/pkcs10";
inline constexpr std::array kRoutes = {
    Route{"GET", "/.well-known/est/cacerts", Admission::anyone, {}},
    Route{"GET", "/.well-known/est/csrattrs", Admission::anyone, {}},
    Route{"POST", "/.well-known/est/simpleenroll", Admission::certified, kPkcs10, kMaxCsrBody},
    Route{"POST", "/.well-known/est/simplereenroll", Admission::certified, kPkcs10, kMaxCsrBody},
    Route{"POST", "/device/v1/web-certificate", Admission::device, kPkcs10, kMaxCsrBody},
    Route{"POST", "/device/v1/claim-hash", Admission::device, "application/json"},
    Route{"POST", "/device/v1/telemetry", Admission::device, "application/octet-stream", telemetry::kMaxBatchBytes,
          true},
    Route{"GET", "/device/v1/facts", Admission::device, {}},
};

// Why the body of a request is not read: 401 where the route wants a certificate and none was shown, 415 where it is no
// body of the route's. Whether the certificate may act is for the admission.
std::optional<http::Response> judge_head(const Route& route, const http::Request& head, bool has_certificate);

// How long the body of a request is by its head; 0 where that is not told.
std::size_t body_length(const http::Request& head);

// Whether a Content-Type field names `wanted`, parameters apart (RFC 9110 §8.3).
bool is_content_type(std::string_view field, std::string_view wanted);

}  // namespace sallyport::gateway
