#include "authority/authority.h"

#include <algorithm>
#include <array>
#include <utility>

#include "authority/administration.h"
#include "authority/control_certificates.h"
#include "authority/enrolment.h"
#include "authority/expiry_round.h"
#include "authority/issuance.h"
#include "authority/logins.h"
#include "authority/renewal.h"
#include "authority/renewal_windows.h"
#include "authority/sessions.h"
#include "authority/site_alarms.h"
#include "authority/snapshot_builder.h"
#include "base/log.h"
#include "pki/csr.h"
#include "records/status_report.h"

namespace sallyport::authority {
namespace {

using records::RoleMethod;

constexpr milliseconds kSessionRound{2'000};

// Which roles may call what; a method that is not here is refused.
struct Permission {
  RoleMethod method;
  std::array<std::string_view, 4> roles;
};
constexpr std::array kPermissions = {
    Permission{RoleMethod::subscribe, {"relay", "gateway", "status", "console"}},
    Permission{RoleMethod::acknowledge, {"relay", "gateway", "status"}},
    Permission{RoleMethod::snapshot_portion, {"relay", "gateway", "status"}},
    Permission{RoleMethod::role_certificate, {"relay", "gateway", "status", "console"}},
    Permission{RoleMethod::ocsp_signer, {"status"}},
    Permission{RoleMethod::crl, {"status"}},
    Permission{RoleMethod::status_report, {"status"}},
    Permission{RoleMethod::enrol, {"gateway"}},
    Permission{RoleMethod::renew, {"gateway"}},
    Permission{RoleMethod::web_certificate, {"gateway"}},
    Permission{RoleMethod::claim_hash, {"gateway"}},
    Permission{RoleMethod::certificate_used, {"gateway"}},
    Permission{RoleMethod::renewal_windows, {"gateway"}},
    Permission{RoleMethod::find_certificate, {"relay", "gateway", "status"}},
    Permission{RoleMethod::presence, {"relay"}},
    Permission{RoleMethod::access_session, {"relay"}},
    Permission{RoleMethod::grant_acknowledge, {"relay"}},
    Permission{RoleMethod::alarm, {"relay", "gateway"}},
    Permission{RoleMethod::admin, {"console"}},
};

bool is_permitted(std::uint16_t method, const std::set<std::string>& roles) {
  for (const Permission& permission : kPermissions) {
    if (std::to_underlying(permission.method) != method) continue;
    return std::ranges::any_of(permission.roles,
                               [&](std::string_view role) { return roles.contains(std::string(role)); });
  }
  return false;
}

// The names that a role's server certificate carries.
std::vector<std::string> server_names(const records::InstallationFacts& facts, const std::string& role) {
  if (role == "console") return {facts.console_name.get(), "api." + facts.console_name.get()};
  return {role + "." + facts.zone.get()};
}

}  // namespace

// One connection of a role or an administrator.
struct Authority::Connection {
  std::set<std::string> roles;
  bool administrator = false;
  uid_t uid = 0;
  bool subscribing = false;  // once, whatever comes of it
  std::optional<Feed::SubscriberId> subscriber;
  std::string subscribed_as;
  std::uint32_t instance = 0;
};

Authority::Authority(net::Executor executor, records::RecordDatabase& database, const Clock& clock, Random& random,
                     Settings settings)
    : core_(executor, database, clock, random, settings.signer_socket, settings.policy),
      executor_(executor),
      settings_(std::move(settings)) {}

net::Task<Result<void>> Authority::start() {
  CO_TRY_VOID(core_.reload_installation());
  CO_TRY_VOID(co_await void_unfinished_intents(core_));
  CO_TRY_VOID(co_await close_orphaned_sessions(core_));
  core_.log().changed();
  net::spawn(executor_, keep_sessions_for_ever(), "authority.sessions");
  net::spawn(executor_, keep_control_certificates(), "authority.control-certificates");
  net::spawn(executor_, keep_saying_what_ends(core_), "authority.expiry");
  net::spawn(executor_, core_.crls().keep(), "authority.crls");
  co_return Result<void>{};
}

net::Task<void> Authority::keep_control_certificates() {
  for (;;) {
    const auto renewed = co_await renew_control_certificates(core_);
    if (!renewed) log::warn("control-certificates.not-renewed", {{"error", renewed.error()}});
    co_await net::sleep_for(kControlRound);
  }
}

net::Task<void> Authority::keep_sessions_for_ever() {
  for (;;) {
    if (const Instant now = core_.clock().monotonic(); now - logins_swept_ >= kLoginSweep) {
      logins_swept_ = now;
      co_await sweep_logins(core_);
    }
    co_await keep_sessions(core_);
    co_await net::sleep_for(kSessionRound);
  }
}

net::Task<void> Authority::walk_audit() {
  if (auto walked = co_await core_.walk_audit(false); !walked) {
    log::error("authority.audit-not-walked", {{"error", walked.error()}});
  }
}

net::Task<void> Authority::serve_roles(net::Listener& listener) {
  net::spawn(executor_, walk_audit(), "authority.audit");
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    net::spawn(executor_, serve_connection(*std::move(stream), false), "authority.role");
  }
}

net::Task<void> Authority::serve_administrators(net::Listener& listener) {
  for (;;) {
    auto stream = co_await listener.accept(net::Deadline::never());
    if (!stream) co_return;
    net::spawn(executor_, serve_connection(*std::move(stream), true), "authority.administrator");
  }
}

net::Task<void> Authority::serve_connection(net::StreamPtr stream, bool administrator) {
  auto connection = std::make_shared<Connection>();
  connection->administrator = administrator;
  connection->uid = stream->peer().uid.value_or(static_cast<uid_t>(-1));
  const auto allowed = settings_.roles_of_uid.find(connection->uid);
  if (!administrator && allowed != settings_.roles_of_uid.end()) connection->roles = allowed->second;
  if (administrator ? !settings_.administrators.contains(connection->uid) : connection->roles.empty()) {
    log::warn("authority.peer-refused", {{"uid", connection->uid}, {"administrator", administrator}});
    stream->close();
    co_return;
  }
  net::RpcOptions options;
  options.max_frame = records::kMaxRoleMessage;
  options.max_queued = 2 * records::kMaxRoleMessage;
  options.on_request = [this, connection](Bytes request, net::Caller caller) {
    return dispatch(connection, std::move(request), std::move(caller.peer));
  };
  const auto peer = net::RpcPeer::start(std::move(stream), std::move(options));
  co_await peer->ended();
  connection_ended(*connection);
}

void Authority::connection_ended(const Connection& connection) {
  if (!connection.subscriber) return;
  const records::Subscribe what = core_.feed().unsubscribe(*connection.subscriber);
  if (core_.status_hosts().gone(*connection.subscriber, core_.clock().now())) announce_status();
  if (what.role != "relay") return;
  for (const DeviceName& device : core_.presence().worker_gone(*connection.subscriber, core_.clock().now())) {
    core_.announce_device(device);
  }
}

net::Task<Result<Bytes>> Authority::dispatch(std::shared_ptr<Connection> connection, Bytes request,
                                             std::shared_ptr<net::RpcPeer> peer) {
  ByteView fields = request;
  CO_TRY(auto method, records::take_method(fields));
  const bool as_administrator = connection->administrator && method == std::to_underlying(RoleMethod::admin);
  if (!as_administrator && !is_permitted(method, connection->roles)) {
    co_return failf(Errc::unauthorized, "authority: method {} is not for this peer", method);
  }
  switch (static_cast<RoleMethod>(method)) {
    case RoleMethod::subscribe: {
      CO_TRY(auto what, records::parse_subscribe(fields));
      co_return co_await subscribe(std::move(connection), std::move(peer), std::move(what));
    }
    case RoleMethod::acknowledge: {
      CO_TRY(auto number, Reader(fields).u64());
      co_return acknowledged(*connection, number);
    }
    case RoleMethod::snapshot_portion: {
      CO_TRY(auto wanted, records::parse_snapshot_portion_request(fields));
      if (!connection->subscriber) co_return fail(Errc::not_found, "snapshot: no update for this connection");
      co_return core_.feed().portion(*connection->subscriber, wanted);
    }
    case RoleMethod::grant_acknowledge: {
      if (connection->subscriber) core_.feed().grant_acknowledged(*connection->subscriber, fields);
      co_return Bytes{};
    }
    case RoleMethod::role_certificate: {
      CO_TRY(auto order, records::parse_role_certificate_request(fields));
      co_return co_await role_certificate(std::move(connection), std::move(order));
    }
    case RoleMethod::ocsp_signer: {
      CO_TRY(auto order, records::parse_ocsp_signer_request(fields));
      co_return co_await ocsp_signer(std::move(order));
    }
    case RoleMethod::crl: {
      CO_TRY(auto wanted, records::parse_crl_request(fields));
      CO_TRY(auto portion, core_.crls().portion(wanted));
      co_return records::encode(portion);
    }
    case RoleMethod::status_report: {
      CO_TRY(auto report, records::parse_status_report(fields));
      CO_TRY_VOID(take_status_report(*connection, std::move(report)));
      co_return Bytes{};
    }
    case RoleMethod::enrol: {
      CO_TRY(auto order, records::parse_enrol_request(fields));
      CO_TRY(auto chain, co_await enrol(core_, std::move(order)));
      const auto proven = co_await with_log_proof(core_, std::move(chain));
      co_return records::encode(proven);
    }
    case RoleMethod::renew:
    case RoleMethod::web_certificate: {
      CO_TRY(auto order, records::parse_renew_request(fields));
      const bool web = static_cast<RoleMethod>(method) == RoleMethod::web_certificate;
      CO_TRY(auto chain,
             web ? co_await issue_web_certificate(core_, std::move(order)) : co_await renew(core_, std::move(order)));
      const auto proven = co_await with_log_proof(core_, std::move(chain));
      co_return records::encode(proven);
    }
    case RoleMethod::claim_hash: {
      CO_TRY(auto claim, records::parse_claim_hash(fields));
      CO_TRY_VOID(co_await remember_claim_hash(core_, std::move(claim)));
      co_return Bytes{};
    }
    case RoleMethod::find_certificate: {
      CO_TRY(auto wanted, records::parse_find_certificate(fields));
      co_return find_certificate(wanted);
    }
    case RoleMethod::certificate_used: {
      CO_TRY(auto used, records::parse_find_certificate(fields));
      CO_TRY_VOID(co_await supersede_older(core_, std::move(used)));
      co_return Bytes{};
    }
    case RoleMethod::renewal_windows: {
      CO_TRY(auto shown, records::parse_find_certificate(fields));
      co_return renewal_windows(shown);
    }
    case RoleMethod::presence: {
      CO_TRY(auto presence, records::parse_presence(fields));
      CO_TRY_VOID(take_presence(*connection, presence));
      co_return Bytes{};
    }
    case RoleMethod::access_session: {
      CO_TRY(auto report, records::parse_access_session_report(fields));
      CO_TRY_VOID(co_await take_session_report(core_, connection->instance, std::move(report)));
      co_return Bytes{};
    }
    case RoleMethod::alarm: {
      CO_TRY(auto alarm, records::parse_alarm(fields));
      co_await take_alarm(connection->roles, std::move(alarm));
      co_return Bytes{};
    }
    case RoleMethod::admin: {
      CO_TRY(auto order, records::parse_admin_request(fields));
      co_return co_await admin(std::move(connection), std::move(order));
    }
  }
  co_return failf(Errc::malformed, "authority: method {}, want one of this version", method);
}

net::Task<Result<Bytes>> Authority::subscribe(std::shared_ptr<Connection> connection,
                                              std::shared_ptr<net::RpcPeer> peer, records::Subscribe request) {
  if (!connection->roles.contains(request.role) || std::exchange(connection->subscribing, true)) {
    co_return fail(Errc::unauthorized, "authority: another role than this peer's, or subscribed already");
  }
  connection->instance = request.instance;
  connection->subscribed_as = request.role;
  CO_TRY(connection->subscriber, co_await core_.feed().subscribe(std::move(peer), std::move(request)));
  co_return Bytes{};
}

net::Task<Result<Bytes>> Authority::role_certificate(std::shared_ptr<Connection> connection,
                                                     records::RoleCertificateRequest request) {
  if (!connection->roles.contains(request.role)) {
    co_return fail(Errc::unauthorized, "role certificate: for another role than this peer's");
  }
  CO_TRY(auto csr, pki::parse_csr(request.csr));
  const records::InstallationFacts& facts = core_.installation().facts();
  const bool server = request.kind == records::CertificateKind::server;
  IssueOrder order{.ca = records::CaName(server ? "server-ca" : "roles-ca"),
                   .profile = server ? pki::ProfileId::server : pki::ProfileId::role,
                   .kind = request.kind,
                   .subject = request.role,
                   .common_name = request.role,
                   .dns_names = {},
                   .public_key = csr.public_key,
                   .lifetime = kServerLifetime,
                   .with_intent = {},
                   .with_result = {}};
  order.dns_names = server ? server_names(facts, request.role)
                           : std::vector{request.role + "." + pki::roles_namespace(facts.zone).get()};
  CO_TRY(auto certificate, co_await issue_certificate(core_, std::move(order)));
  CO_TRY(auto issuer, core_.installation().issuer_of(certificate));
  records::CertificateChain chain{{to_bytes(certificate.der()), to_bytes(issuer.der())}};
  if (server) {
    for (const pki::Certificate& each : core_.installation().trust_path())
      chain.certificates.push_back(to_bytes(each.der()));
  }
  co_return records::encode(chain);
}

net::Task<Result<Bytes>> Authority::ocsp_signer(records::OcspSignerRequest request) {
  const std::vector<records::CaName>& online = records::online_ca_names();
  const bool is_older = core_.installation().older_cas().contains(request.ca);
  if (!is_older && std::ranges::find(online, request.ca) == online.end()) {
    co_return failf(Errc::unauthorized, "OCSP signer: {} is not an online CA", request.ca.get());
  }
  CO_TRY(auto csr, pki::parse_csr(request.csr));
  IssueOrder order{.ca = request.ca,
                   .profile = pki::ProfileId::ocsp_signer,
                   .kind = records::CertificateKind::ocsp_signer,
                   .subject = request.ca.get(),
                   .common_name = "OCSP signer of " + request.ca.get(),
                   .dns_names = {},
                   .public_key = csr.public_key,
                   .lifetime = kOcspSignerLifetime,
                   .with_intent = {},
                   .with_result = {}};
  CO_TRY(auto certificate, co_await issue_certificate(core_, std::move(order)));
  co_return records::encode(records::CertificateChain{{to_bytes(certificate.der())}});
}

net::Task<Result<Bytes>> Authority::admin(std::shared_ptr<Connection> connection, records::AdminRequest request) {
  if (connection->administrator) {
    request.actor = fmt::format("cli:uid {}", connection->uid);
    request.role = records::UserRole::owner;
    request.tenant.clear();
  }
  CO_TRY(auto answer, co_await administer(core_, std::move(request)));
  co_return to_bytes(answer.write());
}

Result<Bytes> Authority::find_certificate(const records::FindCertificate& request) const {
  std::optional<records::CertificateRecord> found;
  records::SnapshotUpdate answer;
  TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(found, records.certificates().find(request.ca, request.serial));
    TRY(answer.cas, read_snapshot_cas(records));
    return {};
  }));
  const bool listed = std::ranges::any_of(answer.cas, [&](const auto& ca) { return ca.name == request.ca; });
  const bool exists =
      listed && found &&
      (found->state == records::CertificateState::issued || found->state == records::CertificateState::revoked);
  if (!exists) return fail(Errc::not_found, "certificate: not in the issuance record");
  answer.certificates = {
      {found->ca, found->serial, found->kind, found->subject, found->not_after, found->revoked_at, found->reason}};
  return records::encode_snapshot_update(answer);
}

bool Authority::is_device(std::string_view name) const {
  const auto parsed = parse_device_name(name);
  if (!parsed) return false;
  bool found = false;
  const auto read = core_.read([&](records::Records& records) -> Result<void> {
    TRY(const auto device, records.devices().find_by_name(*parsed));
    found = device.has_value();
    return {};
  });
  return read && found;
}

// A role that is not ours any more can raise a bounded number of alarms about one device, and none about what does not
// exist: it keeps no other role's alarms away, nor the authority's.
net::Task<void> Authority::take_alarm(std::set<std::string> roles, records::Alarm alarm) {
  if (!alarm.kind.starts_with(kSiteAlarmPrefix)) {
    if (!is_device(alarm.subject)) co_return;
    const std::string who = roles.contains("gateway") ? "gateway" : "relay";
    const std::string key = who + " about " + alarm.subject;
    if (!core_.told_alarm_limiter().take(key, key, core_.clock().monotonic())) co_return;
    core_.announce_alarm(alarm.kind, core_.tenant_of(alarm.subject), alarm.subject, alarm.detail);
    co_return;
  }
  // A relay is not believed when it speaks against a factory.
  const auto site = parse_site_name(alarm.subject);
  if (!roles.contains("gateway") || !site) co_return;
  SiteAlarm about{.site = *site, .kind = std::move(alarm.kind), .detail = std::move(alarm.detail)};
  co_await raise_site_alarm(core_, std::move(about), "role:gateway");
}

Result<Bytes> Authority::renewal_windows(const records::FindCertificate& shown) const {
  records::RenewalWindows windows;
  TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(windows, find_renewal_windows(records, shown));
    return {};
  }));
  return records::encode(windows);
}

Bytes Authority::acknowledged(const Connection& connection, std::uint64_t number) {
  if (!connection.subscriber) return {};
  Bytes lease = core_.feed().acknowledged(*connection.subscriber, number);
  if (connection.subscribed_as == "status")
    core_.status_hosts().confirmed(*connection.subscriber, number, !lease.empty(), core_.clock().now());
  return lease;
}

Result<void> Authority::take_status_report(const Connection& connection, records::StatusReport report) {
  if (!connection.subscriber || connection.subscribed_as != "status")
    return fail(Errc::unauthorized, "status report: before the subscription as status");
  TRY_VOID(core_.status_hosts().report(*connection.subscriber, std::move(report), core_.clock().now()));
  announce_status();
  return {};
}

// Tells the consoles to look at the status hosts anew.
void Authority::announce_status() {
  core_.announce("status", codec::Json::Object{});
}

// A relay is not believed when it tells of a device that nobody knows.
Result<void> Authority::take_presence(const Connection& connection, const records::Presence& presence) {
  if (!connection.subscriber) return fail(Errc::unauthorized, "presence: before the subscription");
  TRY_VOID(core_.read([&](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(presence.device));
    return device ? Result<void>{} : fail(Errc::not_found, "presence: no such device");
  }));
  if (core_.presence().report(presence, *connection.subscriber, core_.clock().now()))
    core_.announce_device(presence.device);
  return {};
}

}  // namespace sallyport::authority
