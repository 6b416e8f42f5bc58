#include "authority/logins.h"

#include <map>
#include <memory>
#include <vector>

#include "base/log.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

using records::LoginSessionRecord;
using records::Records;

constexpr std::string_view kLoginEnded = "login-ended";

// Whether a use at `used` is to be written down.
Result<std::optional<LoginSessionRecord>> find_unnoted(Records& records, const records::Digest& token, UnixTime used) {
  TRY(auto session, records.users().find_login_session(token));
  if (!session || used - session->last_used < kLoginUseStep) return std::nullopt;
  return session;
}

Result<void> put_use(Records& records, const records::Digest& token, UnixTime used) {
  TRY(auto session, find_unnoted(records, token, used));
  if (!session) return {};
  session->last_used = used;
  return records.users().put_login_session(*session);
}

// By login session, when one of its access sessions was used last.
std::map<records::Digest, UnixTime> uses_by_access(const GrantBook& grants) {
  std::map<records::Digest, UnixTime> out;
  for (const auto& [id, session] : grants.all()) {
    if (!session.login_session) continue;
    const auto [use, is_new] = out.try_emplace(*session.login_session, session.last_used);
    if (!is_new) use->second = std::max(use->second, session.last_used);
  }
  return out;
}

// Whether a sweep has something to write.
Result<bool> is_sweep_due(const Core& core, const std::map<records::Digest, UnixTime>& uses) {
  const UnixTime now = core.clock().now();
  bool is_due = false;
  TRY_VOID(core.read([&](Records& records) -> Result<void> {
    TRY(const auto over, records.users().list_login_sessions(now, now - kLoginIdleLimit, 1));
    is_due = !over.empty();
    for (auto use = uses.begin(); use != uses.end() && !is_due; ++use) {
      TRY(const auto unnoted, find_unnoted(records, use->first, use->second));
      is_due = unnoted.has_value();
    }
    return {};
  }));
  return is_due;
}

}  // namespace

bool is_over(const LoginSessionRecord& session, UnixTime now) {
  return session.expires <= now || now - session.last_used >= kLoginIdleLimit;
}

net::Task<void> note_login_use(Core& core, records::Digest token) {
  const UnixTime now = core.clock().now();
  const auto noted =
      co_await core.store_repeatable([token, now](Records& records) { return put_use(records, token, now); });
  if (!noted) log::warn("login.use-not-noted", {{"error", noted.error()}});
}

net::Task<void> sweep_logins(Core& core) {
  auto uses = uses_by_access(core.grants());
  if (const auto is_due = is_sweep_due(core, uses); is_due && !*is_due) co_return;
  const auto ended = std::make_shared<std::vector<LoginSessionRecord>>();
  const auto work = [ended, now = core.clock().now(), uses = std::move(uses)](Records& records) -> Result<void> {
    for (const auto& [token, used] : uses) TRY_VOID(put_use(records, token, used));
    TRY(*ended, records.users().list_login_sessions(now, now - kLoginIdleLimit, kMaxSweptLogins));
    for (const LoginSessionRecord& session : *ended) TRY_VOID(records.users().end_login_session(session.token_sha256));
    return {};
  };
  if (const auto swept = co_await core.store_repeatable(work); !swept) {
    log::warn("login.not-swept", {{"error", swept.error()}});
    co_return;
  }
  for (const LoginSessionRecord& session : *ended) announce_login_ended(core, session.token_sha256);
}

void announce_logins_ended(Core& core, std::string_view login) {
  core.announce(kLoginEnded, codec::Json::Object{{"login", login}});
}

void announce_login_ended(Core& core, const records::Digest& token) {
  core.announce(kLoginEnded, codec::Json::Object{{"token_sha256", codec::encode_hex(token)}});
}

}  // namespace sallyport::authority
