// Repair, resale, end, and what an owner may wish for a device (docs/operate/repair-and-resale.md).
#include <memory>
#include <utility>

#include "authority/audit.h"
#include "authority/detail/admin_devices.h"
#include "authority/pauses.h"
#include "authority/renewal_windows.h"
#include "authority/site_states.h"
#include "codec/text.h"

namespace sallyport::authority {
namespace {

using codec::Json;
using records::DeviceRecord;
using records::DeviceState;
using records::Records;

using Change = std::function<Result<void>(Records&, DeviceRecord&, Json::Object& detail)>;

// Changes the device that the parameters name by `change`, audits it, and returns the record as it is then.
net::Task<Result<DeviceRecord>> change(AdminCall call, std::string action, Change change) {
  const auto changed = std::make_shared<std::optional<DeviceRecord>>();
  const auto work = [changed, call, action, change](Records& records) -> Result<void> {
    TRY(auto device, find_device(call, records));
    Json::Object detail{{"site", device.site.get()}};
    TRY_VOID(change(records, device, detail));
    TRY_VOID(records.devices().update(device));
    *changed = device;
    return append_audit(records, call.now(), call.request.actor, action, device.serial_id.get(), std::move(detail));
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  call.core.announce_device((*changed)->site, (*changed)->serial_id);
  co_return *std::move(*changed);
}

// Ends what lives of the device and returns once nobody admits it by what it had.
net::Task<Result<void>> cut_off(AdminCall call, DeviceRecord device, std::string reason) {
  if (device.name) co_await call.core.cut_sessions_of(*device.name, std::move(reason));
  co_return co_await call.core.until_in_force();
}

Result<std::uint64_t> revoke_certificates(Records& records, const DeviceRecord& device, UnixTime now, bool with_factory,
                                          records::RevocationReason reason) {
  TRY(auto certificates, certificates_of(records, device));
  std::uint64_t count = 0;
  // An intent too: the certificate that is being signed can then no more be recorded, and is never handed out.
  for (const auto& certificate : certificates) {
    if (certificate.state == records::CertificateState::revoked) continue;
    if (certificate.kind == records::CertificateKind::factory && !with_factory) continue;
    TRY_VOID(records.certificates().revoke(certificate.ca, certificate.serial, now, reason));
    ++count;
  }
  return count;
}

// Nobody's again, as after the first connection.
void disown(DeviceRecord& device) {
  device.state = DeviceState::connected;
  device.tenant.clear();
  device.alias.clear();
  device.remote_access = false;
  device.freeze_on_alarm = false;
  device.claimed_at.reset();
  if (device.claim_hash) device.void_claim_hash = std::exchange(device.claim_hash, std::nullopt);
}

Result<void> refuse_states(const DeviceRecord& device, std::initializer_list<DeviceState> refused,
                           std::string_view wanted) {
  for (const DeviceState state : refused) {
    if (device.state != state) continue;
    return failf(Errc::conflict, "state-conflict: the device is {}, want {}", records::to_string(state), wanted);
  }
  return {};
}

// A fingerprint as the device shows it: hexadecimal, in groups or not.
Result<records::Digest> key_of(const Json& parameters) {
  TRY(auto text, parameters.text_at("key"));
  std::erase_if(text, [](char c) { return c == ' ' || c == ':' || c == '-'; });
  auto bytes = codec::decode_hex(text);
  records::Digest out{};
  if (!bytes || bytes->size() != out.size()) {
    return fail(Errc::malformed, "key: want the fingerprint that the device shows: 64 hexadecimal digits");
  }
  std::ranges::copy(*bytes, out.begin());
  return out;
}

Result<void> check_key_is_nobodys(Records& records, const records::Digest& key) {
  for (const auto kind :
       {records::CertificateKind::operational, records::CertificateKind::web, records::CertificateKind::factory}) {
    TRY(const auto known, records.certificates().list_by_spki(kind, key));
    if (!known.empty())
      return fail(Errc::conflict, "key-in-use: that key has or had a certificate, want the new key that was refused");
  }
  return {};
}

Result<seconds> spread_of(const Json& parameters) {
  const Json* given = parameters.find("within_s");
  if (given == nullptr) return kDefaultRenewalSpread;
  TRY(const auto within, given->integer());
  if (within < 1 || within > kMaxRenewalSpread.count())
    return failf(Errc::malformed, "within_s: found {}, want 1 to {}", within, kMaxRenewalSpread.count());
  return seconds(within);
}

}  // namespace

AdminAnswer device_reopen(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"name", "site", "serial_id", "key"}));
  CO_TRY(const auto key, key_of(call.parameters));
  const Change reopen = [call, key](Records& records, DeviceRecord& device, Json::Object& detail) -> Result<void> {
    TRY_VOID(refuse_states(device, {DeviceState::manufactured, DeviceState::retired}, "one that was connected"));
    if (!device.name) return fail(Errc::conflict, "state-conflict: the device never connected, and holds nothing");
    TRY_VOID(check_site_keeps(records, device));
    TRY_VOID(check_key_is_nobodys(records, key));
    TRY(const auto count,
        revoke_certificates(records, device, call.now(), false, records::RevocationReason::superseded));
    detail["before"] = records::to_string(device.state);
    detail["key"] = codec::encode_hex(key);
    detail["certificates"] = count;
    disown(device);
    device.alarms = 0;
    device.enrolled_spki_sha256 = key;
    return {};
  };
  CO_TRY(auto device, co_await change(call, "device.reopened", reopen));
  call.core.pauses().forget(pause_name(device.site, device.serial_id));
  CO_TRY_VOID(co_await cut_off(call, device, "the device was re-opened"));
  co_return read_device(call, device.site, device.serial_id);
}

AdminAnswer device_release(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"name", "site", "serial_id", "confirm"}));
  CO_TRY(const auto confirm, call.parameters.text_at("confirm"));
  const Change release = [confirm](Records&, DeviceRecord& device, Json::Object& detail) -> Result<void> {
    if (device.serial_id.get() != confirm) {
      return fail(Errc::malformed, "confirmation-mismatch: the confirmation is not the device's serial id");
    }
    if (device.state != DeviceState::claimed) {
      return failf(Errc::conflict, "state-conflict: the device is {}, want claimed", records::to_string(device.state));
    }
    detail["tenant"] = device.tenant;
    disown(device);
    return {};
  };
  CO_TRY(auto device, co_await change(call, "device.released", release));
  CO_TRY_VOID(co_await cut_off(call, device, "its owner gave the device up"));
  co_return read_device({.core = call.core, .request = call.request, .parameters = {}}, device.site, device.serial_id);
}

AdminAnswer device_retire(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"name", "site", "serial_id", "confirm"}));
  CO_TRY(const auto confirm, call.parameters.text_at("confirm"));
  const Change retire = [call, confirm](Records& records, DeviceRecord& device, Json::Object& detail) -> Result<void> {
    if (device.serial_id.get() != confirm) {
      return fail(Errc::malformed, "confirmation-mismatch: the confirmation is not the device's serial id");
    }
    TRY_VOID(refuse_states(device, {DeviceState::retired}, "one that is not"));
    TRY(const auto count,
        revoke_certificates(records, device, call.now(), true, records::RevocationReason::cessation_of_operation));
    detail["before"] = records::to_string(device.state);
    detail["certificates"] = count;
    device.state = DeviceState::retired;
    device.remote_access = false;
    device.claim_hash.reset();
    return {};
  };
  CO_TRY(auto device, co_await change(call, "device.retired", retire));
  CO_TRY_VOID(co_await cut_off(call, device, "the device was retired"));
  co_return read_device(call, device.site, device.serial_id);
}

AdminAnswer device_unpause(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"name", "site", "serial_id"}));
  const auto serials = std::make_shared<std::vector<std::string>>();
  const Change find = [serials](Records& records, DeviceRecord& device, Json::Object&) -> Result<void> {
    TRY(const auto certificates, certificates_of(records, device));
    for (const auto& certificate : certificates) serials->push_back(pause_name(certificate.serial));
    serials->push_back(pause_name(device.site, device.serial_id));
    return {};
  };
  CO_TRY(auto device, co_await change(call, "device.unpaused", find));
  for (const std::string& client : *serials) call.core.pauses().forget(client);
  call.core.announce_device(device.site, device.serial_id);
  co_return read_device(call, device.site, device.serial_id);
}

AdminAnswer device_freeze_on_alarm(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"name", "site", "serial_id", "enabled"}));
  CO_TRY(const bool enabled, call.parameters.boolean_at("enabled"));
  const Change set = [enabled](Records&, DeviceRecord& device, Json::Object& detail) -> Result<void> {
    if (device.state != DeviceState::claimed && device.state != DeviceState::suspended) {
      return failf(Errc::conflict, "state-conflict: the device is {}, want claimed", records::to_string(device.state));
    }
    detail["enabled"] = enabled;
    device.freeze_on_alarm = enabled;
    return {};
  };
  CO_TRY(auto device, co_await change(call, "device.freeze-on-alarm", set));
  co_return read_device(call, device.site, device.serial_id);
}

AdminAnswer device_renew(AdminCall call) {
  const Change ask = [call](Records&, DeviceRecord& device, Json::Object&) -> Result<void> {
    device.renew_asked = call.now();
    return {};
  };
  CO_TRY(auto device, co_await change(call, "device.renewal-asked", ask));
  co_return read_device(call, device.site, device.serial_id);
}

AdminAnswer renewal_ask(AdminCall call) {
  CO_TRY_VOID(call.parameters.only_keys({"ca", "site", "within_s"}));
  CO_TRY(const auto spread, spread_of(call.parameters));
  const Json* ca = call.parameters.find("ca");
  const Json* site = call.parameters.find("site");
  if ((ca == nullptr) == (site == nullptr)) co_return fail(Errc::malformed, "renewal: want either ca or site");
  CO_TRY(const std::string text, (ca != nullptr ? ca : site)->text());
  const bool by_ca = ca != nullptr;
  if (by_ca && text != "online-ca" && text != "web-ca") {
    co_return failf(Errc::malformed, "ca: found {}, want online-ca or web-ca, which certify devices in the field",
                    text);
  }
  const auto work = [=, now = call.now(), actor = call.request.actor](Records& records) -> Result<void> {
    RenewalScope scope = records::CaName(text);
    if (!by_ca) {
      TRY(auto name, parse_site_name(text));
      TRY(const auto known, records.sites().find(name));
      if (!known) return fail(Errc::not_found, "not-found: no such site");
      scope = std::move(name);
    }
    TRY_VOID(ask_renewal(records, scope, now, spread));
    return append_audit(records, now, actor, "renewal.asked", text, {{"within_s", spread.count()}});
  };
  CO_TRY_VOID(co_await call.core.commit(work));
  co_return Json(Json::Object{{by_ca ? "ca" : "site", text}, {"within_s", spread.count()}});
}

}  // namespace sallyport::authority
