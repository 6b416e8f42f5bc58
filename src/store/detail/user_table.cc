#include "store/detail/record_tables.h"

namespace sallyport::store {
namespace {

using records::LoginSessionRecord;
using records::UserRecord;

Result<UserRecord> read_user(const Query& row) {
  return UserRecord{.login = row.text(0),
                    .tenant = row.text(1),
                    .role = static_cast<records::UserRole>(row.integer(2)),
                    .password_hash = row.text(3),
                    .enabled = row.boolean(4),
                    .created = row.time(5)};
}

Result<LoginSessionRecord> read_login_session(const Query& row) {
  LoginSessionRecord session{.login = row.text(1),
                             .csrf_token = row.bytes(2),
                             .created = row.time(3),
                             .expires = row.time(4),
                             .last_used = row.time(5)};
  TRY(session.token_sha256, row.array<32>(0));
  return session;
}

}  // namespace

Result<void> UserTable::add(const UserRecord& user) {
  TRY_VOID(records::check_login_grammar(user.login));
  TRY(auto inserted,
      database_.run("INSERT INTO user(login, tenant, role, password_hash, enabled, created) VALUES(?1, ?2, "
                    "?3, ?4, ?5, ?6) ON CONFLICT(login) DO NOTHING",
                    user.login, user.tenant, user.role, user.password_hash, user.enabled, user.created));
  if (inserted == 0) return failf(Errc::conflict, "user: {} exists already", user.login);
  return {};
}

Result<void> UserTable::update(const UserRecord& user) {
  TRY(auto updated,
      database_.run("UPDATE user SET tenant = ?2, role = ?3, password_hash = ?4, enabled = ?5, created = ?6 "
                    "WHERE login = ?1",
                    user.login, user.tenant, user.role, user.password_hash, user.enabled, user.created));
  if (updated == 0) return fail(Errc::not_found, "user: no such login");
  return {};
}

Result<std::optional<UserRecord>> UserTable::find(std::string_view login) const {
  TRY(auto query,
      database_.query("SELECT login, tenant, role, password_hash, enabled, created FROM user WHERE login = ?1", login));
  return read_first(std::move(query), read_user);
}

Result<std::vector<UserRecord>> UserTable::list() const {
  TRY(auto query,
      database_.query("SELECT login, tenant, role, password_hash, enabled, created FROM user ORDER BY login"));
  return read_all(std::move(query), read_user);
}

Result<void> UserTable::put_login_session(const LoginSessionRecord& session) {
  TRY_VOID(database_.run(
      "INSERT INTO login_session(token_sha256, login, csrf_token, created, expires, last_used) VALUES(?1, "
      "?2, ?3, ?4, ?5, ?6) ON CONFLICT(token_sha256) DO UPDATE SET login = excluded.login, csrf_token = "
      "excluded.csrf_token, created = excluded.created, expires = excluded.expires, last_used = "
      "excluded.last_used",
      session.token_sha256, session.login, session.csrf_token, session.created, session.expires, session.last_used));
  return {};
}

Result<std::optional<LoginSessionRecord>> UserTable::find_login_session(const records::Digest& token_sha256) const {
  TRY(auto query,
      database_.query("SELECT token_sha256, login, csrf_token, created, expires, last_used FROM login_session "
                      "WHERE token_sha256 = ?1",
                      token_sha256));
  return read_first(std::move(query), read_login_session);
}

Result<std::vector<LoginSessionRecord>> UserTable::list_login_sessions(UnixTime expired_by, UnixTime unused_since,
                                                                       std::size_t limit) const {
  TRY(auto query,
      database_.query("SELECT token_sha256, login, csrf_token, created, expires, last_used FROM login_session "
                      "WHERE expires <= ?1 OR last_used <= ?2 LIMIT ?3",
                      expired_by, unused_since, limit));
  return read_all(std::move(query), read_login_session);
}

Result<void> UserTable::end_login_session(const records::Digest& token_sha256) {
  TRY_VOID(database_.run("DELETE FROM login_session WHERE token_sha256 = ?1", token_sha256));
  return {};
}

Result<void> UserTable::end_login_sessions(std::string_view login) {
  TRY_VOID(database_.run("DELETE FROM login_session WHERE login = ?1", login));
  return {};
}

}  // namespace sallyport::store
