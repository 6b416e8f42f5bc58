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
// RFC 7030 §4.2.3.
http::Response certs_only(std::span<const pki::Certificate> certificates);
codec::Json window_json(const std::optional<records::RenewalWindow>& window);

}  // namespace sallyport::gateway
