#include "agent/data_connection.h"

#include "agent/consent.h"
#include "agent/gate_pages.h"
#include "agent/user_announcement.h"
#include "base/log.h"
#include "codec/text.h"
#include "net/connect.h"
#include "net/copy.h"
#include "net/tls_stream.h"
#include "tunnel/limits.h"

namespace sallyport::agent {
namespace {

using tunnel::RefuseCode;
using tunnel::ServiceKind;

constexpr milliseconds kServiceDialLimit{5'000};

void edit_response(http::Response& head, tunnel::CookiePolicy cookies) {
  tunnel::Headers headers;
  for (const auto& field : head.headers.fields()) headers.push_back({field.name, field.value});
  head.headers = to_http(tunnel::EntryGate::rewrite_response(headers, cookies));
}

http::Response noted_refusal(const tunnel::GateRefusal& refusal) {
  log::info("agent.request-refused", {{"fault", tunnel::to_string(refusal.fault)}});
  return to_response(refusal);
}

}  // namespace

Result<void> check_client_key(std::span<const Bytes> chain, const tunnel::ProofHash& wanted) {
  if (chain.empty()) return fail(Errc::unauthorized, "user: showed no client key");
  TRY(const auto certificate, pki::parse_certificate(chain.front()));
  if (!equal_constant_time(certificate.spki_sha256(), wanted))
    return fail(Errc::unauthorized, "user: another client key than the grant's");
  return {};
}

DataConnections::DataConnections(const Settings& settings, RemoteAccess& access, WebIdentity web_identity,
                                 DeviceService device_service)
    : settings_(settings),
      access_(access),
      web_identity_(std::move(web_identity)),
      device_service_(std::move(device_service)) {}

ServiceKind DataConnections::kind_of(const ServiceName& service) const {
  const LocalTarget* target = settings_.find(service);
  return target == nullptr ? ServiceKind::http : target->service.kind;
}

net::Task<std::expected<DataConnections::Admitted, RefuseCode>> DataConnections::admit(tunnel::OpenFrame open) {
  auto grant = co_await take(std::move(open.sealed_grant));
  if (!grant) {
    if (grant.error().why) log::warn("agent.grant-refused", {{"error", *grant.error().why}});
    co_return std::unexpected(grant.error().code);
  }
  if (grant->service != open.service) co_return std::unexpected(RefuseCode::no_such_service);
  co_return co_await permit(*std::move(grant), std::move(open.client_address));
}

net::Task<std::expected<tunnel::AccessGrant, DataConnections::Refusal>> DataConnections::take(
    Bytes sealed_grant, tunnel::DirectPurpose purpose) {
  if (!access_.is_on()) co_return std::unexpected(Refusal{RefuseCode::remote_access_off, {}});
  if (purpose == tunnel::DirectPurpose::open && !has_room()) co_return std::unexpected(Refusal{RefuseCode::busy, {}});
  auto grant = co_await access_.admit(std::move(sealed_grant));
  if (grant) co_return *std::move(grant);
  const RefuseCode code = refuse_code_of(grant.error());
  co_return std::unexpected(Refusal{code, std::move(grant).error()});
}

std::expected<void, RefuseCode> DataConnections::check_service(const tunnel::AccessGrant& grant) const {
  const ServiceName& service = grant.service;
  const bool is_known = service.get() == kDeviceService || settings_.find(service) != nullptr;
  if (!is_known || !access_.is_open(service)) return std::unexpected(RefuseCode::no_such_service);
  const auto wanted =
      kind_of(service) == ServiceKind::http ? tunnel::ProofKind::entry_secret : tunnel::ProofKind::client_key;
  if (kind_of(service) != ServiceKind::tls && grant.proof_kind != wanted)
    return std::unexpected(RefuseCode::grant_invalid);
  if (!web_identity_()) return std::unexpected(RefuseCode::service_down);
  return {};
}

net::Task<std::expected<DataConnections::Admitted, RefuseCode>> DataConnections::permit(tunnel::AccessGrant grant,
                                                                                        std::string client_address) {
  if (const auto checked = check_service(grant); !checked) co_return std::unexpected(checked.error());
  if (!co_await has_consent(grant)) co_return std::unexpected(RefuseCode::consent_denied);
  co_return Admitted{
      .grant = std::move(grant), .client_address = std::move(client_address), .port = {}, .on_proven = {}};
}

std::optional<tunnel::AccessGrant> DataConnections::find_permitted(const DnsName& host) const {
  if (!access_.is_on() || !has_room()) return std::nullopt;
  auto grant = access_.grants().find(host, access_.now());
  if (!grant || !check_service(*grant) || !consented_.contains(grant->session())) return std::nullopt;
  return *std::move(grant);
}

// A browser opens many connections; its user is asked about once.
net::Task<bool> DataConnections::has_consent(tunnel::AccessGrant grant) {
  if (consented_.contains(grant.session())) co_return true;
  auto consent = co_await ask_consent(settings_.consent_command, grant.user_id, grant.service.get());
  if (!consent) {
    log::info("agent.consent", {{"error", consent.error()}});
    co_return false;
  }
  if (consented_.size() >= tunnel::kMaxLiveGrants)
    std::erase_if(consented_, [&](const auto& session) { return !access_.grants().is_live(session); });
  consented_.insert(grant.session());
  co_return true;
}

Result<std::shared_ptr<crypto::TlsContext>> DataConnections::make_context(const tunnel::AccessGrant& grant,
                                                                          ServiceKind kind) const {
  auto identity = web_identity_();
  if (!identity) return fail(Errc::unavailable, "user: no web certificate to show");
  crypto::TlsServerSettings settings;
  settings.identity = *identity;
  settings.identity_for = [identity = *identity, host = tunnel::grant_host(grant, settings_.zone)](
                              std::string_view server_name) -> Result<crypto::TlsIdentity> {
    if (server_name != host.get()) return fail(Errc::unauthorized, "user: asked for another name than the grant's");
    return identity;
  };
  if (kind == ServiceKind::http) {
    settings.alpn = {"http/1.1"};
  } else {
    settings.client_auth = crypto::ClientAuth::required;
    settings.verify_client = [proof = grant.proof_hash](std::span<const Bytes> chain) {
      return check_client_key(chain, proof);
    };
  }
  return crypto::TlsContext::server(std::move(settings));
}

net::Task<Result<net::StreamPtr>> DataConnections::connect_service(ServiceName service) {
  const LocalTarget* target = settings_.find(service);
  if (target == nullptr) co_return co_await device_service_();
  co_return co_await net::connect_tcp(target->target, kServiceDialLimit);
}

net::Task<void> DataConnections::serve(net::StreamPtr lower, Admitted admitted) {
  const tunnel::AccessGrant& grant = admitted.grant;
  const ServiceKind kind = kind_of(grant.service);
  log::info("agent.user-connected", {{"service", grant.service.get()},
                                     {"session", codec::encode_hex(grant.session().get())},
                                     {"user", grant.user_id},
                                     {"from", admitted.client_address}});
  if (kind == ServiceKind::tls) {
    co_await serve_tcp(std::move(lower), std::move(admitted));
    co_return;
  }
  auto context = make_context(grant, kind);
  if (!context) {
    log::warn("agent.user-refused", {{"error", context.error()}});
    co_return;
  }
  auto user = co_await net::tls_accept(std::move(lower), *context, kUserHandshakeLimit);
  if (!user) {
    log::info("agent.user-refused", {{"error", user.error()}});
    co_return;
  }
  co_await serve_inside(*std::move(user), std::move(admitted));
}

net::Task<void> DataConnections::serve_inside(net::StreamPtr user, Admitted admitted) {
  // The session may have ended during the handshake.
  const DnsName host = tunnel::grant_host(admitted.grant, settings_.zone);
  if (!access_.is_on() || !access_.grants().find(host, access_.now())) {
    user->close();
  } else if (kind_of(admitted.grant.service) == ServiceKind::http) {
    co_await serve_http(std::move(user), std::move(admitted));
  } else {
    co_await serve_tcp(std::move(user), std::move(admitted));
  }
}

net::Task<void> DataConnections::serve_http(net::StreamPtr user, Admitted admitted) {
  const tunnel::AccessGrant& grant = admitted.grant;
  const tunnel::Door door(tunnel::grant_host(grant, settings_.zone), admitted.port);
  http::ProxyHooks hooks;
  const LocalTarget* target = settings_.find(grant.service);
  const bool scripted = target != nullptr && target->script_cookies;
  const auto cookies = scripted ? tunnel::CookiePolicy::scripted : tunnel::CookiePolicy::held;
  bool is_proven = !admitted.on_proven;
  const auto on_let_through = [&admitted, &is_proven] {
    if (!std::exchange(is_proven, true)) admitted.on_proven();
  };
  hooks.decide = [this, door, cookies, on_let_through](http::Request head, net::PeerInfo) {
    return decide(door, std::move(head), cookies, on_let_through);
  };
  hooks.connect_upstream = [this, service = grant.service] { return connect_service(service); };
  hooks.edit_response = [cookies](const http::Request&, http::Response& head) { edit_response(head, cookies); };
  http::ProxyConnection proxy(std::move(user), std::move(hooks));
  const RemoteAccess::Registration registration(access_, grant.session(), [&proxy] { proxy.cut(); });
  const http::ProxyTotals totals = co_await proxy.run();
  if (!is_proven) co_return;
  log::info("agent.user-gone", {{"session", codec::encode_hex(grant.session().get())},
                                {"requests", totals.requests},
                                {"to_user", totals.bytes_to_user},
                                {"from_user", totals.bytes_from_user}});
}

net::Task<http::Decision> DataConnections::decide(tunnel::Door door, http::Request head, tunnel::CookiePolicy cookies,
                                                  std::function<void()> on_let_through) {
  const tunnel::RequestHead gate_head = to_gate(head);
  if (tunnel::EntryGate::is_entry(gate_head)) {
    http::AnswerHere here;
    here.handler = [this, door](http::Request request, net::PeerInfo) { return enter(door, std::move(request)); };
    here.body_limit = tunnel::kMaxEntryBody;
    co_return here;
  }
  const auto decision = access_.gate().decide(door, gate_head, {}, access_.now(), cookies);
  if (const auto* refusal = std::get_if<tunnel::GateRefusal>(&decision)) co_return noted_refusal(*refusal);
  if (const auto* answer = std::get_if<tunnel::GateAnswer>(&decision)) co_return to_response(*answer);
  on_let_through();
  head.headers = to_http(std::get<tunnel::GateForward>(decision).headers);
  http::Forward forward;
  forward.head = std::move(head);
  co_return forward;
}

net::Task<http::Response> DataConnections::enter(tunnel::Door door, http::Request request) {
  const auto decision = access_.gate().decide(door, to_gate(request), request.body, access_.now());
  if (const auto* answer = std::get_if<tunnel::GateAnswer>(&decision)) co_return to_response(*answer);
  if (const auto* refusal = std::get_if<tunnel::GateRefusal>(&decision)) co_return noted_refusal(*refusal);
  co_return http::Response::error(404);
}

// Connected, and told whom for where it wants to know.
net::Task<Result<net::StreamPtr>> DataConnections::connect_tcp_service(Admitted admitted) {
  const LocalTarget* target = settings_.find(admitted.grant.service);
  if (target == nullptr) co_return fail(Errc::not_found, "service: not configured");
  CO_TRY(auto local, co_await net::connect_tcp(target->target, kServiceDialLimit));
  if (target->proxy_protocol) {
    const DnsName host = tunnel::grant_host(admitted.grant, settings_.zone);
    const auto header = announce_user(admitted.client_address, host, admitted.grant.session());
    const Bytes wire = tunnel::encode_proxy_header(header);
    CO_TRY_VOID(co_await local->write_all(wire, kServiceDialLimit));
  }
  co_return std::move(local);
}

net::Task<void> DataConnections::serve_tcp(net::StreamPtr user, Admitted admitted) {
  const tunnel::AccessGrant& grant = admitted.grant;
  net::StreamPtr local;
  const auto cut = [&user, &local] {
    net::reset(*user);
    if (local) net::reset(*local);
  };
  // It counts from here on, however long its service takes to answer.
  const RemoteAccess::Registration registration(access_, grant.session(), cut);
  auto service = co_await connect_tcp_service(admitted);
  if (!service) {
    log::warn("agent.service-down", {{"service", grant.service.get()}, {"error", service.error()}});
    co_return cut();
  }
  local = *std::move(service);
  // The session may have ended while the service was being dialled.
  const DnsName host = tunnel::grant_host(grant, settings_.zone);
  if (!access_.grants().find(host, access_.now())) co_return cut();
  const net::CopyLimits limits(kTcpIdleLimit, kTcpHalfClosedLimit);
  const net::CopyTotals totals = co_await net::copy_both_ways(*user, *local, limits);
  log::info("agent.user-gone", {{"session", codec::encode_hex(grant.session().get())},
                                {"to_user", totals.right_to_left},
                                {"from_user", totals.left_to_right},
                                {"why", totals.error ? totals.error->detail : std::string("both sides have ended")}});
}

}  // namespace sallyport::agent
