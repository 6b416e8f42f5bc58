#include "authority/sessions.h"

#include "authority/admin_json.h"
#include "authority/audit.h"
#include "authority/logins.h"
#include "base/log.h"
#include "codec/text.h"
#include "pki/signing_request.h"

namespace sallyport::authority {
namespace {

using records::AccessSessionRecord;
using records::Records;

constexpr std::size_t kOrphanPage = 100'000;

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

// To those whose session it is, also when the device has become somebody else's since.
void announce(Core& core, const AccessSessionRecord& session, const std::string& tenant) {
  codec::Json shown;
  const auto read = core.read([&](Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(session.device));
    const bool is_theirs = device && device->tenant == tenant;
    shown = access_session_json(session, is_theirs ? &*device : nullptr);
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

// Whether the console login with this token lives, and its user may log in.
Result<bool> is_logged_in(Records& records, const records::Digest& token, UnixTime now) {
  TRY(auto session, records.users().find_login_session(token));
  if (!session || is_over(*session, now)) return false;
  TRY(auto user, records.users().find(session->login));
  return user && user->enabled;
}

net::Task<Result<void>> record_opening(Core& core, LiveSession live, std::string serial_id) {
  const auto work = [record = live.record, login = live.login_session, serial_id](Records& records) -> Result<void> {
    // Whoever ends the login after this finds the session and ends it.
    if (login) {
      TRY(const bool lives, is_logged_in(records, *login, record.opened));
      if (!lives) return fail(Errc::conflict, "state-conflict: the login ended while access was being granted");
    }
    // Whoever suspends the device or switches it off after this finds the session and cuts it.
    TRY(auto device, records.devices().find_by_name(record.device));
    if (!device || device->state != records::DeviceState::claimed || !device->remote_access) {
      return fail(Errc::conflict, "state-conflict: the device was closed while access was being granted");
    }
    TRY_VOID(records.access_sessions().put(record));
    return append_audit(records, record.opened, record.login, "session.granted", serial_id,
                        {{"session", codec::encode_hex(record.grant_id)}, {"service", record.service.get()}});
  };
  co_return co_await core.commit_repeatable(work);
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
  if (core.grants().is_full(order.login)) {
    const auto unused = core.grants().oldest_unused(order.login);
    if (unused) co_await end_session(core, *unused, "it was never used, and the user opened too many others");
  }
  CO_TRY(const auto place, core.grants().admit(order.login));
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
  CO_TRY(granted.sealed, co_await seal_grant(core, granted.grant));

  LiveSession live;
  live.grant = granted.grant;
  live.sealed = granted.sealed;
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
  CO_TRY_VOID(co_await record_opening(core, live, order.device.serial_id.get()));
  core.grants().add(std::move(live));
  core.send_grant(granted.sealed);
  auto spread =
      order.is_direct ? Result<void>() : co_await core.until_grant_is_known(granted.grant.session(), kGrantSpreadLimit);
  if (!spread) {
    co_await end_session(core, granted.grant.session(), "not every relay worker took the grant");
    co_return std::unexpected(std::move(spread).error());
  }
  announce(core, record, order.tenant);
  co_return granted;
}

net::Task<Result<Renewed>> renew_for_user(Core& core, tunnel::GrantId session, std::string login,
                                          std::optional<records::Digest> login_session) {
  const auto find = [&]() -> LiveSession* {
    LiveSession* const live = core.grants().find(session);
    const bool is_his = live != nullptr && live->record.login == login && live->login_session == login_session;
    return is_his ? live : nullptr;
  };
  LiveSession* live = find();
  if (live == nullptr) co_return fail(Errc::not_found, "not-found: no such session of yours lives");
  live->last_used = core.clock().now();
  live->is_used_directly = true;
  if (is_due_for_renewal(*live, live->last_used)) {
    co_await renew_session(core, session);
    live = find();
  }
  if (live == nullptr) co_return fail(Errc::not_found, "not-found: the session has ended");
  co_return Renewed{.sealed = live->sealed, .expires = live->grant.expires};
}

namespace {

codec::Json::Object counts_of(const AccessSessionRecord& record) {
  return {{"session", codec::encode_hex(record.grant_id)},
          {"service", record.service.get()},
          {"source", record.source},
          {"bytes_to_device", record.bytes_to_device},
          {"bytes_to_user", record.bytes_to_user},
          {"connections", record.connections}};
}

// Puts what a worker told of a session. Of one that was ended only the counts are news, since why it ended was decided
// here; where they are `last_words`, the audit log gets those that were not known when it ended.
Result<void> put_told(Records& records, AccessSessionRecord told, UnixTime now, bool last_words) {
  TRY(const auto stored, records.access_sessions().find(told.grant_id));
  if (stored) {
    told.ended = stored->ended;
    told.end_reason = stored->end_reason;
  }
  TRY_VOID(records.access_sessions().put(told));
  if (!last_words || !told.ended) return {};
  return append_audit(records, now, told.login, "session.counted", told.device.get(), counts_of(told));
}

}  // namespace

net::Task<void> end_session(Core& core, tunnel::GrantId session, std::string reason) {
  auto live = core.grants().end(session, core.clock().monotonic());
  if (!live) co_return;
  core.send_cut(id_bytes(session), reason);
  AccessSessionRecord record = live->record;
  record.ended = core.clock().now();
  record.end_reason = reason;
  const auto work = [record](Records& records) -> Result<void> {
    TRY_VOID(records.access_sessions().put(record));
    codec::Json::Object detail = counts_of(record);
    detail.emplace("reason", record.end_reason);
    return append_audit(records, *record.ended, record.login, "session.ended", record.device.get(), std::move(detail));
  };
  if (auto done = co_await core.commit_repeatable(work); !done)
    log::error("session.end-not-recorded", {{"error", done.error()}});
  announce(core, record, live->tenant);
}

net::Task<Result<void>> take_session_report(Core& core, std::uint32_t worker, records::AccessSessionReport report) {
  Reader reader(report.grant_id);
  CO_TRY(auto id, reader.array<tunnel::kGrantIdSize>());
  CO_TRY_VOID(reader.finish("session id"));
  const tunnel::GrantId session(id);
  LiveSession* const running = core.grants().find(session);
  LiveSession* const known = running != nullptr ? running : core.grants().find_ended(session, core.clock().monotonic());
  if (known == nullptr) co_return Result<void>{};
  const bool is_news = known->count(worker, {report.bytes_to_device, report.bytes_to_user, report.connections});
  if (!report.source.empty()) known->record.source = report.source;
  if (running != nullptr) running->last_used = core.clock().now();
  if (running != nullptr && report.ended) {
    co_await end_session(core, session, "relay: " + report.reason);
    co_return Result<void>{};
  }
  const bool last_words = running == nullptr && report.ended && is_news && known->last_words.insert(worker).second;
  const AccessSessionRecord told = known->record;
  announce(core, told, known->tenant);
  const UnixTime now = core.clock().now();
  const auto work = [told, now, last_words](Records& records) { return put_told(records, told, now, last_words); };
  co_return co_await core.commit_repeatable(work);
}

namespace {

// The sessions whose console login has ended: logged out, expired, or its user disabled.
Result<std::vector<tunnel::GrantId>> without_login(const Core& core, const GrantBook& grants, UnixTime now) {
  std::map<records::Digest, bool> lives;
  std::vector<tunnel::GrantId> over;
  TRY_VOID(core.read([&](Records& records) -> Result<void> {
    for (const auto& [id, session] : grants.all()) {
      if (!session.login_session) continue;
      const auto [known, is_new] = lives.try_emplace(*session.login_session, false);
      if (is_new) {
        TRY(known->second, is_logged_in(records, known->first, now));
      }
      if (!known->second) over.push_back(id);
    }
    return {};
  }));
  return over;
}

}  // namespace

net::Task<void> keep_sessions(Core& core) {
  const UnixTime now = core.clock().now();
  for (const tunnel::GrantId& session : core.grants().over(now))
    co_await end_session(core, session, "idle or at its limit");
  if (const auto ended = without_login(core, core.grants(), now)) {
    for (const tunnel::GrantId& session : *ended) co_await end_session(core, session, "the login has ended");
  }
  for (const tunnel::GrantId& session : core.grants().due_for_renewal(now)) co_await renew_session(core, session);
  core.grants().forget_ended(core.clock().monotonic());
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
