// The gateway's answers to devices, as HTTP.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "codec/json.h"
#include "http/message.h"
#include "pki/certificate.h"
#include "records/role_messages.h"

namespace sallyport::gateway {

// Why not, as far as a device may know it.
http::Response refusal(const Error& error);
// To a client that failed too often (authority::FailurePause).
http::Response paused(std::uint32_t retry_after_s);
// To a device whose budget is used up for so long (TelemetryBudget).
http::Response over_budget(seconds wait);
// Whether a client wants the proof that its certificate is in the log.
bool wants_log_proof(const http::Request& request);
// The proof that the leaf is in the log stands beside the body, which stays as RFC 7030 wants it; and only where it was
// asked for, since stock clients of EST read heads of a kilobyte at most.
http::Response with_log_proof(http::Response response, const records::CertificateChain& chain, bool wanted);
// RFC 7030 §4.2.3.
http::Response certs_only(std::span<const pki::Certificate> certificates);
codec::Json window_json(const std::optional<records::RenewalWindow>& window);

}  // namespace sallyport::gateway
