#include "authority/admin_json.h"
#include "authority/detail/admin_methods.h"
#include "authority/sessions.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::DeviceRecord;
using records::Records;

constexpr std::size_t kMaxListed = 1'000;

// What the device must be for a grant to make sense, told in the words of the API's problem types. Who goes there
// directly is told by the device itself what its agent has not told us.
Result<void> check_reachable(const Core& core, const DeviceRecord& device, const GrantOrder& order,
                             std::string_view kind) {
  if (device.state != records::DeviceState::claimed) {
    return failf(Errc::conflict, "state-conflict: the device is {}, want claimed", records::to_string(device.state));
  }
  if (!device.remote_access)
    return fail(Errc::conflict, "remote-access-off: remote access is switched off in the console");
  const OnlineDevice* online = core.presence().find(*device.name);
  if (online == nullptr && order.is_direct) return {};
  if (online == nullptr) return fail(Errc::conflict, "device-offline: the device has no control connection");
  if (!online->presence.device_switch)
    return fail(Errc::conflict, "device-switch-off: remote access is switched off on the device");
  for (const records::OfferedService& offered : online->presence.services) {
    if (offered.name != order.service) continue;
    if (offered.kind == kind) return {};
    return failf(Errc::conflict, "{}: the service is of kind {}, want {}",
                 kind == "http" ? "service-not-http" : "service-not-tcp", offered.kind, kind);
  }
  return fail(Errc::not_found, "service-unknown: the device does not offer this service now");
}

Result<std::optional<records::Digest>> find_login_session(const AdminCall& call) {
  const Json* session = call.parameters.find("login_session");
  if (session == nullptr) return std::nullopt;
  TRY(const auto hex, session->text());
  TRY(const auto bytes, codec::decode_hex(hex));
  TRY(auto digest, Reader(bytes).array<32>());
  return digest;
}

Result<tunnel::GrantId> session_of(const AdminCall& call) {
  TRY(const auto hex, call.parameters.text_at("id"));
  TRY(const auto bytes, codec::decode_hex(hex));
  Reader reader(bytes);
  TRY(auto id, reader.array<tunnel::kGrantIdSize>());
  TRY_VOID(reader.finish("session id"));
  return tunnel::GrantId(id);
}

}  // namespace

AdminAnswer grant_create(AdminCall call) {
  CO_TRY(auto name_text, call.parameters.text_at("name"));
  CO_TRY(auto name, parse_device_name(name_text));
  CO_TRY(auto service_text, call.parameters.text_at("service"));
  CO_TRY(auto service, parse_service_name(service_text));
  GrantOrder order;
  order.service = service;
  order.login = call.request.actor;
  CO_TRY(order.login_session, find_login_session(call));
  if (const Json* direct = call.parameters.find("direct")) {
    CO_TRY(order.is_direct, direct->boolean());
  }
  std::string kind = "http";
  if (const Json* key = call.parameters.find("client_key_sha256")) {
    CO_TRY(auto hex, key->text());
    CO_TRY(auto bytes, codec::decode_hex(hex));
    CO_TRY(auto digest, Reader(bytes).array<32>());
    order.client_key = digest;
    CO_TRY(kind, call.parameters.text_at("kind"));
  }
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(name));
    if (!device || !call.may_see(device->tenant)) return fail(Errc::not_found, "not-found: no such device");
    order.device = *device;
    order.tenant = device->tenant;
    return check_reachable(call.core, *device, order, kind);
  }));
  const bool is_direct = order.is_direct;
  CO_TRY(auto granted, co_await create_grant(call.core, std::move(order)));
  const records::InstallationFacts& facts = call.core.installation().facts();
  const DnsName host = tunnel::grant_host(granted.grant, facts.zone);
  Json::Object out{{"grant_id", codec::encode_hex(granted.grant.id.get())},
                   {"label", granted.grant.label.get()},
                   {"host", host.get()},
                   {"url", tunnel::encode_origin(host, facts.public_port) + "/.sallyport/enter"},
                   {"expires", to_iso8601(granted.grant.expires)}};
  // As the entry form carries it (docs/protocol/tunnel.md).
  if (granted.entry_secret) out.emplace("secret", codec::encode_base64url(granted.entry_secret->expose()));
  if (is_direct) out.emplace("grant", codec::encode_base64url(granted.sealed));
  co_return Json(std::move(out));
}

AdminAnswer session_list(AdminCall call) {
  Json::Array out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto sessions, records.access_sessions().list(std::nullopt, true, kMaxListed));
    for (const records::AccessSessionRecord& session : sessions) {
      TRY(auto device, records.devices().find_by_name(session.device));
      if (!device || !call.may_see(device->tenant)) continue;
      // One that is being cut since its device changed hands was never the new owner's.
      const bool is_older = device->claimed_at && session.opened < *device->claimed_at;
      if (is_older && !call.request.tenant.empty()) continue;
      out.push_back(access_session_json(session, &*device));
    }
    return {};
  }));
  co_return Json(Json::Object{{"sessions", std::move(out)}});
}

AdminAnswer session_renew(AdminCall call) {
  CO_TRY(const auto session, session_of(call));
  CO_TRY(const auto login_session, find_login_session(call));
  CO_TRY(const auto renewed, co_await renew_for_user(call.core, session, call.request.actor, login_session));
  co_return Json(
      Json::Object{{"grant", codec::encode_base64url(renewed.sealed)}, {"expires", to_iso8601(renewed.expires)}});
}

AdminAnswer session_end(AdminCall call) {
  CO_TRY(const auto session, session_of(call));
  LiveSession* live = call.core.grants().find(session);
  if (live != nullptr && call.may_see(live->tenant)) {
    co_await end_session(call.core, session, "ended by " + call.request.actor);
  }
  co_return Json(Json::Object{});
}

}  // namespace sallyport::authority
