#include <memory>

#include "authority/admin_json.h"
#include "authority/audit.h"
#include "authority/detail/admin_methods.h"
#include "authority/logins.h"
#include "authority/sessions.h"
#include "base/secret.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::LoginSessionRecord;
using records::Records;
using records::UserRecord;
using records::UserRole;

Result<records::Digest> digest_at(const Json& parameters, std::string_view key) {
  TRY(auto hex, parameters.text_at(key));
  TRY(auto bytes, codec::decode_hex(hex));
  Reader reader(bytes);
  TRY(auto digest, reader.array<32>());
  TRY_VOID(reader.finish(key));
  return digest;
}

// The password hash is for the console, which checks it; the console's own calls come without a person.
bool is_console_itself(const AdminCall& call) {
  return call.request.actor == "role:console";
}

Result<void> want_console(const AdminCall& call) {
  if (is_console_itself(call)) return {};
  return fail(Errc::unauthorized, "forbidden: for the console itself");
}

// The console looks a user up, and takes its time to check the password: what was changed meanwhile counts.
Result<void> want_password(const UserRecord& user, std::string_view verified_hash) {
  if (equal_constant_time(as_bytes(user.password_hash), as_bytes(verified_hash))) return {};
  return fail(Errc::unauthorized, "login-refused: the login or the password is wrong");
}

net::Task<void> end_sessions_of(Core& core, std::string login, std::string reason) {
  for (const tunnel::GrantId& session : core.grants().of_login(login)) co_await end_session(core, session, reason);
}

Json session_json(const LoginSessionRecord& session, const UserRecord& user) {
  return Json::Object{{"login", user.login},
                      {"role", records::to_string(user.role)},
                      {"tenant", user.tenant},
                      {"csrf", codec::encode_hex(session.csrf_token)},
                      {"created", to_iso8601(session.created)},
                      {"expires", to_iso8601(session.expires)},
                      {"last_used", to_iso8601(session.last_used)}};
}

}  // namespace

AdminAnswer user_list(AdminCall call) {
  Json::Array out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto users, records.users().list());
    for (const UserRecord& user : users) {
      if (call.may_see(user.tenant)) out.push_back(user_json(user));
    }
    return {};
  }));
  co_return Json(Json::Object{{"users", std::move(out)}});
}

AdminAnswer user_add(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"login", "role", "password_hash"}));
  UserRecord user;
  CO_TRY(user.login, call.parameters.text_at("login"));
  CO_TRY_VOID(records::check_login_grammar(user.login));
  CO_TRY(auto role, call.parameters.text_at("role"));
  CO_TRY(user.role, records::parse_user_role(role));
  CO_TRY(user.password_hash, call.parameters.text_at("password_hash"));
  if (!user.password_hash.starts_with("$argon2id$")) {
    co_return fail(Errc::malformed, "password hash: want argon2id in PHC string format");
  }
  user.tenant = call.request.tenant;
  user.created = call.now();
  const auto work = [call, user](Records& records) -> Result<void> {
    TRY(auto taken, records.users().find(user.login));
    if (taken) return fail(Errc::conflict, "login-taken: a user of this login exists");
    TRY_VOID(records.users().add(user));
    return append_audit(records, call.now(), call.request.actor, "user.added", user.login,
                        {{"role", records::to_string(user.role)}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_return user_json(user);
}

AdminAnswer user_find(AdminCall call) {
  CO_TRY_VOID(want_console(call));
  CO_TRY(auto login, call.parameters.text_at("login"));
  std::optional<UserRecord> user;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(user, records.users().find(login));
    return {};
  }));
  if (!user) co_return fail(Errc::not_found, "not-found: no such user");
  Json shown = user_json(*user);
  CO_TRY(auto object, shown.object());
  object.emplace("password_hash", user->password_hash);
  co_return Json(std::move(object));
}

AdminAnswer user_set_password(AdminCall call) {
  CO_TRY(auto login, call.parameters.text_at("login"));
  CO_TRY(auto hash, call.parameters.text_at("password_hash"));
  const bool own = login == call.request.actor;
  if (!own && call.request.role < UserRole::owner)
    co_return fail(Errc::unauthorized, "forbidden: another user's password");
  if (!hash.starts_with("$argon2id$"))
    co_return fail(Errc::malformed, "password hash: want argon2id in PHC string format");
  std::string current;  // of one's own, that was found to be right
  if (own) {
    CO_TRY(current, call.parameters.text_at("current_hash"));
  }
  const auto work = [call, login, hash, own, current](Records& records) -> Result<void> {
    TRY(auto user, records.users().find(login));
    if (!user || !call.may_see(user->tenant)) return fail(Errc::not_found, "not-found: no such user");
    if (own) TRY_VOID(want_password(*user, current));
    user->password_hash = hash;
    TRY_VOID(records.users().update(*user));
    TRY_VOID(records.users().end_login_sessions(login));
    return append_audit(records, call.now(), call.request.actor, "user.password-changed", login, {});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  announce_logins_ended(call.core, login);
  co_await end_sessions_of(call.core, login, "the user's password was changed");
  co_return Json(Json::Object{});
}

namespace {

AdminAnswer set_enabled(AdminCall call, bool enabled) {
  CO_TRY_VOID(call.parameters.only_keys({"login"}));
  CO_TRY(auto login, call.parameters.text_at("login"));
  if (!enabled && login == call.request.actor) {
    co_return fail(Errc::conflict, "state-conflict: nobody disables themselves, want another owner to do it");
  }
  const auto changed = std::make_shared<UserRecord>();
  const auto work = [call, login, enabled, changed](Records& records) -> Result<void> {
    TRY(auto user, records.users().find(login));
    if (!user || !call.may_see(user->tenant)) return fail(Errc::not_found, "not-found: no such user");
    user->enabled = enabled;
    TRY_VOID(records.users().update(*user));
    if (!enabled) TRY_VOID(records.users().end_login_sessions(login));
    *changed = *user;
    return append_audit(records, call.now(), call.request.actor, enabled ? "user.enabled" : "user.disabled", login, {});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  if (!enabled) {
    announce_logins_ended(call.core, login);
    co_await end_sessions_of(call.core, login, "the user was disabled");
  }
  co_return user_json(*changed);
}

}  // namespace

AdminAnswer user_enable(AdminCall call) {
  co_return co_await set_enabled(std::move(call), true);
}

AdminAnswer user_disable(AdminCall call) {
  co_return co_await set_enabled(std::move(call), false);
}

AdminAnswer login_session_put(AdminCall call) {
  CO_TRY_VOID(want_console(call));
  LoginSessionRecord session;
  CO_TRY(session.token_sha256, digest_at(call.parameters, "token_sha256"));
  CO_TRY(session.login, call.parameters.text_at("login"));
  CO_TRY(auto verified, call.parameters.text_at("password_hash"));
  CO_TRY(const bool is_new, call.parameters.boolean_at("is_new"));
  CO_TRY(auto csrf, call.parameters.text_at("csrf"));
  CO_TRY(session.csrf_token, codec::decode_hex(csrf));
  CO_TRY(auto created, call.parameters.text_at("created"));
  CO_TRY(session.created, parse_iso8601(created));
  CO_TRY(auto expires, call.parameters.text_at("expires"));
  CO_TRY(session.expires, parse_iso8601(expires));
  session.last_used = call.now();
  if (is_new) session.created = session.last_used;
  const auto work = [call, session, is_new, verified](Records& records) -> Result<void> {
    // The password was checked before this: whoever was disabled meanwhile, or has another password, gets no session.
    TRY(auto user, records.users().find(session.login));
    if (!user || !user->enabled) return fail(Errc::not_found, "unauthenticated: no such user");
    TRY_VOID(want_password(*user, verified));
    TRY_VOID(records.users().put_login_session(session));
    if (!is_new) return {};
    return append_audit(records, call.now(), session.login, "user.logged-in", session.login,
                        {{"source", call.request.source}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_return Json(Json::Object{});
}

AdminAnswer login_session_find(AdminCall call) {
  CO_TRY_VOID(want_console(call));
  CO_TRY(auto token, digest_at(call.parameters, "token_sha256"));
  CO_TRY(const bool is_use, call.parameters.boolean_at("is_use"));
  bool is_noted = false;
  Json out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto session, records.users().find_login_session(token));
    if (!session || is_over(*session, call.now())) return fail(Errc::not_found, "unauthenticated: no such session");
    is_noted = call.now() - session->last_used < kLoginUseStep;
    TRY(auto user, records.users().find(session->login));
    if (!user || !user->enabled) return fail(Errc::not_found, "unauthenticated: no such session");
    out = session_json(*session, *user);
    return {};
  }));
  if (is_use && !is_noted) co_await note_login_use(call.core, token);
  co_return out;
}

AdminAnswer login_session_end(AdminCall call) {
  CO_TRY_VOID(want_console(call));
  CO_TRY(auto token, digest_at(call.parameters, "token_sha256"));
  for (const tunnel::GrantId& session : call.core.grants().of_login_session(token)) {
    co_await end_session(call.core, session, "the user logged out");
  }
  CO_TRY_VOID(
      co_await call.core.commit([token](Records& records) { return records.users().end_login_session(token); }));
  announce_login_ended(call.core, token);
  co_return Json(Json::Object{});
}

}  // namespace sallyport::authority
