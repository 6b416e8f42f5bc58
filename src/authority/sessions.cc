#include "authority/sessions.h"

#include "authority/admin_json.h"
#include "authority/audit.h"
#include "base/log.h"
#include "codec/text.h"
#include "pki/signing_request.h"

namespace sallyport::authority {
namespace {

using records::AccessSessionRecord;
using records::Records;

constexpr std::size_t kOrphanPage = 100'000;
constexpr std::size_t kMaxSourceLength = 64;

std::string console_origin(const Core& core) {
  const records::InstallationFacts& facts = core.installation().facts();
  return tunnel::encode_origin(facts.console_name, facts.public_port);
}

net::Task<Result<Bytes>> seal_grant(Core& core, tunnel::AccessGrant grant) {
  pki::SigningRequest request(pki::SignObject{pki::ControlKind::grant, tunnel::encode_grant(grant)});
  CO_TRY(auto answer, co_await core.sign(std::move(request)));
  auto* sealed = std::get_if<pki::SealedObject>(&answer);
  if (sealed == nullptr) co_return fail(Errc::internal, "signer: another kind of answer, want a sealed grant");
  co_return std::move(sealed->bytes);
}

Bytes id_bytes(const tunnel::GrantId& id) {
  return {id.get().begin(), id.get().end()};
}

void announce(Core& core, const AccessSessionRecord& session) {
  codec::Json shown;
  std::string tenant;
  const auto read = core.read([&](Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(session.device));
    if (device) tenant = device->tenant;
    shown = access_session_json(session, device ? &*device : nullptr);
    return {};
  });
  if (read) core.feed().announce("session", tenant, shown);
}

tunnel::AccessGrant draft_grant(Core& core, const GrantOrder& order) {
  const UnixTime now = core.clock().now();
  tunnel::AccessGrant grant;
  grant.id = tunnel::draw_grant_id(core.random());
  grant.user_id = order.login;
  grant.user_display = order.login;
  grant.device = *order.device.name;
  grant.service = order.service;
  grant.label = draw_grant_label(core.random());
  grant.console_origin = console_origin(core);
  grant.issued = now;
  grant.expires = now + kGrantLife;
  grant.session_end = now + kAccessSessionLimit;
  return grant;
}

net::Task<Result<void>> record_opening(Core& core, AccessSessionRecord record, std::string serial_id) {
  const auto work = [record, serial_id](Records& records) -> Result<void> {
    // Whoever suspends the device or switches it off after this finds the session and cuts it.
    TRY(auto device, records.devices().find_by_name(record.device));
    if (!device || device->state != records::DeviceState::claimed || !device->remote_access) {
      return fail(Errc::conflict, "state-conflict: the device was closed while access was being granted");
    }
    TRY_VOID(records.access_sessions().put(record));
    return append_audit(records, record.opened, record.login, "session.granted", serial_id,
                        {{"session", codec::encode_hex(record.grant_id)}, {"service", record.service.get()}});
  };
  co_return co_await core.commit(work);
}

net::Task<void> renew_session(Core& core, tunnel::GrantId session) {
  const LiveSession* live = core.grants().find(session);
  if (live == nullptr) co_return;
  tunnel::AccessGrant next = live->grant;
  next.renews = session;
  next.id = tunnel::draw_grant_id(core.random());
  next.issued = core.clock().now();
  next.expires = std::min(next.issued + kGrantLife, next.session_end);
  auto sealed = co_await seal_grant(core, next);
  if (!sealed) {
    log::warn("session.not-renewed", {{"session", codec::encode_hex(session.get())}, {"error", sealed.error()}});
    co_return;
  }
  // It may have been ended while the grant was being signed.
  if (core.grants().renewed(session, next, *sealed)) core.send_grant(*sealed);
}

}  // namespace

net::Task<Result<Granted>> create_grant(Core& core, GrantOrder order) {
  CO_TRY_VOID(core.grants().admit(order.login));
  Granted granted;
  granted.grant = draft_grant(core, order);
  if (order.client_key) {
    granted.grant.proof_kind = tunnel::ProofKind::client_key;
    granted.grant.proof_hash = *order.client_key;
  } else {
    granted.entry_secret.emplace(core.random().array<32>());
    granted.grant.proof_kind = tunnel::ProofKind::entry_secret;
    granted.grant.proof_hash = crypto::sha256(granted.entry_secret->expose());
  }
  CO_TRY(auto sealed, co_await seal_grant(core, granted.grant));

  LiveSession live;
  live.grant = granted.grant;
  live.sealed = sealed;
  live.tenant = order.tenant;
  live.login_session = order.login_session;
  live.last_used = granted.grant.issued;
  live.record = AccessSessionRecord{.grant_id = id_bytes(granted.grant.id),
                                    .login = order.login,
                                    .device = granted.grant.device,
                                    .service = order.service,
                                    .label = granted.grant.label,
                                    .source = {},
                                    .opened = granted.grant.issued,
                                    .ended = std::nullopt,
                                    .end_reason = {}};
  const AccessSessionRecord record = live.record;
  CO_TRY_VOID(co_await record_opening(core, record, order.device.serial_id.get()));
  core.grants().add(std::move(live));
  core.send_grant(sealed);
  if (auto spread = co_await core.until_grant_is_known(granted.grant.session(), kGrantSpreadLimit); !spread) {
    co_await end_session(core, granted.grant.session(), "not every relay worker took the grant");
    co_return std::unexpected(std::move(spread).error());
  }
  announce(core, record);
  co_return granted;
}

net::Task<void> end_session(Core& core, tunnel::GrantId session, std::string reason) {
  auto live = core.grants().end(session);
  if (!live) co_return;
  core.send_cut(id_bytes(session), reason);
  AccessSessionRecord record = live->record;
  record.ended = core.clock().now();
  record.end_reason = reason;
  const auto work = [record](Records& records) -> Result<void> {
    TRY_VOID(records.access_sessions().put(record));
    return append_audit(records, *record.ended, record.login, "session.ended", record.device.get(),
                        {{"session", codec::encode_hex(record.grant_id)},
                         {"service", record.service.get()},
                         {"source", record.source},
                         {"reason", record.end_reason},
                         {"bytes_to_device", record.bytes_to_device},
                         {"bytes_to_user", record.bytes_to_user},
                         {"connections", record.connections}});
  };
  if (auto done = co_await core.commit(work); !done) log::error("session.end-not-recorded", {{"error", done.error()}});
  announce(core, record);
}

net::Task<Result<void>> take_session_report(Core& core, records::AccessSessionReport report) {
  Reader reader(report.grant_id);
  CO_TRY(auto id, reader.array<tunnel::kGrantIdSize>());
  CO_TRY_VOID(reader.finish("session id"));
  LiveSession* live = core.grants().find(tunnel::GrantId(id));
  if (live == nullptr) co_return Result<void>{};
  live->last_used = core.clock().now();
  live->record.bytes_to_device = report.bytes_to_device;
  live->record.bytes_to_user = report.bytes_to_user;
  live->record.connections = report.connections;
  if (!report.source.empty()) live->record.source = report.source.substr(0, kMaxSourceLength);
  const AccessSessionRecord record = live->record;
  announce(core, record);
  co_return co_await core.commit([record](Records& records) { return records.access_sessions().put(record); });
}

net::Task<void> keep_sessions(Core& core) {
  const UnixTime now = core.clock().now();
  for (const tunnel::GrantId& session : core.grants().over(now))
    co_await end_session(core, session, "idle or at its limit");
  for (const tunnel::GrantId& session : core.grants().due_for_renewal(now)) co_await renew_session(core, session);
}

net::Task<Result<void>> close_orphaned_sessions(Core& core) {
  const UnixTime now = core.clock().now();
  const auto work = [now](Records& records) -> Result<void> {
    TRY(auto live, records.access_sessions().list(std::nullopt, true, kOrphanPage));
    for (AccessSessionRecord& session : live) {
      session.ended = now;
      session.end_reason = "the authority was restarted";
      TRY_VOID(records.access_sessions().put(session));
    }
    return {};
  };
  co_return co_await core.commit(work);
}

}  // namespace sallyport::authority
