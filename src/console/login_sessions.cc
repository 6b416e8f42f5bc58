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
    : clock_(clock), random_(random), link_(link), limits_(clock) {}

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

net::Task<Result<std::string>> LoginSessions::check_password(std::string login, std::string password,
                                                             std::string source) {
  using Outcome = LoginLimits::Outcome;
  CO_TRY_VOID(limits_.begin(login, source));
  auto checked = co_await compare_password(login, std::move(password), source);
  const bool is_wrong = !checked && checked.error().code == Errc::unauthorized;
  limits_.ended(login, source, checked ? Outcome::right : is_wrong ? Outcome::wrong : Outcome::unknown);
  co_return checked;
}

net::Task<Result<std::string>> LoginSessions::compare_password(std::string login, std::string password,
                                                               std::string source) {
  const auto place = limits_.admit_check(source);
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
  co_return hash_text;
}

net::Task<Result<LoginSessions::LoggedIn>> LoginSessions::log_in(std::string login, std::string password,
                                                                 std::string source) {
  if (!records::check_login_grammar(login) || password.empty() || password.size() > kMaxPassword) {
    co_return std::unexpected(refused());
  }
  CO_TRY(auto verified, co_await check_password(login, std::move(password), source));
  Session session;
  session.login = login;
  session.csrf = codec::encode_hex(random_.bytes(32));
  session.created = to_iso8601(clock_.now());
  session.expires = to_iso8601(clock_.now() + kSessionLife);
  co_return co_await draw_session(std::move(session), Drawn::new_login, std::move(verified), std::move(source));
}

net::Task<Result<LoginSessions::LoggedIn>> LoginSessions::draw_session(Session session, Drawn drawn,
                                                                       std::string password_hash, std::string source) {
  const Bytes token = random_.bytes(32);
  const records::Digest digest = crypto::sha256(token);
  Json stored = Json::Object{{"token_sha256", codec::encode_hex(digest)},
                             {"login", session.login},
                             {"password_hash", std::move(password_hash)},
                             {"is_new", drawn == Drawn::new_login},
                             {"csrf", session.csrf},
                             {"created", session.created},
                             {"expires", session.expires}};
  CO_TRY_VOID(co_await call("login_session.put", std::move(stored), source));
  CO_TRY(auto found, co_await find(digest, Purpose::look));
  remember_step_up(digest);
  co_return LoggedIn{std::move(found), codec::encode_hex(token)};
}

net::Task<Result<Session>> LoginSessions::find(std::string cookie) {
  const auto token = codec::decode_hex(cookie);
  if (!token || token->size() != 32) co_return std::unexpected(unauthenticated());
  co_return co_await find(crypto::sha256(*token), Purpose::use);
}

net::Task<Result<Session>> LoginSessions::find(records::Digest token_sha256, Purpose purpose) {
  Json parameters =
      Json::Object{{"token_sha256", codec::encode_hex(token_sha256)}, {"is_use", purpose == Purpose::use}};
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
  CO_TRY(auto verified, co_await check_password(session.login, std::move(current), source));
  CO_TRY(auto hashed, co_await hash(std::move(next)));
  records::AdminRequest request;
  request.method = "user.set_password";
  request.actor = session.login;
  request.role = session.role;
  request.tenant = session.tenant;
  request.source = source;
  Json::Object order{{"login", session.login}, {"password_hash", hashed}, {"current_hash", std::move(verified)}};
  request.parameters = Json(std::move(order)).write();
  CO_TRY_VOID(co_await link_.call(records::RoleMethod::admin, records::encode(request)));
  stepped_up_.erase(session.token_sha256);
  co_return co_await draw_session(std::move(session), Drawn::same_login, std::move(hashed), std::move(source));
}

}  // namespace sallyport::console
