#include <array>

#include "codec/text.h"
#include "console/api.h"
#include "console/detail/rpc_fields.h"

namespace sallyport::console {
namespace {

using codec::Json;
using records::UserRole;

// How far back telemetry goes when nobody says.
constexpr seconds kTelemetryWindow{3'600};
constexpr std::string_view kJson = "application/json";

constexpr std::array kLogin = {Field{.name = "login", .required = true}, Field{.name = "password", .required = true}};
constexpr std::array kPasswordChange = {Field{.name = "current", .required = true},
                                        Field{.name = "new", .required = true}};
constexpr std::array kCertification = {Field{.name = "csr", .required = true, .least = 1, .most = 16 * 1'024}};
constexpr std::array kPassword = {Field{.name = "password", .required = true}};
constexpr std::array kDevicePage = {Field{.name = "after", .most = 256},
                                    Field{.name = "limit", .kind = FieldKind::integer, .least = 1, .most = 5'000}};
constexpr std::array kSessionPage = {Field{.name = "limit", .kind = FieldKind::integer, .least = 1, .most = 500}};
constexpr std::array kTelemetry = {Field{.name = "stream", .most = 64}, Field{.name = "from", .most = 32},
                                   Field{.name = "limit", .kind = FieldKind::integer, .least = 1, .most = 10'000}};
constexpr std::array kRemoteAccess = {Field{.name = "enabled", .kind = FieldKind::boolean, .required = true}};
constexpr std::array kAlias = {Field{.name = "alias", .required = true, .most = 120}};
constexpr std::array kRevocation = {Field{.name = "confirm", .required = true, .most = 63}};
constexpr std::array kReopening = {Field{.name = "key", .required = true, .least = 64, .most = 128}};
constexpr std::array kFreezing = {Field{.name = "enabled", .kind = FieldKind::boolean, .required = true}};
constexpr std::array kGrant = {Field{.name = "service", .required = true, .most = 32},
                               Field{.name = "client_key_sha256", .least = 64, .most = 64},
                               Field{.name = "direct", .kind = FieldKind::boolean}};
constexpr std::array kClaim = {Field{.name = "serial_id", .required = true, .most = 63},
                               Field{.name = "code", .required = true, .least = 1, .most = 64},
                               Field{.name = "alias", .most = 120}, Field{.name = "site", .most = 63}};
constexpr std::array kAuditPage = {Field{.name = "after", .kind = FieldKind::integer, .most = std::int64_t{1} << 53},
                                   Field{.name = "limit", .kind = FieldKind::integer, .least = 1, .most = 1'000},
                                   Field{.name = "action", .most = 64}, Field{.name = "subject", .most = 256}};
constexpr std::array kLogPage = {Field{.name = "from", .kind = FieldKind::integer, .most = std::int64_t{1} << 53},
                                 Field{.name = "limit", .kind = FieldKind::integer, .least = 1, .most = 256}};
constexpr std::array kUser = {Field{.name = "login", .required = true, .most = 64},
                              Field{.name = "role", .required = true, .most = 16},
                              Field{.name = "password", .required = true}};

constexpr std::array kSitePolicy = {Field{.name = "replace", .required = true, .most = 8}};
constexpr std::array kSiteChange = {Field{.name = "confirm", .most = 63},
                                    Field{.name = "dry_run", .kind = FieldKind::boolean}};
constexpr std::array kSiteRevocation = {
    Field{.name = "confirm", .most = 63}, Field{.name = "dry_run", .kind = FieldKind::boolean},
    Field{.name = "except_until", .kind = FieldKind::integer, .least = 1, .most = 100'000'000}};
constexpr std::array kWhiteListPage = {Field{.name = "after", .most = 63},
                                       Field{.name = "limit", .kind = FieldKind::integer, .least = 1, .most = 1'000}};
// A part of a ledger: stations send it in small ones, since a body is read before anybody is known.
constexpr std::array kLedger = {Field{.name = "ledger", .required = true, .least = 1}};

constexpr std::array kExpiry = {Field{.name = "within_days", .kind = FieldKind::integer, .most = 36'500}};
constexpr std::array kSearch = {Field{.name = "query", .required = true, .least = 1, .most = 256}};

std::string session_cookie(std::string_view value, seconds life) {
  return fmt::format("{}={}; Path=/; Max-Age={}; Secure; HttpOnly; SameSite=Strict", kCookie, value, life.count());
}

http::Response no_content() {
  http::Response response;
  response.status = 204;
  return response;
}

http::Response json_response(Bytes json, unsigned status) {
  return http::Response::bytes(std::move(json), kJson, status);
}

// A parameter that the route's fields demand.
std::string text_of(const Json::Object& parameters, std::string_view name) {
  const auto found = parameters.find(name);
  SALLYPORT_CHECK(found != parameters.end());
  return found->second.text().value_or("");
}

}  // namespace

std::span<const Api::Route> Api::routes() {
  static constexpr std::array kRoutes = {
      Route{.verb = "POST", .pattern = "/api/v1/login", .fields = kLogin, .is_open = true, .special = &Api::log_in},
      Route{.verb = "POST", .pattern = "/api/v1/logout", .special = &Api::log_out},
      Route{.verb = "GET", .pattern = "/api/v1/session", .special = &Api::show_session},
      Route{.verb = "POST",
            .pattern = "/api/v1/session/password",
            .fields = kPasswordChange,
            .special = &Api::change_password},
      Route{.verb = "POST", .pattern = "/api/v1/session/step-up", .fields = kPassword, .special = &Api::step_up},
      Route{.verb = "POST",
            .pattern = "/api/v1/session/certificate",
            .method = "person.certify",
            .fields = kCertification,
            .is_dangerous = true},
      Route{.verb = "GET", .pattern = "/api/v1/devices", .method = "device.list", .fields = kDevicePage},
      Route{.verb = "GET", .pattern = "/api/v1/devices/{name}", .method = "device.get"},
      Route{.verb = "GET", .pattern = "/api/v1/devices/{name}/certificates", .method = "device.certificates"},
      Route{.verb = "GET",
            .pattern = "/api/v1/devices/{name}/sessions",
            .method = "device.sessions",
            .fields = kSessionPage},
      Route{.verb = "GET",
            .pattern = "/api/v1/devices/{name}/telemetry",
            .method = "device.history",
            .fields = kTelemetry,
            .special = &Api::read_telemetry},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/remote-access",
            .least = UserRole::operator_,
            .method = "device.remote_access",
            .fields = kRemoteAccess},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/alias",
            .least = UserRole::operator_,
            .method = "device.alias",
            .fields = kAlias},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/suspend",
            .least = UserRole::operator_,
            .method = "device.suspend"},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/resume",
            .least = UserRole::operator_,
            .method = "device.resume"},
      Route{.verb = "GET",
            .pattern = "/api/v1/devices/{name}/revocation-preview",
            .least = UserRole::owner,
            .method = "device.revocation_preview"},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/revoke",
            .least = UserRole::owner,
            .method = "device.revoke",
            .fields = kRevocation,
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/reopen",
            .least = UserRole::owner,
            .method = "device.reopen",
            .fields = kReopening,
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/release",
            .least = UserRole::owner,
            .method = "device.release",
            .fields = kRevocation,
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/retire",
            .least = UserRole::owner,
            .method = "device.retire",
            .fields = kRevocation,
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/unpause",
            .least = UserRole::operator_,
            .method = "device.unpause"},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/freeze-on-alarm",
            .least = UserRole::owner,
            .method = "device.freeze_on_alarm",
            .fields = kFreezing},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/renew",
            .least = UserRole::operator_,
            .method = "device.renew"},
      Route{.verb = "POST",
            .pattern = "/api/v1/devices/{name}/grants",
            .least = UserRole::operator_,
            .method = "grant.create",
            .fields = kGrant,
            .success = 201,
            .special = &Api::create_grant},
      Route{.verb = "POST",
            .pattern = "/api/v1/claims",
            .least = UserRole::operator_,
            .method = "device.claim",
            .fields = kClaim,
            .success = 201},
      Route{.verb = "GET", .pattern = "/api/v1/sessions", .method = "session.list"},
      Route{.verb = "POST",
            .pattern = "/api/v1/sessions/{id}/renew",
            .least = UserRole::operator_,
            .method = "session.renew",
            .special = &Api::renew_session},
      Route{.verb = "POST",
            .pattern = "/api/v1/sessions/{id}/end",
            .least = UserRole::operator_,
            .method = "session.end",
            .success = 204},
      Route{.verb = "GET", .pattern = "/api/v1/audit", .method = "audit.list", .fields = kAuditPage},
      Route{.verb = "GET", .pattern = "/api/v1/sites", .method = "site.list"},
      Route{.verb = "GET",
            .pattern = "/api/v1/sites/{name}/white-list",
            .method = "site.white_list",
            .fields = kWhiteListPage},
      Route{.verb = "POST",
            .pattern = "/api/v1/sites/{name}/ledger",
            .least = UserRole::operator_,
            .method = "site.import_ledger",
            .fields = kLedger},
      Route{.verb = "POST",
            .pattern = "/api/v1/sites/{name}/policy",
            .least = UserRole::owner,
            .method = "site.policy",
            .fields = kSitePolicy,
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/sites/{name}/disable",
            .least = UserRole::owner,
            .method = "site.disable",
            .fields = kSiteChange,
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/sites/{name}/enable",
            .least = UserRole::owner,
            .method = "site.enable",
            .fields = kSiteChange,
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/sites/{name}/revoke",
            .least = UserRole::owner,
            .method = "site.revoke",
            .fields = kSiteRevocation,
            .is_dangerous = true},
      Route{.verb = "GET", .pattern = "/api/v1/pki", .method = "pki.tree"},
      Route{.verb = "GET", .pattern = "/api/v1/log", .method = "log.checkpoint"},
      Route{.verb = "GET", .pattern = "/api/v1/log/entries", .method = "log.list", .fields = kLogPage},
      Route{.verb = "GET",
            .pattern = "/api/v1/log/checkpoint",
            .method = "log.checkpoint",
            .special = &Api::read_log_checkpoint},
      Route{.verb = "GET", .pattern = "/api/v1/log/tile/{path...}", .special = &Api::read_log_tile},
      Route{.verb = "GET", .pattern = "/api/v1/log/proof/{sha256}", .method = "log.proof"},
      Route{.verb = "GET", .pattern = "/api/v1/pki/expiry", .method = "pki.expiry", .fields = kExpiry},
      Route{.verb = "GET", .pattern = "/api/v1/status", .method = "status.show"},
      Route{.verb = "GET", .pattern = "/api/v1/crls/{ca}", .method = "crl.get", .special = &Api::read_crl},
      Route{.verb = "GET", .pattern = "/api/v1/certificates", .method = "certificate.find", .fields = kSearch},
      Route{.verb = "GET", .pattern = "/api/v1/users", .least = UserRole::owner, .method = "user.list"},
      Route{.verb = "POST",
            .pattern = "/api/v1/users",
            .least = UserRole::owner,
            .method = "user.add",
            .fields = kUser,
            .success = 201,
            .is_dangerous = true,
            .special = &Api::create_user},
      Route{.verb = "POST",
            .pattern = "/api/v1/users/{login}/disable",
            .least = UserRole::owner,
            .method = "user.disable",
            .is_dangerous = true},
      Route{.verb = "POST",
            .pattern = "/api/v1/users/{login}/enable",
            .least = UserRole::owner,
            .method = "user.enable",
            .is_dangerous = true},
      Route{.verb = "GET", .pattern = "/api/v1/rpc/nodes", .special = &Api::list_rpc_nodes},
      Route{.verb = "GET",
            .pattern = "/api/v1/rpc/nodes/{node}/methods",
            .least = UserRole::operator_,
            .method = "methods",
            .special = &Api::ask_rpc_node},
      Route{.verb = "POST",
            .pattern = "/api/v1/rpc/nodes/{node}/calls",
            .least = UserRole::operator_,
            .fields = kRpcCall,
            .success = 202,
            .special = &Api::begin_rpc_call},
      Route{.verb = "GET",
            .pattern = "/api/v1/rpc/calls/{id}",
            .least = UserRole::operator_,
            .special = &Api::show_rpc_call},
      Route{.verb = "POST",
            .pattern = "/api/v1/rpc/nodes/{node}/kept-keys",
            .least = UserRole::owner,
            .method = "rpc.key_kept",
            .fields = kRpcKeptKey,
            .is_dangerous = true,
            .special = &Api::keep_rpc_key},
      Route{.verb = "POST",
            .pattern = "/api/v1/rpc/nodes/{node}/kept-keys/{purpose}/forget",
            .least = UserRole::owner,
            .method = "rpc.key_forgotten",
            .success = 204,
            .is_dangerous = true,
            .special = &Api::forget_rpc_key},
      Route{.verb = "GET",
            .pattern = "/api/v1/rpc/nodes/{node}/keys",
            .least = UserRole::owner,
            .method = "keys",
            .special = &Api::ask_rpc_node},
      Route{.verb = "POST",
            .pattern = "/api/v1/rpc/nodes/{node}/keys",
            .least = UserRole::owner,
            .method = "add",
            .fields = kRpcNewKey,
            .success = 201,
            .is_dangerous = true,
            .special = &Api::manage_rpc_key},
      Route{.verb = "POST",
            .pattern = "/api/v1/rpc/nodes/{node}/keys/{key}/rotate",
            .least = UserRole::owner,
            .method = "rotate",
            .fields = kRpcRotation,
            .is_dangerous = true,
            .special = &Api::manage_rpc_key},
      Route{.verb = "POST",
            .pattern = "/api/v1/rpc/nodes/{node}/keys/{key}/remove",
            .least = UserRole::owner,
            .method = "remove",
            .fields = kRpcRemoval,
            .success = 204,
            .is_dangerous = true,
            .special = &Api::manage_rpc_key},
      Route{.verb = "GET", .pattern = "/api/v1/events", .special = &Api::stream_events},
  };
  return kRoutes;
}

Api::Answer Api::ask_and_answer(const Route& route, Call call) {
  Json::Object parameters = std::move(call.parameters);
  CO_TRY(auto json, co_await ask(std::string(route.method), call, std::move(parameters)));
  if (route.success == 204) co_return no_content();
  co_return json_response(std::move(json), route.success);
}

http::Response Api::session_response(const Session& session) const {
  const Json about(Json::Object{{"installation", facts_.installation},
                                {"zone", facts_.zone.get()},
                                {"public_port", static_cast<unsigned>(facts_.public_port)},
                                {"version", SALLYPORT_VERSION},
                                {"now", to_iso8601(clock_.now())}});
  const Json shown(Json::Object{{"login", session.login},
                                {"role", records::to_string(session.role)},
                                {"tenant", session.tenant},
                                {"csrf", session.csrf},
                                {"expires", session.expires},
                                {"console", about}});
  return json_response(to_bytes(shown.write()), 200);
}

Api::Answer Api::log_in(const Route&, Call call) {
  const std::string before(call.request.cookie(kCookie).value_or(""));
  CO_TRY(auto logged_in, co_await sessions_.log_in(text_of(call.parameters, "login"),
                                                   text_of(call.parameters, "password"), call.source));
  if (auto old = co_await sessions_.find(before)) {
    events_.end(old->token_sha256);
    CO_TRY_VOID(co_await sessions_.log_out(*std::move(old)));
  }
  http::Response response = session_response(logged_in.session);
  response.headers.set("Set-Cookie", session_cookie(logged_in.cookie, kSessionLife));
  co_return response;
}

Api::Answer Api::log_out(const Route&, Call call) {
  events_.end(call.session.token_sha256);
  CO_TRY_VOID(co_await sessions_.log_out(call.session));
  http::Response response = no_content();
  response.headers.set("Set-Cookie", session_cookie("", seconds(0)));
  co_return response;
}

Api::Answer Api::show_session(const Route&, Call call) {
  co_return session_response(call.session);
}

Api::Answer Api::change_password(const Route&, Call call) {
  CO_TRY(auto renewed, co_await sessions_.change_password(call.session, text_of(call.parameters, "current"),
                                                          text_of(call.parameters, "new"), call.source));
  events_.end(call.session.token_sha256);
  http::Response response = no_content();
  response.headers.set("Set-Cookie", session_cookie(renewed.cookie, kSessionLife));
  co_return response;
}

Api::Answer Api::step_up(const Route&, Call call) {
  CO_TRY_VOID(co_await sessions_.step_up(call.session, text_of(call.parameters, "password"), call.source));
  co_return no_content();
}

Api::Answer Api::read_telemetry(const Route& route, Call call) {
  const Json name = call.parameters.at("name");
  // Whether this person may see it, and from when on.
  CO_TRY(const auto answer, co_await ask(std::string(route.method), call, {{"name", name}}));
  CO_TRY(const auto history, codec::parse_json(as_text(answer)));
  CO_TRY(const auto since, history.at("since"));
  Json::Object question = std::move(call.parameters);
  question.erase("name");
  question.emplace("device", name);
  if (!since.is_null()) question.emplace("since", since);
  question.try_emplace("from", to_iso8601(clock_.now() - kTelemetryWindow));
  CO_TRY(auto json, co_await telemetry_.call(to_bytes(Json(std::move(question)).write()), kTelemetryLimit));
  co_return json_response(std::move(json), route.success);
}

Api::Answer Api::create_grant(const Route& route, Call call) {
  call.parameters.emplace("login_session", codec::encode_hex(call.session.token_sha256));
  // A key is no proof for a browser's service, and a secret none for the others.
  if (call.parameters.contains("client_key_sha256")) call.parameters.emplace("kind", "tcp");
  co_return co_await ask_and_answer(route, std::move(call));
}

Api::Answer Api::renew_session(const Route& route, Call call) {
  call.parameters.emplace("login_session", codec::encode_hex(call.session.token_sha256));
  co_return co_await ask_and_answer(route, std::move(call));
}

Api::Answer Api::create_user(const Route& route, Call call) {
  CO_TRY(auto hashed, co_await sessions_.hash(text_of(call.parameters, "password")));
  call.parameters.erase("password");
  call.parameters.emplace("password_hash", std::move(hashed));
  co_return co_await ask_and_answer(route, std::move(call));
}

Api::Answer Api::stream_events(const Route&, Call call) {
  CO_TRY(auto watcher, events_.watch(call.session));
  http::Response response;
  response.headers.set("Content-Type", "text/event-stream");
  response.stream = [&events = events_, watcher](http::BodyWriter& writer) {
    return events.write_events(watcher, writer);
  };
  co_return response;
}

}  // namespace sallyport::console
