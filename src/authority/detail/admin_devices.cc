#include <algorithm>
#include <memory>
#include <utility>

#include "authority/admin_json.h"
#include "authority/audit.h"
#include "authority/detail/admin_devices.h"
#include "authority/detail/admin_methods.h"
#include "base/secret.h"
#include "codec/text.h"
#include "crypto/hash.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::DeviceRecord;
using records::DeviceState;
using records::Records;

constexpr std::int64_t kMaxDevicePage = 5'000;
constexpr std::int64_t kDefaultDevicePage = 1'000;
constexpr std::int64_t kDefaultSessionPage = 100;
constexpr std::int64_t kMaxSessionPage = 500;

// The parameter `limit`, within 1 and `most`.
Result<std::size_t> limit_of(const Json& parameters, std::int64_t usual, std::int64_t most) {
  std::int64_t limit = usual;
  if (const Json* given = parameters.find("limit")) {
    TRY(limit, given->integer());
  }
  return static_cast<std::size_t>(std::clamp<std::int64_t>(limit, 1, most));
}

Result<Json> read_device(const AdminCall& call, const DeviceName& name) {
  Json out;
  TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(name));
    if (!device) return std::unexpected(no_such_device());
    TRY(out, call.core.describe_device(records, *device));
    return {};
  }));
  return out;
}

// Changes the device that the parameters name by `change`, audits it, and answers with the device as it is then.
template <class Change>
AdminAnswer change_device(AdminCall call, std::string_view action, Change change) {
  const auto changed = std::make_shared<std::optional<DeviceName>>();
  const auto work = [changed, call, action, change](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    Json::Object detail;
    TRY_VOID(change(device, detail));
    TRY_VOID(records.devices().update(device));
    TRY_VOID(append_audit(records, call.now(), call.request.actor, action, device.serial_id.get(), std::move(detail)));
    *changed = device.name;
    return {};
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  call.core.announce_device(**changed);
  co_return read_device(call, **changed);
}

Result<void> want_state(const DeviceRecord& device, DeviceState wanted) {
  if (device.state == wanted) return {};
  return failf(Errc::conflict, "state-conflict: the device is {}, want {}", records::to_string(device.state),
               records::to_string(wanted));
}

Result<std::string> alias_of(const Json& parameters) {
  TRY(auto alias, parameters.text_at("alias"));
  if (alias.size() > records::kMaxAliasLength || !codec::is_utf8(alias) ||
      std::ranges::any_of(alias, [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return failf(Errc::malformed, "alias: want at most {} bytes of UTF-8 without control characters",
                 records::kMaxAliasLength);
  }
  return alias;
}

// Claim codes are typed by people: case, spaces and hyphens do not matter.
std::string canonical_code(std::string_view typed) {
  std::string out;
  for (const char c : typed) {
    if (c == ' ' || c == '-') continue;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

records::Digest claim_hash(const DeviceName& name, std::string_view code) {
  crypto::Sha256 hash;
  hash.update(as_bytes("sallyport claim v1")).update(as_bytes(name.get())).update(as_bytes(canonical_code(code)));
  return std::move(hash).digest();
}

// From when on the caller may know what became of the device: what was before a tenant claimed it was somebody else's.
// Absent: from the beginning, for people of the whole installation.
std::optional<UnixTime> history_start(const AdminCall& call, const DeviceRecord& device) {
  if (call.request.tenant.empty()) return std::nullopt;
  return device.claimed_at.value_or(call.now());
}

std::uint64_t valid_certificates(const std::vector<records::CertificateRecord>& certificates, UnixTime now) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(certificates, [&](const records::CertificateRecord& certificate) {
        return certificate.state == records::CertificateState::issued && certificate.not_after > now;
      }));
}

}  // namespace

Error no_such_device() {
  return {Errc::not_found, "not-found: no such device"};
}

Result<DeviceRecord> find_device(const AdminCall& call, Records& records) {
  std::optional<DeviceRecord> device;
  if (call.parameters.find("name") != nullptr) {
    TRY(auto text, call.parameters.text_at("name"));
    TRY(auto name, parse_device_name(text));
    TRY(device, records.devices().find_by_name(name));
  } else {
    TRY(auto site_text, call.parameters.text_at("site"));
    TRY(auto site, parse_site_name(site_text));
    TRY(auto serial_text, call.parameters.text_at("serial_id"));
    TRY(auto serial_id, parse_serial_id(serial_text));
    TRY(device, records.devices().find(site, serial_id));
  }
  if (!device || !call.may_see(device->tenant)) return std::unexpected(no_such_device());
  return *std::move(device);
}

Result<Json> read_device(const AdminCall& call, const SiteName& site, const SerialId& serial_id) {
  Json out;
  TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, records.devices().find(site, serial_id));
    if (!device) return std::unexpected(no_such_device());
    TRY(out, call.core.describe_device(records, *device));
    return {};
  }));
  return out;
}

Result<std::vector<records::CertificateRecord>> certificates_of(Records& records, const DeviceRecord& device) {
  std::vector<records::CertificateRecord> out;
  for (const auto kind : {records::CertificateKind::operational, records::CertificateKind::web}) {
    if (!device.name) break;
    TRY(auto some, records.certificates().list_by_subject(kind, device.name->get()));
    out.insert(out.end(), some.begin(), some.end());
  }
  TRY(auto factory, records.certificates().list_by_subject(records::CertificateKind::factory,
                                                           device.serial_id.get() + "." + device.site.get()));
  out.insert(out.end(), factory.begin(), factory.end());
  return out;
}

AdminAnswer device_list(AdminCall call) {
  CO_TRY(const std::size_t limit, limit_of(call.parameters, kDefaultDevicePage, kMaxDevicePage));
  std::optional<DeviceRecord> after;
  if (const Json* given = call.parameters.find("after"); given != nullptr && !given->is_null()) {
    CO_TRY(auto text, given->text());
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) co_return fail(Errc::malformed, "after: want the `next` of the page before");
    DeviceRecord position;
    CO_TRY(position.site, parse_site_name(text.substr(0, slash)));
    CO_TRY(position.serial_id, parse_serial_id(text.substr(slash + 1)));
    after = position;
  }
  Json::Array devices;
  Json next;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto page, records.devices().list(call.request.tenant, limit, after));
    for (const DeviceRecord& device : page) {
      TRY(auto shown, call.core.describe_device(records, device));
      devices.push_back(std::move(shown));
    }
    if (page.size() == limit) next = page.back().site.get() + "/" + page.back().serial_id.get();
    return {};
  }));
  co_return Json(Json::Object{{"devices", std::move(devices)}, {"next", std::move(next)}});
}

AdminAnswer device_get(AdminCall call) {
  Json out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    TRY(out, call.core.describe_device(records, device));
    return {};
  }));
  co_return out;
}

AdminAnswer device_certificates(AdminCall call) {
  Json::Array out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    TRY(auto certificates, certificates_of(records, device));
    std::ranges::sort(certificates, [](const auto& a, const auto& b) { return a.recorded_at > b.recorded_at; });
    for (const auto& certificate : certificates) {
      if (certificate.state == records::CertificateState::intent) continue;
      out.push_back(certificate_json(certificate));
    }
    return {};
  }));
  co_return Json(Json::Object{{"certificates", std::move(out)}});
}

AdminAnswer device_sessions(AdminCall call) {
  CO_TRY(const std::size_t limit, limit_of(call.parameters, kDefaultSessionPage, kMaxSessionPage));
  Json::Array out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    TRY(auto sessions, records.access_sessions().list(device.name, false, limit));
    const std::optional<UnixTime> since = history_start(call, device);
    for (const auto& session : sessions) {
      if (!since || session.opened >= *since) out.push_back(access_session_json(session, &device));
    }
    return {};
  }));
  co_return Json(Json::Object{{"sessions", std::move(out)}});
}

AdminAnswer device_history(AdminCall call) {
  Json since;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    if (const auto start = history_start(call, device)) since = Json(to_iso8601(*start));
    return {};
  }));
  co_return Json(Json::Object{{"since", std::move(since)}});
}

AdminAnswer device_alias(AdminCall call) {
  CO_TRY(auto alias, alias_of(call.parameters));
  const auto change = [alias](DeviceRecord& device, Json::Object& detail) -> Result<void> {
    detail = {{"alias", alias}, {"before", device.alias}};
    device.alias = alias;
    return {};
  };
  co_return co_await change_device(std::move(call), "device.renamed", change);
}

AdminAnswer device_remote_access(AdminCall call) {
  CO_TRY(auto enabled, call.parameters.boolean_at("enabled"));
  const auto change = [enabled](DeviceRecord& device, Json::Object& detail) -> Result<void> {
    TRY_VOID(want_state(device, DeviceState::claimed));
    detail = {{"enabled", enabled}};
    device.remote_access = enabled;
    return {};
  };
  AdminCall again = call;
  CO_TRY(auto answer, co_await change_device(std::move(call), "device.remote-access", change));
  if (!enabled) {
    CO_TRY(auto name, again.parameters.text_at("name"));
    co_await again.core.cut_sessions_of(DeviceName(name), "remote access was switched off");
    CO_TRY_VOID(co_await again.core.until_in_force());
  }
  co_return answer;
}

AdminAnswer device_suspend(AdminCall call) {
  const auto change = [](DeviceRecord& device, Json::Object&) -> Result<void> {
    TRY_VOID(want_state(device, DeviceState::claimed));
    device.state = DeviceState::suspended;
    return {};
  };
  AdminCall again = call;
  CO_TRY(auto answer, co_await change_device(std::move(call), "device.suspended", change));
  CO_TRY(auto name, again.parameters.text_at("name"));
  co_await again.core.cut_sessions_of(DeviceName(name), "the device was suspended");
  CO_TRY_VOID(co_await again.core.until_in_force());
  co_return answer;
}

AdminAnswer device_resume(AdminCall call) {
  const auto change = [](DeviceRecord& device, Json::Object&) -> Result<void> {
    TRY_VOID(want_state(device, DeviceState::suspended));
    device.state = DeviceState::claimed;
    return {};
  };
  co_return co_await change_device(std::move(call), "device.resumed", change);
}

AdminAnswer device_claim(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"serial_id", "code", "alias", "site"}));
  CO_TRY(auto serial_text, call.parameters.text_at("serial_id"));
  CO_TRY(auto serial_id, parse_serial_id(serial_text));
  CO_TRY(auto code, call.parameters.text_at("code"));
  std::string alias;
  if (call.parameters.find("alias") != nullptr) {
    CO_TRY(alias, alias_of(call.parameters));
  }
  std::optional<SiteName> site;  // absent: whichever has such a device
  if (const Json* given = call.parameters.find("site")) {
    CO_TRY(auto text, given->text());
    CO_TRY(site, parse_site_name(text));
  }
  // Counted before it is made, so that tries side by side do not pass the limit together.
  const std::string subject = serial_id.get() + " for " + call.request.tenant;
  CO_TRY_VOID(call.core.claim_limiter().take(call.request.actor, subject, call.core.clock().monotonic()));
  const auto claimed = std::make_shared<std::optional<DeviceName>>();
  const auto work = [=](Records& records) -> Result<void> {
    const Error refused{Errc::unauthorized,
                        "claim-refused: serial id and code do not belong together, or the code was used"};
    TRY(auto candidates, records.devices().find_by_serial_id(serial_id));
    for (DeviceRecord& device : candidates) {
      if (site && device.site != *site) continue;
      if (device.state != DeviceState::connected || !device.name || !device.claim_hash) continue;
      if (!equal_constant_time(*device.claim_hash, claim_hash(*device.name, code))) continue;
      device.state = DeviceState::claimed;
      device.void_claim_hash = std::exchange(device.claim_hash, std::nullopt);
      device.claimed_at = call.now();
      device.tenant = call.request.tenant;
      if (!alias.empty()) device.alias = alias;
      TRY_VOID(records.devices().update(device));
      *claimed = device.name;
      return append_audit(records, call.now(), call.request.actor, "device.claimed", serial_id.get(),
                          {{"site", device.site.get()}, {"name", device.name->get()}});
    }
    return std::unexpected(refused);
  };
  const auto done = co_await call.core.commit(work);
  if (done || done.error().code != Errc::unauthorized) call.core.claim_limiter().give_back(call.request.actor, subject);
  CO_TRY_VOID(done);
  call.core.announce_device(**claimed);
  co_return read_device(call, **claimed);
}

AdminAnswer device_revocation_preview(AdminCall call) {
  Json out;
  CO_TRY_VOID(call.core.read([&](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    TRY(auto certificates, certificates_of(records, device));
    out = Json::Object{{"serial_id", device.serial_id.get()},
                       {"live_sessions", std::uint64_t{call.core.grants().of_device(*device.name).size()}},
                       {"certificates", valid_certificates(certificates, call.now())},
                       {"online", call.core.presence().find(*device.name) != nullptr},
                       {"can_return", true}};
    return {};
  }));
  co_return out;
}

AdminAnswer device_revoke(AdminCall call) {
  CO_TRY(auto confirm, call.parameters.text_at("confirm"));
  const auto revoked = std::make_shared<std::optional<DeviceName>>();
  const auto work = [=](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    if (device.serial_id.get() != confirm) {
      return fail(Errc::malformed, "confirmation-mismatch: the confirmation is not the device's serial id");
    }
    // Revoked it could be opened anew, which is what retiring it has ruled out.
    if (device.state == DeviceState::retired)
      return fail(Errc::conflict, "state-conflict: the device is retired, want one that is not");
    TRY(auto certificates, certificates_of(records, device));
    std::uint64_t count = 0;
    // An intent too: the certificate that is being signed can then no more be recorded, and is never handed out.
    for (const auto& certificate : certificates) {
      if (certificate.state == records::CertificateState::revoked) continue;
      TRY_VOID(records.certificates().revoke(certificate.ca, certificate.serial, call.now(),
                                             records::RevocationReason::cessation_of_operation));
      ++count;
    }
    device.state = DeviceState::revoked;
    device.remote_access = false;
    TRY_VOID(records.devices().update(device));
    *revoked = device.name;
    return append_audit(records, call.now(), call.request.actor, "device.revoked", device.serial_id.get(),
                        {{"name", device.name->get()}, {"certificates", count}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_await call.core.cut_sessions_of(**revoked, "the device was revoked");
  CO_TRY_VOID(co_await call.core.until_in_force());
  call.core.announce_device(**revoked);
  co_return read_device(call, **revoked);
}

}  // namespace sallyport::authority
