#include "agent/local_service.h"

#include <algorithm>
#include <memory>

#include "agent/local_pages.h"
#include "base/log.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "keystore/file.h"
#include "net/io.h"

namespace sallyport::agent {
namespace {

constexpr std::string_view kCookie = "device";
constexpr std::size_t kCookieSize = 32;
constexpr std::size_t kFormLimit = 4U << 10U;
// Guessing a chosen password must be slow, and so must keeping the processor busy with guesses.
constexpr std::size_t kAttemptBurst = 5;
constexpr double kAttemptsPerSecond = 0.1;

http::ServerOptions server_options() {
  http::ServerOptions options;
  options.default_headers = {
      {"Cache-Control", "no-store"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "same-origin"},
      {"Content-Security-Policy",
       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}};
  return options;
}

http::Response html(std::string_view page, unsigned status = 200) {
  return http::Response::text(page, "text/html; charset=utf-8", status);
}

http::Response see_other(std::string_view where) {
  http::Response response;
  response.status = 303;
  response.headers.set("Location", where);
  return response;
}

std::string cookie_line(std::string_view value, seconds life) {
  return fmt::format("{}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={}", kCookie, value, life.count());
}

// A field of the form in the body; empty when it is not there.
std::string form_field(const http::Request& request, std::string_view name) {
  const auto fields = http::parse_form(as_text(request.body));
  if (!fields) return {};
  const auto found = std::ranges::find(*fields, name, [](const auto& field) { return std::string_view(field.first); });
  return found == fields->end() ? std::string() : found->second;
}

Bytes login_key(std::string_view cookie) {
  const auto hash = crypto::sha256(as_bytes(cookie));
  return {hash.begin(), hash.end()};
}

}  // namespace

LocalService::LocalService(net::TaskGroup& tasks, AgentState& state, DeviceTime& time, RemoteAccess& access,
                           Random& random, std::function<std::vector<PageRow>()> rows)
    : tasks_(tasks),
      state_(state),
      time_(time),
      access_(access),
      random_(random),
      rows_(std::move(rows)),
      attempts_(kAttemptBurst, kAttemptsPerSecond),
      server_(routes(), server_options()) {}

http::Router LocalService::routes() {
  http::Router router;
  const http::RouteOptions form{.body_limit = kFormLimit};
  router.add("GET", "/", [this](http::Request request, net::PeerInfo) { return show(std::move(request)); });
  router.add(
      "POST", "/login", [this](http::Request request, net::PeerInfo) { return log_in(std::move(request)); }, form);
  router.add(
      "POST", "/logout", [this](http::Request request, net::PeerInfo) { return log_out(std::move(request)); }, form);
  router.add(
      "POST", "/password", [this](http::Request request, net::PeerInfo) { return change_password(std::move(request)); },
      form);
  router.add(
      "POST", "/remote-access",
      [this](http::Request request, net::PeerInfo) { return change_switch(std::move(request)); }, form);
  return router;
}

net::Task<Result<net::StreamPtr>> LocalService::connect() {
  auto [ours, theirs] = net::make_pipe(tasks_.executor());
  tasks_.spawn(server_.serve(std::move(theirs)), "agent.device-page");
  co_return std::move(ours);
}

LocalService::Login* LocalService::find_login(const http::Request& request) {
  std::erase_if(logins_, [&](const auto& entry) { return entry.second.until <= time_.monotonic(); });
  const auto cookie = request.cookie(kCookie);
  if (!cookie) return nullptr;
  const auto found = logins_.find(login_key(*cookie));
  return found == logins_.end() ? nullptr : &found->second;
}

LocalService::Login* LocalService::find_login_of_form(const http::Request& request, std::string_view token) {
  Login* login = find_login(request);
  const bool ours = login != nullptr && equal_constant_time(as_bytes(login->form_token), as_bytes(token));
  return ours ? login : nullptr;
}

http::Response LocalService::status_page(const Login& login) const {
  return html(agent::status_page(state_.settings().serial_id.get(), rows_(), access_.is_on(), login.form_token));
}

net::Task<http::Response> LocalService::show(http::Request request) {
  const Login* login = find_login(request);
  if (login == nullptr) co_return html(login_page(state_.settings().serial_id.get(), {}));
  if (login->must_change) co_return html(change_password_page(login->form_token, {}));
  co_return status_page(*login);
}

net::Task<http::Response> LocalService::log_in(http::Request request) {
  const std::string serial_id = state_.settings().serial_id.get();
  if (!attempts_.take(time_.monotonic()))
    co_return html(login_page(serial_id, "Too many attempts. Wait a minute."), 429);
  auto password = DevicePassword::load(state_);
  if (!password) {
    log::error("agent.password", {{"error", password.error()}});
    co_return html(login_page(serial_id, "The device cannot check passwords now."), 500);
  }
  const auto match = std::make_shared<PasswordMatch>(PasswordMatch::wrong);
  const auto work = [match, password = *std::move(password),
                     typed = form_field(request, "password")]() -> Result<void> {
    *match = password.check(typed);
    return {};
  };
  if (auto checked = co_await net::run_blocking(work); !checked) co_return http::response_of(checked.error());
  if (*match == PasswordMatch::wrong) {
    log::info("agent.login-refused");
    co_return html(login_page(serial_id, "Wrong password."), 403);
  }
  if (logins_.size() >= kMaxLogins) logins_.clear();
  const std::string cookie = codec::encode_base64url(random_.bytes(kCookieSize));
  logins_[login_key(cookie)] = Login{.until = time_.monotonic() + kLoginLife,
                                     .must_change = *match == PasswordMatch::is_default,
                                     .form_token = codec::encode_base64url(random_.bytes(kCookieSize))};
  log::info("agent.login");
  http::Response response = see_other("/");
  response.headers.add("Set-Cookie", cookie_line(cookie, kLoginLife));
  co_return response;
}

net::Task<http::Response> LocalService::log_out(http::Request request) {
  if (find_login_of_form(request, form_field(request, "token")) == nullptr) co_return http::Response::error(403);
  logins_.erase(login_key(request.cookie(kCookie).value_or("")));
  http::Response response = see_other("/");
  response.headers.add("Set-Cookie", cookie_line("", seconds(0)));
  co_return response;
}

net::Task<http::Response> LocalService::change_password(http::Request request) {
  const Login* login = find_login_of_form(request, form_field(request, "token"));
  if (login == nullptr) co_return http::Response::error(403);
  const std::string token = login->form_token;
  const std::string chosen = form_field(request, "new");
  if (chosen != form_field(request, "again"))
    co_return html(change_password_page(token, "The two passwords differ."), 400);
  auto password = DevicePassword::load(state_);
  if (!password) co_return http::response_of(password.error());
  const auto file = std::make_shared<Bytes>();
  const auto work = [file, password = *std::move(password), chosen, salt = random_.bytes(kPasswordSalt),
                     path = state_.file(kPasswordFile)]() -> Result<void> {
    TRY(*file, password.make_file(chosen, salt));
    return keystore::atomic_write_file(path, *file, keystore::kSecretMode);
  };
  if (auto made = co_await net::run_blocking(work); !made) {
    const std::string why =
        fmt::format("Choose another: at least {} characters, not the default password.", kLeastPassword);
    co_return html(change_password_page(token, why), 400);
  }
  // Whoever was logged in by the old password is not any more.
  const auto cookie = request.cookie(kCookie).value_or("");
  std::erase_if(logins_, [&](const auto& entry) { return entry.first != login_key(cookie); });
  if (Login* still = find_login(request)) still->must_change = false;
  log::info("agent.password-changed");
  co_return see_other("/");
}

net::Task<http::Response> LocalService::change_switch(http::Request request) {
  const Login* login = find_login_of_form(request, form_field(request, "token"));
  if (login == nullptr || login->must_change) co_return http::Response::error(403);
  if (auto done = access_.set_on(form_field(request, "on") == "true"); !done) co_return http::response_of(done.error());
  co_return see_other("/");
}

}  // namespace sallyport::agent
