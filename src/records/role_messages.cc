#include "records/role_messages.h"

#include <utility>

#include "codec/tlv.h"

namespace sallyport::records {
namespace {

using codec::TlvReader;
using codec::TlvWriter;

constexpr std::size_t kMaxCertificate = 16U << 10U;

Result<std::vector<Bytes>> read_certificates(TlvReader& reader, std::uint16_t tag) {
  TRY(auto views, reader.repeated(tag, kMaxChain));
  std::vector<Bytes> out;
  for (const ByteView view : views) {
    if (view.size() > kMaxCertificate) {
      return failf(Errc::malformed, "certificate: {} bytes, want at most {}", view.size(), kMaxCertificate);
    }
    out.push_back(to_bytes(view));
  }
  return out;
}

Result<CaName> read_ca_name(TlvReader& reader, std::uint16_t tag) {
  TRY(auto text, reader.text(tag));
  return CaName(std::move(text));
}

Result<Bytes> read_bytes(TlvReader& reader, std::uint16_t tag) {
  TRY(auto view, reader.bytes(tag));
  return to_bytes(view);
}

Result<DeviceName> read_device_name(TlvReader& reader, std::uint16_t tag) {
  TRY(auto text, reader.text(tag));
  return parse_device_name(text);
}

Result<std::string> read_short_text(TlvReader& reader, std::uint16_t tag, std::size_t most) {
  TRY(auto text, reader.text(tag));
  if (text.size() > most) {
    return failf(Errc::malformed, "role message: field {} of {} bytes, want at most {}", tag, text.size(), most);
  }
  return text;
}

}  // namespace

Result<std::uint16_t> take_method(ByteView& body) {
  Reader reader(body);
  TRY(auto method, reader.u16());
  body = reader.rest();
  return method;
}

Bytes with_method(RoleMethod method, ByteView fields) {
  return Writer().u16(std::to_underlying(method)).bytes(fields).take();
}

Bytes with_event(RoleEvent event, ByteView fields) {
  return Writer().u16(std::to_underlying(event)).bytes(fields).take();
}

Bytes encode(const Subscribe& m) {
  return TlvWriter().text(1, m.role).u32(2, m.instance).u64(3, m.have_number).take();
}
Result<Subscribe> parse_subscribe(ByteView fields) {
  TlvReader reader(fields, "subscribe");
  Subscribe out;
  TRY(out.role, reader.text(1));
  TRY(out.instance, reader.u32(2));
  TRY(out.have_number, reader.u64(3));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const SnapshotEvent& m) {
  return TlvWriter().bytes(1, m.sealed_manifest).bytes(2, m.first_portion).take();
}
Result<SnapshotEvent> parse_snapshot_event(ByteView fields) {
  TlvReader reader(fields, "snapshot event");
  SnapshotEvent out;
  TRY(out.sealed_manifest, read_bytes(reader, 1));
  TRY(out.first_portion, read_bytes(reader, 2));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const SnapshotPortionRequest& m) {
  return TlvWriter().u64(1, m.number).u32(2, m.index).take();
}
Result<SnapshotPortionRequest> parse_snapshot_portion_request(ByteView fields) {
  TlvReader reader(fields, "snapshot portion request");
  SnapshotPortionRequest out;
  TRY(out.number, reader.u64(1));
  TRY(out.index, reader.u32(2));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const LeaseEvent& m) {
  return TlvWriter().u64(1, m.number).u32(2, m.valid_for_ms).take();
}
Result<LeaseEvent> parse_lease_event(ByteView fields) {
  TlvReader reader(fields, "lease");
  LeaseEvent out;
  TRY(out.number, reader.u64(1));
  TRY(out.valid_for_ms, reader.u32(2));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const CutEvent& m) {
  return TlvWriter().bytes(1, m.grant_id).text(2, m.reason).take();
}
Result<CutEvent> parse_cut_event(ByteView fields) {
  TlvReader reader(fields, "cut");
  CutEvent out;
  TRY(out.grant_id, read_bytes(reader, 1));
  TRY(out.reason, reader.text(2));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const RoleCertificateRequest& m) {
  return TlvWriter().text(1, m.role).u8(2, std::to_underlying(m.kind)).bytes(3, m.csr).take();
}
Result<RoleCertificateRequest> parse_role_certificate_request(ByteView fields) {
  TlvReader reader(fields, "role certificate request");
  RoleCertificateRequest out;
  TRY(out.role, reader.text(1));
  TRY(auto kind, reader.u8(2));
  out.kind = static_cast<CertificateKind>(kind);
  if (out.kind != CertificateKind::server && out.kind != CertificateKind::role) {
    return failf(Errc::malformed, "role certificate request: kind {}, want server or role", kind);
  }
  TRY(out.csr, read_bytes(reader, 3));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const OcspSignerRequest& m) {
  return TlvWriter().text(1, m.ca.get()).bytes(2, m.csr).take();
}
Result<OcspSignerRequest> parse_ocsp_signer_request(ByteView fields) {
  TlvReader reader(fields, "OCSP signer request");
  OcspSignerRequest out;
  TRY(out.ca, read_ca_name(reader, 1));
  TRY(out.csr, read_bytes(reader, 2));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const CertificateChain& m) {
  TlvWriter writer;
  for (const Bytes& certificate : m.certificates) writer.bytes(1, certificate);
  if (!m.log_proof.empty()) writer.bytes(2, as_bytes(m.log_proof)).bytes(3, m.log_key);
  if (m.retry_after_s != 0) writer.u32(4, m.retry_after_s);
  return std::move(writer).take();
}
Result<CertificateChain> parse_certificate_chain(ByteView fields) {
  TlvReader reader(fields, "certificate chain");
  CertificateChain out;
  TRY(out.certificates, read_certificates(reader, 1));
  TRY(const auto proof, reader.optional_bytes(2));
  if (proof) {
    if (proof->empty() || proof->size() > kMaxLogProof) {
      return failf(Errc::malformed, "certificate chain: proof of {} bytes, want 1 to {}", proof->size(), kMaxLogProof);
    }
    out.log_proof = as_text(*proof);
    TRY(const ByteView key, reader.bytes(3));
    out.log_key = to_bytes(key);
  }
  if (reader.next_is(4)) {
    TRY(out.retry_after_s, reader.u32(4));
  }
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const RenewalWindows& m) {
  TlvWriter writer;
  if (m.operational) writer.time(1, m.operational->start).time(2, m.operational->end);
  if (m.web) writer.time(3, m.web->start).time(4, m.web->end);
  return std::move(writer).take();
}
Result<RenewalWindows> parse_renewal_windows(ByteView fields) {
  TlvReader reader(fields, "renewal windows");
  RenewalWindows out;
  if (reader.next_is(1)) {
    RenewalWindow window;
    TRY(window.start, reader.time(1));
    TRY(window.end, reader.time(2));
    out.operational = window;
  }
  if (reader.next_is(3)) {
    RenewalWindow window;
    TRY(window.start, reader.time(3));
    TRY(window.end, reader.time(4));
    out.web = window;
  }
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const EnrolRequest& m) {
  TlvWriter writer;
  writer.bytes(1, m.client_certificate);
  for (const Bytes& certificate : m.client_chain) writer.bytes(2, certificate);
  return std::move(writer.bytes(3, m.csr).text(4, m.source)).take();
}
Result<EnrolRequest> parse_enrol_request(ByteView fields) {
  TlvReader reader(fields, "enrolment request");
  EnrolRequest out;
  TRY(out.client_certificate, read_bytes(reader, 1));
  TRY(out.client_chain, read_certificates(reader, 2));
  TRY(out.csr, read_bytes(reader, 3));
  TRY(out.source, reader.text(4));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const RenewRequest& m) {
  return TlvWriter().bytes(1, m.client_certificate).bytes(2, m.csr).text(3, m.source).take();
}
Result<RenewRequest> parse_renew_request(ByteView fields) {
  TlvReader reader(fields, "renewal request");
  RenewRequest out;
  TRY(out.client_certificate, read_bytes(reader, 1));
  TRY(out.csr, read_bytes(reader, 2));
  TRY(out.source, reader.text(3));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const ClaimHash& m) {
  return TlvWriter().text(1, m.device.get()).bytes(2, m.hash).take();
}
Result<ClaimHash> parse_claim_hash(ByteView fields) {
  TlvReader reader(fields, "claim hash");
  ClaimHash out;
  TRY(out.device, read_device_name(reader, 1));
  TRY(out.hash, reader.array<32>(2));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const FindCertificate& m) {
  return TlvWriter().text(1, m.ca.get()).bytes(2, m.serial.get()).take();
}
Result<FindCertificate> parse_find_certificate(ByteView fields) {
  TlvReader reader(fields, "certificate look-up");
  FindCertificate out;
  TRY(out.ca, read_ca_name(reader, 1));
  TRY(auto serial, read_bytes(reader, 2));
  if (serial.empty() || serial.size() > 20)
    return failf(Errc::malformed, "serial: {} bytes, want 1 to 20", serial.size());
  out.serial = CertificateSerial(std::move(serial));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const Presence& m) {
  TlvWriter writer;
  writer.text(1, m.device.get())
      .flag(2, m.online)
      .bytes(3, m.boot_id)
      .flag(4, m.device_switch)
      .u32(5, m.rtt_ms)
      .text(6, m.source)
      .text(7, m.agent_version);
  for (const OfferedService& service : m.services) {
    writer.bytes(8, Writer().bytes_u8(as_bytes(service.name.get())).text(service.kind).view());
  }
  return std::move(writer).take();
}
Result<Presence> parse_presence(ByteView fields) {
  TlvReader reader(fields, "presence");
  Presence out;
  TRY(out.device, read_device_name(reader, 1));
  TRY(out.online, reader.flag(2));
  TRY(out.boot_id, reader.array<16>(3));
  TRY(out.device_switch, reader.flag(4));
  TRY(out.rtt_ms, reader.u32(5));
  TRY(out.source, read_short_text(reader, 6, kMaxSource));
  TRY(out.agent_version, read_short_text(reader, 7, kMaxAgentVersion));
  TRY(auto services, reader.repeated(8, kMaxOfferedServices));
  for (const ByteView view : services) {
    Reader fields_of_service(view);
    TRY(auto name_text, fields_of_service.bytes_u8());
    TRY(auto name, parse_service_name(as_text(name_text)));
    const std::string kind(as_text(fields_of_service.rest()));
    if (kind != "http" && kind != "tcp" && kind != "tls") {
      return fail(Errc::malformed, "presence: another kind of service, want http, tcp or tls");
    }
    out.services.push_back({std::move(name), kind});
  }
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const AccessSessionReport& m) {
  return TlvWriter()
      .bytes(1, m.grant_id)
      .flag(2, m.ended)
      .text(3, m.source)
      .text(4, m.reason)
      .u64(5, m.bytes_to_device)
      .u64(6, m.bytes_to_user)
      .u32(7, m.connections)
      .take();
}
Result<AccessSessionReport> parse_access_session_report(ByteView fields) {
  TlvReader reader(fields, "access session report");
  AccessSessionReport out;
  TRY(out.grant_id, read_bytes(reader, 1));
  TRY(out.ended, reader.flag(2));
  TRY(out.source, read_short_text(reader, 3, kMaxSource));
  TRY(out.reason, read_short_text(reader, 4, kMaxEndReason));
  TRY(out.bytes_to_device, reader.u64(5));
  TRY(out.bytes_to_user, reader.u64(6));
  TRY(out.connections, reader.u32(7));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const Alarm& m) {
  return TlvWriter().text(1, m.kind).text(2, m.subject).text(3, m.detail).take();
}
Result<Alarm> parse_alarm(ByteView fields) {
  TlvReader reader(fields, "alarm");
  Alarm out;
  TRY(out.kind, read_short_text(reader, 1, kMaxAlarmKind));
  TRY(out.subject, read_short_text(reader, 2, kMaxAlarmSubject));
  TRY(out.detail, read_short_text(reader, 3, kMaxAlarmDetail));
  TRY_VOID(reader.finish());
  return out;
}

Bytes encode(const AdminRequest& m) {
  return TlvWriter()
      .text(1, m.method)
      .text(2, m.actor)
      .u8(3, std::to_underlying(m.role))
      .text(4, m.tenant)
      .text(5, m.source)
      .text(6, m.request_id)
      .text(7, m.parameters)
      .take();
}
Result<AdminRequest> parse_admin_request(ByteView fields) {
  TlvReader reader(fields, "administration request");
  AdminRequest out;
  TRY(out.method, reader.text(1));
  TRY(out.actor, reader.text(2));
  TRY(auto role, reader.u8(3));
  if (role < 1 || role > std::to_underlying(UserRole::owner)) {
    return failf(Errc::malformed, "administration request: role {}, want 1 to 3", role);
  }
  out.role = static_cast<UserRole>(role);
  TRY(out.tenant, reader.text(4));
  TRY(out.source, reader.text(5));
  TRY(out.request_id, reader.text(6));
  TRY(out.parameters, reader.text(7));
  TRY_VOID(reader.finish());
  return out;
}

}  // namespace sallyport::records
