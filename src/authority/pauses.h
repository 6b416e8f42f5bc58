// Who fails again and again is left unanswered for a while (FailurePause): under which names, and for what.
#pragma once

#include <optional>
#include <string>

#include "authority/core.h"
#include "records/role_messages.h"

namespace sallyport::authority {

// The holder of a factory certificate, and of an operational one.
std::string pause_name(const SiteName& site, const SerialId& serial_id);
std::string pause_name(const records::CertificateSerial& operational);

// The answer to a client that has to wait: no certificates and how long.
std::optional<records::CertificateChain> wait_first(const Core& core, const std::string& client);
// A success forgives; a failure counts when the client is to blame for it.
void note_outcome(Core& core, const std::string& client, const Result<records::CertificateChain>& answer);

}  // namespace sallyport::authority
