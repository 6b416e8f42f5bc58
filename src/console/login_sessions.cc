#include "console/login_sessions.h"

#include <memory>

#include "codec/text.h"
#include "console/password.h"
#include "crypto/hash.h"
#include "net/io.h"

namespace sallyport::console {
namespace {

using codec::Json;

Error refused() {
  return {Errc::unauthorized, "login-refused: the login or the password is wrong"};
}
Error unauthenticated() {
  return {Errc::unauthorized, "unauthenticated: log in first"};
}

Result<Session> session_from(const Json& answer, const records::Digest& token) {
  Session session;
  session.token_sha256 = token;
  TRY(session.login, answer.text_at("login"));
  TRY(auto role, answer.text_at("role"));
  TRY(session.role, records::parse_user_role(role));
  TRY(session.tenant, answer.text_at("tenant"));
  TRY(session.csrf, answer.text_at("csrf"));
  TRY(session.created, answer.text_at("created"));
  TRY(session.expires, answer.text_at("expires"));
  return session;
}

Json token_parameter(const records::Digest& token) {
  return Json::Object{{"token_sha256", codec::encode_hex(token)}};
}

}  // namespace

LoginSessions::LoginSessions(const Clock& clock, Random& random, rolelink::RoleLink& link)
    : clock_(clock), random_(random), link_(link) {}

net::Task<Result<Json>> LoginSessions::call(std::string method, Json parameters, std::string source) {
  records::AdminRequest request;
  request.method = std::move(method);
  request.actor = "role:console";
  request.role = records::UserRole::owner;
  request.source = std::move(source);
  request.parameters = parameters.write();
  CO_TRY(auto bytes, co_await link_.call(records::RoleMethod::admin, records::encode(request)));
  co_return codec::parse_json(as_text(bytes), {.size = records::kMaxRoleMessage, .values = records::kMaxAnswerValues});
}

Result<void> LoginSessions::take_try(const std::string& key, std::size_t most) {
  const auto is_old = [&](Instant at) { return clock_.monotonic() - at >= kLoginWindow; };
  if (tries_.size() >= kMaxRemembered && !tries_.contains(key)) {
    std::erase_if(tries_, [&](const auto& entry) { return entry.second.empty() || is_old(entry.second.back()); });
    if (tries_.size() >= kMaxRemembered) tries_.erase(tries_.begin());
  }
  std::vector<Instant>& tries = tries_[key];
  std::erase_if(tries, is_old);
  if (tries.size() >= most) return fail(Errc::overloaded, "too-many-requests: too many failed logins, wait a while");
  tries.push_back(clock_.monotonic());
  return {};
}

void LoginSessions::give_back(const std::string& key) {
  const auto found = tries_.find(key);
  if (found != tries_.end() && !found->second.empty()) found->second.pop_back();
}

net::Task<Result<std::string>> LoginSessions::hash(std::string password) {
  const auto out = std::make_shared<std::string>();
  const auto secret = std::make_shared<const SecretBytes>(std::string_view(password));
  const auto work = [out, secret, &random = random_]() -> Result<void> {
    auto hashed = hash_password(secret->expose(), random);
    if (!hashed) return failf(Errc::malformed, "password-refused: {}", hashed.error().detail);
    *out = *std::move(hashed);
    return {};
  };
  CO_TRY_VOID(co_await net::run_blocking(work));
  co_return *out;
}

net::Task<Result<void>> LoginSessions::check_password(std::string login, std::string password, std::string source) {
  // The account's counter is per source too, so that nobody can lock a person out from elsewhere.
  const std::string account = "account " + login + " from " + source;
  const std::string place = "source " + source;
  CO_TRY_VOID(take_try(place, kSourceTries));
  if (auto taken = take_try(account, kLoginTries); !taken) {
    give_back(place);
    co_return taken;
  }
  auto checked = co_await compare_password(std::move(login), std::move(password), std::move(source));
  if (checked) {
    tries_.erase(account);
    give_back(place);
  } else if (checked.error().code != Errc::unauthorized) {
    give_back(account);
    give_back(place);
  }
  co_return checked;
}

net::Task<Result<void>> LoginSessions::compare_password(std::string login, std::string password, std::string source) {
  const auto place = checks_.admit(source);
  if (!place) co_return fail(Errc::overloaded, "unavailable: too many logins at once");
  if (decoy_hash_.empty()) {
    CO_TRY(decoy_hash_, co_await hash(codec::encode_hex(random_.bytes(16))));
  }
  Json parameters = Json::Object{{"login", login}};
  auto user = co_await call("user.find", std::move(parameters), source);
  if (!user && user.error().code != Errc::not_found) co_return std::unexpected(std::move(user).error());
  std::string hash_text = decoy_hash_;
  bool known = false;
  if (user) {
    const auto stored = user->text_at("password_hash");
    const auto enabled = user->boolean_at("enabled");
    known = stored && enabled && *enabled;
    if (known) hash_text = *stored;
  }
  const auto secret = std::make_shared<const SecretBytes>(std::string_view(password));
  const auto work = [secret, hash_text] { return verify_password(secret->expose(), hash_text); };
  const auto checked = co_await net::run_blocking(work);
  if (!checked || !known) co_return std::unexpected(refused());
  co_return Result<void>{};
}

net::Task<Result<LoginSessions::LoggedIn>> LoginSessions::log_in(std::string login, std::string password,
                                                                 std::string source) {
  if (!records::check_login_grammar(login) || password.empty() || password.size() > kMaxPassword) {
    co_return std::unexpected(refused());
  }
  CO_TRY_VOID(co_await check_password(login, std::move(password), source));
  Session session;
  session.login = login;
  session.csrf = codec::encode_hex(random_.bytes(32));
  session.created = to_iso8601(clock_.now());
  session.expires = to_iso8601(clock_.now() + kSessionLife);
  co_return co_await draw_session(std::move(session), std::move(source));
}

net::Task<Result<LoginSessions::LoggedIn>> LoginSessions::draw_session(Session session, std::string source) {
  const Bytes token = random_.bytes(32);
  const records::Digest digest = crypto::sha256(token);
  Json stored = Json::Object{{"token_sha256", codec::encode_hex(digest)},
                             {"login", session.login},
                             {"csrf", session.csrf},
                             {"created", session.created},
                             {"expires", session.expires}};
  CO_TRY_VOID(co_await call("login_session.put", std::move(stored), source));
  CO_TRY(auto found, co_await find(digest));
  remember_step_up(digest);
  co_return LoggedIn{std::move(found), codec::encode_hex(token)};
}

net::Task<Result<Session>> LoginSessions::find(std::string cookie) {
  const auto token = codec::decode_hex(cookie);
  if (!token || token->size() != 32) co_return std::unexpected(unauthenticated());
  co_return co_await find(crypto::sha256(*token));
}

net::Task<Result<Session>> LoginSessions::find(records::Digest token_sha256) {
  Json parameters = token_parameter(token_sha256);
  auto answer = co_await call("login_session.find", std::move(parameters), {});
  if (!answer) {
    if (answer.error().code == Errc::not_found) co_return std::unexpected(unauthenticated());
    co_return std::unexpected(std::move(answer).error());
  }
  co_return session_from(*answer, token_sha256);
}

net::Task<Result<void>> LoginSessions::log_out(Session session) {
  stepped_up_.erase(session.token_sha256);
  Json parameters = token_parameter(session.token_sha256);
  CO_TRY_VOID(co_await call("login_session.end", std::move(parameters), {}));
  co_return Result<void>{};
}

net::Task<Result<void>> LoginSessions::step_up(Session session, std::string password, std::string source) {
  CO_TRY_VOID(co_await check_password(session.login, std::move(password), std::move(source)));
  remember_step_up(session.token_sha256);
  co_return Result<void>{};
}

void LoginSessions::remember_step_up(const records::Digest& token) {
  std::erase_if(stepped_up_, [&](const auto& entry) { return clock_.monotonic() - entry.second >= kStepUpLife; });
  stepped_up_.insert_or_assign(token, clock_.monotonic());
}

bool LoginSessions::is_stepped_up(const Session& session) const {
  const auto found = stepped_up_.find(session.token_sha256);
  return found != stepped_up_.end() && clock_.monotonic() - found->second < kStepUpLife;
}

net::Task<Result<LoginSessions::LoggedIn>> LoginSessions::change_password(Session session, std::string current,
                                                                          std::string next, std::string source) {
  if (current == next) co_return fail(Errc::malformed, "password-refused: the new password is the old one");
  CO_TRY_VOID(co_await check_password(session.login, std::move(current), source));
  CO_TRY(auto hashed, co_await hash(std::move(next)));
  records::AdminRequest request;
  request.method = "user.set_password";
  request.actor = session.login;
  request.role = session.role;
  request.tenant = session.tenant;
  request.source = source;
  request.parameters = Json(Json::Object{{"login", session.login}, {"password_hash", hashed}}).write();
  CO_TRY_VOID(co_await link_.call(records::RoleMethod::admin, records::encode(request)));
  stepped_up_.erase(session.token_sha256);
  co_return co_await draw_session(std::move(session), std::move(source));
}

}  // namespace sallyport::console
