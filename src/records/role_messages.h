// The messages between the authority and the roles, and between the authority and its administrators. Each body is
// `method u16 | TLV fields` and travels in one frame of a role connection (net's RPC frames); answers are TLV fields
// alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/names.h"
#include "base/time.h"
#include "records/certificate_record.h"
#include "records/user_record.h"

namespace sallyport::records {

// DO NOT CHANGE THESE VALUES: roles of different versions talk to each other during an upgrade.
enum class RoleMethod : std::uint16_t {
  subscribe = 1,           // relay, gateway, status: begin the feed of events
  acknowledge = 2,         // the snapshot of this number is in force here; asked every second: answers LeaseEvent
  role_certificate = 3,    // any role: a certificate for its own key
  ocsp_signer = 4,         // status: a delegate's certificate for one CA
  enrol = 5,               // gateway: first connection, or its repetition
  renew = 6,               // gateway: a new operational certificate for an enrolled device
  web_certificate = 7,     // gateway
  claim_hash = 8,          // gateway
  find_certificate = 9,    // relay, gateway, status: a miss in the snapshot
  presence = 10,           // relay: a device came, changed or went
  access_session = 11,     // relay: a session began, counted or ended
  grant_acknowledge = 12,  // relay: this worker knows the grant
  alarm = 13,              // relay, gateway
  admin = 14,              // console, CLI
  snapshot_portion = 15,   // relay, gateway, status: the next portion of an update under way; answers its bytes
  certificate_used = 16,   // gateway: FindCertificate; an operational certificate was shown and its key proven
  renewal_windows = 20,    // gateway: when the device of this operational certificate (FindCertificate) shall renew
  crl = 21,                // status: a portion of an online CA's newest CRL (crl_messages.h)
  status_report = 22,      // status: what people see of it (status_report.h)
};
// Events pushed by the authority.
enum class RoleEvent : std::uint16_t {
  update = 1,  // SnapshotEvent
  grant = 3,   // relay: a sealed access grant, new or renewed
  cut = 4,     // relay: CutEvent
  admin = 5,   // console: JSON text for people who watch
};

struct Subscribe {
  std::string role;            // "relay", "gateway", "status", "console"
  std::uint32_t instance = 0;  // tells a relay worker's process from others, else 0
  std::uint64_t have_number = 0;
};
// The manifest is a signed object of kind "snapshot" (pki/snapshot_manifest.h) that names the SHA-256 of every portion.
// The role calls snapshot_portion for those after the first.
struct SnapshotEvent {
  Bytes sealed_manifest;
  Bytes first_portion;
};
struct SnapshotPortionRequest {
  std::uint64_t number = 0;  // of the update that was announced to this connection
  std::uint32_t index = 0;   // from 1 on: 0 came with the event
};
// The answer to acknowledge: the role may admit new sessions for `valid_for_ms` from the moment it asked, if it holds
// snapshot `number` or newer. An empty answer is no lease.
struct LeaseEvent {
  std::uint64_t number = 0;
  std::uint32_t valid_for_ms = 0;
};
struct CutEvent {
  Bytes grant_id;
  std::string reason;
};

struct RoleCertificateRequest {
  std::string role;
  CertificateKind kind =
      CertificateKind::server;  // server (shown to devices and browsers) or role (shown to other roles)
  Bytes csr;
};
struct OcspSignerRequest {
  CaName ca;
  Bytes csr;
};
// Certificates, leaf first, without the root; for devices with the proof that the leaf is logged, unless there was none
// in time.
struct CertificateChain {
  std::vector<Bytes> certificates;
  std::string log_proof;  // tlog/proof.h; empty: none
  Bytes log_key;          // the certificate of the key that signed its checkpoint
  // None, and to ask again after so many seconds: the client failed too often. 0: answered.
  std::uint32_t retry_after_s = 0;
};
// The answer to renewal_windows: when the certificates of a device are to be renewed (RFC 9773 §4.2), absent where
// there is none of the kind.
struct RenewalWindow {
  UnixTime start;
  UnixTime end;
  friend bool operator==(const RenewalWindow&, const RenewalWindow&) = default;
};
struct RenewalWindows {
  std::optional<RenewalWindow> operational;
  std::optional<RenewalWindow> web;
  friend bool operator==(const RenewalWindows&, const RenewalWindows&) = default;
};

struct EnrolRequest {
  Bytes client_certificate;         // the leaf that authenticated the TLS connection: factory certificate, DER
  std::vector<Bytes> client_chain;  // what came with it
  Bytes csr;
  std::string source;  // address, a hint for the log
};
struct RenewRequest {
  Bytes client_certificate;  // operational
  Bytes csr;
  std::string source;
};
struct ClaimHash {
  DeviceName device;
  Digest hash{};
};
struct FindCertificate {
  CaName ca;
  CertificateSerial serial;
};

struct OfferedService {
  ServiceName name;
  std::string kind;  // "http", "tcp", "tls"
};
inline constexpr std::size_t kMaxOfferedServices = 64;

// Texts that roles tell are refused over these sizes in bytes, so that nobody fills the authority's memory or log.
inline constexpr std::size_t kMaxSource = 64;  // an address
inline constexpr std::size_t kMaxAgentVersion = 64;
inline constexpr std::size_t kMaxEndReason = 256;
inline constexpr std::size_t kMaxAlarmKind = 64;
inline constexpr std::size_t kMaxAlarmSubject = 256;
inline constexpr std::size_t kMaxAlarmDetail = 1'024;

struct Presence {
  DeviceName device;
  bool online = false;
  std::array<std::uint8_t, 16> boot_id{};
  bool device_switch = false;  // the device's own remote access switch
  std::uint32_t rtt_ms = 0;    // 0: not measured yet
  std::string source;
  std::string agent_version;
  std::vector<OfferedService> services;
};
struct AccessSessionReport {
  Bytes grant_id;
  bool ended = false;
  std::string source;
  std::string reason;
  std::uint64_t bytes_to_device = 0;  // since the session began
  std::uint64_t bytes_to_user = 0;
  std::uint32_t connections = 0;  // since the session began
};
struct Alarm {
  std::string kind;  // "device.cloned", "enrolment.refused"
  std::string subject;
  std::string detail;
};
// `method` is a dotted name of the administration interface ("device.list"); parameters and answer are JSON objects.
struct AdminRequest {
  std::string method;
  std::string actor;  // login, or "cli:uid 0"
  UserRole role = UserRole::viewer;
  std::string tenant;  // empty: the whole installation
  std::string source;
  std::string request_id;
  std::string parameters;
};

inline constexpr std::size_t kMaxChain = 8;
inline constexpr std::size_t kMaxLogProof = 16U << 10U;
inline constexpr std::size_t kMaxRoleMessage = 20U << 20U;
// JSON values in an answer of the administration: a page of a thousand devices has some twenty of each.
inline constexpr std::size_t kMaxAnswerValues = 65'536;

// Returns the method or event number at the front of a body and leaves `body` at its fields.
Result<std::uint16_t> take_method(ByteView& body);
Bytes with_method(RoleMethod method, ByteView fields);
Bytes with_event(RoleEvent event, ByteView fields);

Bytes encode(const Subscribe& message);
Bytes encode(const SnapshotEvent& message);
Bytes encode(const SnapshotPortionRequest& message);
Bytes encode(const LeaseEvent& message);
Bytes encode(const CutEvent& message);
Bytes encode(const RoleCertificateRequest& message);
Bytes encode(const OcspSignerRequest& message);
Bytes encode(const CertificateChain& message);
Bytes encode(const RenewalWindows& message);
Bytes encode(const EnrolRequest& message);
Bytes encode(const RenewRequest& message);
Bytes encode(const ClaimHash& message);
Bytes encode(const FindCertificate& message);
Bytes encode(const Presence& message);
Bytes encode(const AccessSessionReport& message);
Bytes encode(const Alarm& message);
Bytes encode(const AdminRequest& message);

// Each takes the fields after the method and fails with Errc::malformed unless they are exactly one message.
Result<Subscribe> parse_subscribe(ByteView fields);
Result<SnapshotEvent> parse_snapshot_event(ByteView fields);
Result<SnapshotPortionRequest> parse_snapshot_portion_request(ByteView fields);
Result<LeaseEvent> parse_lease_event(ByteView fields);
Result<CutEvent> parse_cut_event(ByteView fields);
Result<RoleCertificateRequest> parse_role_certificate_request(ByteView fields);
Result<OcspSignerRequest> parse_ocsp_signer_request(ByteView fields);
Result<CertificateChain> parse_certificate_chain(ByteView fields);
Result<RenewalWindows> parse_renewal_windows(ByteView fields);
Result<EnrolRequest> parse_enrol_request(ByteView fields);
Result<RenewRequest> parse_renew_request(ByteView fields);
Result<ClaimHash> parse_claim_hash(ByteView fields);
Result<FindCertificate> parse_find_certificate(ByteView fields);
Result<Presence> parse_presence(ByteView fields);
Result<AccessSessionReport> parse_access_session_report(ByteView fields);
Result<Alarm> parse_alarm(ByteView fields);
Result<AdminRequest> parse_admin_request(ByteView fields);

}  // namespace sallyport::records
