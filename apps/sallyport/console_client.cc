#include "console_client.h"

#include <charconv>

#include "net/connect.h"
#include "net/tls_stream.h"
#include "pki/verify.h"

namespace sallyport::cli {
namespace {

using codec::Json;

constexpr std::string_view kScheme = "https://";
constexpr std::string_view kCookie = "__Host-session";
constexpr std::size_t kMaxAnswer = 1U << 20U;

Result<std::shared_ptr<crypto::TlsContext>> trust(std::vector<pki::Certificate> roots, const DnsName& name,
                                                  UnixTime now) {
  crypto::TlsClientSettings settings;
  settings.alpn = {"http/1.1"};
  settings.verify_server = [roots = std::move(roots), name, now](std::span<const Bytes> chain) -> Result<void> {
    TRY(const auto certificates, pki::parse_chain(chain));
    TRY_VOID(pki::verify_chain(certificates, roots, pki::ServerPurpose{name}, pki::TimeRule::clock(now)));
    return {};
  };
  return crypto::TlsContext::client(std::move(settings));
}

Errc code_of(unsigned status) {
  switch (status) {
    case 401:
    case 403:
      return Errc::unauthorized;
    case 404:
      return Errc::not_found;
    case 409:
      return Errc::conflict;
    case 429:
      return Errc::overloaded;
    default:
      return status >= 500 ? Errc::unavailable : Errc::malformed;
  }
}

// What a status alone does not tell.
std::optional<Errc> code_of(std::string_view type) {
  if (type == "urn:sallyport:problem:device-offline") return Errc::unavailable;
  const bool is_off =
      type == "urn:sallyport:problem:remote-access-off" || type == "urn:sallyport:problem:device-switch-off";
  return is_off ? std::optional(Errc::unauthorized) : std::nullopt;
}

// What the console says of a refusal (RFC 9457), in its own words.
Error problem_of(const http::Response& response) {
  Error error{code_of(response.status), fmt::format("console: answered {}", response.status)};
  const auto body = codec::parse_json(as_text(response.body));
  if (!body) return error;
  if (const auto type = body->text_at("type")) error.code = code_of(*type).value_or(error.code);
  if (const auto title = body->text_at("title")) error.detail = "console: " + *title;
  if (const auto detail = body->text_at("detail")) error.detail += ": " + *detail;
  return error;
}

std::string cookie_in(const http::Response& response) {
  for (const std::string_view field : response.headers.all("Set-Cookie")) {
    const std::string_view pair = field.substr(0, field.find(';'));
    if (pair.starts_with(std::string(kCookie) + "=")) return std::string(pair);
  }
  return {};
}

}  // namespace

std::string ConsoleAddress::origin() const {
  return port == 443 ? fmt::format("{}{}", kScheme, name.get()) : fmt::format("{}{}:{}", kScheme, name.get(), port);
}

Result<ConsoleAddress> parse_console_address(std::string_view url) {
  const auto wrong = [] { return fail(Errc::malformed, "console: want https://NAME or https://NAME:PORT"); };
  if (!url.starts_with(kScheme)) return wrong();
  std::string_view rest = url.substr(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  ConsoleAddress address;
  if (const std::size_t colon = rest.find(':'); colon != std::string_view::npos) {
    const std::string_view port = rest.substr(colon + 1);
    const auto [end, fault] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (fault != std::errc() || end != port.data() + port.size() || address.port == 0) return wrong();
    rest = rest.substr(0, colon);
  }
  auto name = parse_dns_name(rest);
  if (!name) return wrong();
  address.name = *std::move(name);
  return address;
}

net::Task<Result<void>> ConsoleClient::connect(net::Deadline deadline) {
  if (connection_ && connection_->is_open() && clock_->monotonic() - used_at_ < kConsoleSilence)
    co_return Result<void>{};
  const DnsName name = login_.console.name;
  CO_TRY(auto context, trust(login_.roots, name, clock_->now()));
  net::Address address{name.get(), login_.console.port};
  if (login_.connect_to) address = *login_.connect_to;
  auto lower = co_await net::connect_tcp(address, deadline);
  if (!lower) co_return std::unexpected(std::move(lower).error().at("console"));
  auto stream = co_await net::tls_connect(*std::move(lower), std::move(context), name.get(), deadline);
  if (!stream) co_return std::unexpected(std::move(stream).error().at("console"));
  connection_.emplace(*std::move(stream), login_.console.origin().substr(kScheme.size()));
  co_return Result<void>{};
}

net::Task<Result<ConsoleClient>> ConsoleClient::log_in(ConsoleLogin login, SecretBytes password, const Clock& clock) {
  const Json body(Json::Object{{"login", login.login}, {"password", std::string(as_text(password.expose()))}});
  ConsoleClient client(std::move(login), clock);
  CO_TRY(const auto session, co_await client.post("/login", body));
  CO_TRY(client.csrf_, session.text_at("csrf"));
  if (client.cookie_.empty()) co_return fail(Errc::malformed, "console: a login without a session");
  co_return client;
}

net::Task<Result<Json>> ConsoleClient::call(http::Request request) {
  const net::Deadline deadline(limit_);
  CO_TRY_VOID(co_await connect(deadline));
  if (!cookie_.empty()) request.headers.set("Cookie", cookie_);
  CO_TRY(const auto response, co_await connection_->send(std::move(request), deadline, kMaxAnswer));
  used_at_ = clock_->monotonic();
  if (response.status >= 300) co_return std::unexpected(problem_of(response));
  if (auto cookie = cookie_in(response); !cookie.empty()) cookie_ = std::move(cookie);
  if (response.body.empty()) co_return Json();
  co_return codec::parse_json(as_text(response.body), {.size = kMaxAnswer});
}

net::Task<Result<Json>> ConsoleClient::get(std::string path) {
  http::Request request;
  request.target = "/api/v1" + path;
  co_return co_await call(std::move(request));
}

net::Task<Result<Json>> ConsoleClient::post(std::string path, Json body) {
  http::Request request = http::post("/api/v1" + path, "application/json", to_bytes(body.write()));
  request.headers.set("Origin", login_.console.origin());
  if (!csrf_.empty()) request.headers.set("X-CSRF-Token", csrf_);
  co_return co_await call(std::move(request));
}

net::Task<Result<void>> ConsoleClient::log_out() {
  limit_ = kLogOutLimit;
  CO_TRY_VOID(co_await post("/logout", Json::Object{}));
  co_return Result<void>{};
}

}  // namespace sallyport::cli
