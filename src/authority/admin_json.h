// Records as the administration interface shows them; field names are those of docs/api/openapi.yaml.
#pragma once

#include <optional>
#include <vector>

#include "authority/failure_pause.h"
#include "authority/presence.h"
#include "codec/json.h"
#include "records/database.h"

namespace sallyport::authority {

// What is said of a device beside its record.
struct DeviceSurroundings {
  const OnlineDevice* online = nullptr;
  std::optional<UnixTime> last_seen;
  std::optional<UnixTime> certificate_expires;
  std::size_t live_sessions = 0;
  std::optional<FailurePause::Standing> pause;
  UnixTime now;
};

codec::Json time_json(const std::optional<UnixTime>& time);
codec::Json device_json(const records::DeviceRecord& device, const DeviceSurroundings& around);
codec::Json certificate_json(const records::CertificateRecord& record);
codec::Json access_session_json(const records::AccessSessionRecord& session, const records::DeviceRecord* device);
codec::Json audit_entry_json(const records::AuditEntry& entry);
codec::Json user_json(const records::UserRecord& user);

std::string_view to_string(records::CertificateKind kind);
// RFC 5280 §5.3.1 spelling ("keyCompromise"); "key-compromise" is read as well.
std::string_view to_string(records::RevocationReason reason);
Result<records::RevocationReason> parse_revocation_reason(std::string_view text);

}  // namespace sallyport::authority
