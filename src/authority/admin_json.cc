#include "authority/admin_json.h"

#include <array>
#include <utility>

#include "codec/pem.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "pki/certificate.h"

namespace sallyport::authority {
namespace {

using codec::Json;

struct ReasonWord {
  records::RevocationReason value;
  std::string_view text;       // RFC 5280 §5.3.1
  std::string_view as_option;  // as the command line's `--reason` has it
};
constexpr std::array<ReasonWord, 6> kReasons = {{
    {records::RevocationReason::unspecified, "unspecified", "unspecified"},
    {records::RevocationReason::key_compromise, "keyCompromise", "key-compromise"},
    {records::RevocationReason::ca_compromise, "cACompromise", "ca-compromise"},
    {records::RevocationReason::affiliation_changed, "affiliationChanged", "affiliation-changed"},
    {records::RevocationReason::superseded, "superseded", "superseded"},
    {records::RevocationReason::cessation_of_operation, "cessationOfOperation", "cessation-of-operation"},
}};

Json alarms_json(const records::DeviceRecord& device) {
  if (device.alarms == 0) return Json::Array{};
  return Json::Array{Json::Object{
      {"kind", "enrolment.refused"},
      {"time", nullptr},
      {"detail", fmt::format("{} refused enrolment{} of this device's factory certificate with another key",
                             device.alarms, device.alarms == 1 ? "" : "s")},
  }};
}

Json pause_json(const DeviceSurroundings& around) {
  if (!around.pause) return Json();
  return Json::Object{
      {"failures", around.pause->failures},
      {"until", around.pause->remaining > seconds(0) ? Json(to_iso8601(around.now + around.pause->remaining)) : Json()},
  };
}

Json services_json(const OnlineDevice* online) {
  Json::Array services;
  if (online != nullptr) {
    for (const records::OfferedService& service : online->presence.services) {
      services.emplace_back(Json::Object{{"name", service.name.get()}, {"kind", service.kind}});
    }
  }
  return services;
}

std::string_view key_algorithm(ByteView der) {
  const auto certificate = pki::parse_certificate(der);
  if (!certificate) return "unknown";
  switch (certificate->public_key().type()) {
    case crypto::KeyType::p256:
      return "P-256";
    case crypto::KeyType::p384:
      return "P-384";
    case crypto::KeyType::ed25519:
      return "Ed25519";
    case crypto::KeyType::rsa:
      return "RSA";
  }
  return "unknown";
}

}  // namespace

Json time_json(const std::optional<UnixTime>& time) {
  return time ? Json(to_iso8601(*time)) : Json();
}

Json device_json(const records::DeviceRecord& device, const DeviceSurroundings& around) {
  const OnlineDevice* online = around.online;
  const std::uint32_t rtt = online != nullptr ? online->presence.rtt_ms : 0;
  return Json::Object{
      {"name", device.name ? Json(device.name->get()) : Json()},
      {"serial_id", device.serial_id.get()},
      {"site", device.site.get()},
      {"alias", device.alias},
      {"state", records::to_string(device.state)},
      {"online", online != nullptr},
      {"last_seen", time_json(online != nullptr ? std::optional(around.now) : around.last_seen)},
      {"remote_access", device.remote_access},
      {"device_switch", online != nullptr ? Json(online->presence.device_switch) : Json()},
      {"services", services_json(online)},
      {"rtt_ms", rtt > 0 ? Json(rtt) : Json()},
      {"certificate_expires", time_json(around.certificate_expires)},
      {"alarms", alarms_json(device)},
      {"freeze_on_alarm", device.freeze_on_alarm},
      {"enrolment_failures", pause_json(around)},
      {"agent_version", online != nullptr ? online->presence.agent_version : std::string()},
      {"source", online != nullptr ? online->presence.source : std::string()},
      {"live_sessions", std::uint64_t{around.live_sessions}},
      {"created", to_iso8601(device.created)},
      {"connected_at", time_json(device.connected_at)},
      {"claimed_at", time_json(device.claimed_at)},
  };
}

Json certificate_json(const records::CertificateRecord& record) {
  const bool revoked = record.state == records::CertificateState::revoked;
  Json::Object out{
      {"ca", record.ca.get()},
      {"serial", codec::encode_hex(record.serial.get())},
      {"kind", to_string(record.kind)},
      {"state", revoked ? "revoked" : "issued"},
      {"subject", record.subject},
      {"key_algorithm", key_algorithm(record.der)},
      {"spki_sha256", codec::encode_hex(record.spki_sha256)},
      {"sha256", codec::encode_hex(crypto::sha256(record.der))},
      {"not_before", to_iso8601(record.not_before)},
      {"not_after", to_iso8601(record.not_after)},
      {"revoked_at", time_json(record.revoked_at)},
      {"reason", revoked ? Json(to_string(record.reason)) : Json()},
  };
  if (!record.der.empty()) out.emplace("pem", codec::encode_pem("CERTIFICATE", record.der));
  return out;
}

Json access_session_json(const records::AccessSessionRecord& session, const records::DeviceRecord* device) {
  return Json::Object{
      {"id", codec::encode_hex(session.grant_id)},
      {"login", session.login},
      {"device", session.device.get()},
      {"device_alias", device != nullptr ? device->alias : std::string()},
      {"serial_id", device != nullptr ? device->serial_id.get() : std::string()},
      {"service", session.service.get()},
      {"source", session.source},
      {"opened", to_iso8601(session.opened)},
      {"ended", time_json(session.ended)},
      {"end_reason", session.end_reason},
      {"bytes_to_device", session.bytes_to_device},
      {"bytes_to_user", session.bytes_to_user},
      {"connections", session.connections},
  };
}

Json audit_entry_json(const records::AuditEntry& entry) {
  auto detail = codec::parse_json(entry.detail);
  return Json::Object{
      {"sequence", entry.sequence},
      {"time", to_iso8601(entry.time)},
      {"actor", entry.actor},
      {"action", entry.action},
      {"subject", entry.subject},
      {"detail", detail ? *std::move(detail) : Json(Json::Object{})},
      {"previous", codec::encode_hex(entry.previous)},
      {"hash", codec::encode_hex(entry.hash)},
  };
}

Json user_json(const records::UserRecord& user) {
  return Json::Object{{"login", user.login},
                      {"role", records::to_string(user.role)},
                      {"tenant", user.tenant},
                      {"enabled", user.enabled},
                      {"created", to_iso8601(user.created)}};
}

std::string_view to_string(records::CertificateKind kind) {
  switch (kind) {
    case records::CertificateKind::ca:
      return "ca";
    case records::CertificateKind::factory:
      return "factory";
    case records::CertificateKind::operational:
      return "operational";
    case records::CertificateKind::web:
      return "web";
    case records::CertificateKind::server:
      return "server";
    case records::CertificateKind::role:
      return "role";
    case records::CertificateKind::person:
      return "person";
    case records::CertificateKind::control:
      return "control";
    case records::CertificateKind::ocsp_signer:
      return "ocsp-signer";
  }
  return "unknown";
}

std::string_view to_string(records::RevocationReason reason) {
  for (const ReasonWord& each : kReasons) {
    if (each.value == reason) return each.text;
  }
  return "unspecified";
}

Result<records::RevocationReason> parse_revocation_reason(std::string_view text) {
  for (const ReasonWord& each : kReasons) {
    if (each.text == text || each.as_option == text) return each.value;
  }
  return fail(
      Errc::malformed,
      "revocation reason: found another word, want unspecified, keyCompromise, cACompromise, affiliationChanged, "
      "superseded or cessationOfOperation (RFC 5280 §5.3.1)");
}

}  // namespace sallyport::authority
