#include "authority/enrolment.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "authority/audit.h"
#include "authority/factory_reuse.h"
#include "authority/issuance.h"
#include "authority/site_states.h"
#include "base/log.h"
#include "codec/text.h"
#include "pki/csr.h"

namespace sallyport::authority {
namespace {

using records::DeviceRecord;
using records::DeviceState;

// How long a request waits for another one over the same key.
constexpr milliseconds kTurnLimit{12'000};

const records::CaName kOnlineCa("online-ca");
const records::CaName kWebCa("web-ca");

// A factory certificate that verified, with the request made under it.
struct Applicant {
  pki::Certificate factory_certificate;
  pki::FactoryIdentity identity;
  crypto::PublicKey new_key;
  records::Digest new_spki{};
  std::string source;
};

Result<Applicant> check_applicant(const Core& core, const records::EnrolRequest& request) {
  const UnixTime now = core.clock().now();
  std::vector<Bytes> sent = {request.client_certificate};
  sent.insert(sent.end(), request.client_chain.begin(), request.client_chain.end());
  TRY(auto chain, pki::parse_chain(sent));
  TRY(auto root_crl, core.installation().root_crl(now));
  TRY(auto verified, pki::verify_chain(chain, core.installation().anchors(),
                                       pki::FactoryDevicePurpose{core.installation().facts().zone},
                                       pki::TimeRule::clock(now), &root_crl));
  const auto& identity = verified.identity_as<pki::FactoryIdentity>();
  TRY(auto site_ca, core.installation().ca(records::local_ca_name(identity.site.get())));
  if (!(site_ca == verified.issuer())) {
    return failf(Errc::unauthorized, "enrolment: issued by a former CA of site {}, want its present one",
                 identity.site.get());
  }
  TRY(auto csr, pki::parse_csr(request.csr));
  const records::Digest new_spki = crypto::sha256(csr.public_key.spki());
  if (new_spki == verified.leaf().spki_sha256()) {
    return fail(Errc::unauthorized, "enrolment: request for the factory key itself, want a key made for operation");
  }
  return Applicant{verified.leaf(), identity, csr.public_key, new_spki, request.source};
}

// Until a key enrolled with it, a factory certificate must be good in the record.
Result<void> check_unburnt(records::Records& records, const DeviceRecord& device) {
  if (device.enrolled_spki_sha256) return {};
  TRY(auto record, records.certificates().find(records::local_ca_name(device.site.get()), device.factory_serial));
  if (record && record->state == records::CertificateState::issued) return {};
  return fail(Errc::unauthorized, "enrolment: the factory certificate is revoked");
}

// Why an enrolment cannot be, or the record as it stands. Another key than the one that enrolled is the caller's to
// find.
Result<DeviceRecord> find_admissible_device(records::Records& records, const Applicant& applicant) {
  TRY(auto site, records.sites().find(applicant.identity.site));
  TRY(auto device, records.devices().find(applicant.identity.site, applicant.identity.serial_id));
  TRY_VOID(check_site_admits(applicant.identity.site, site, device));
  if (!device) {
    return failf(Errc::not_yet, "enrolment: {}.{} is in no accepted ledger yet", applicant.identity.serial_id.get(),
                 applicant.identity.site.get());
  }
  if (device->factory_spki_sha256 != applicant.factory_certificate.spki_sha256() ||
      device->factory_serial != to_record_serial(applicant.factory_certificate.serial())) {
    return fail(Errc::unauthorized, "enrolment: another factory certificate of this serial id is in the ledger");
  }
  if (device->state == DeviceState::suspended || device->state == DeviceState::revoked ||
      device->state == DeviceState::retired) {
    return failf(Errc::unauthorized, "enrolment: the device is {}", records::to_string(device->state));
  }
  TRY_VOID(check_unburnt(records, *device));
  return *std::move(device);
}

Result<DeviceName> allocate_name(records::Records& records, Random& random) {
  for (;;) {
    const DeviceName name = draw_device_name(random);
    TRY(auto taken, records.devices().find_by_name(name));
    if (!taken && !is_reserved_label(name.get())) return name;
  }
}

// Refuses a key that any other device, or this one's web server, has, and one of a certificate that was revoked.
Result<void> check_key_is_new(records::Records& records, const records::Digest& spki, const std::string& own_name,
                              records::CertificateKind own_kind) {
  for (const auto kind :
       {records::CertificateKind::operational, records::CertificateKind::web, records::CertificateKind::factory}) {
    TRY(auto holder, records.certificates().find_by_spki(kind, spki));
    if (holder && (kind != own_kind || holder->subject != own_name)) {
      return fail(Errc::unauthorized,
                  "enrolment: the requested key is in use already, want one of its own per certificate");
    }
  }
  TRY(auto own, records.certificates().list_by_subject(own_kind, own_name));
  const bool revoked = std::ranges::any_of(own, [&](const records::CertificateRecord& record) {
    return record.spki_sha256 == spki && record.state == records::CertificateState::revoked;
  });
  if (revoked) return fail(Errc::unauthorized, "enrolment: a certificate of this key was revoked, want a new key");
  return {};
}

// What became of a factory certificate that was shown.
struct Burning {
  DeviceRecord device;
  bool by_another_key = false;  // the device is as it was
};

// Takes the device through its first connection: name, key, state, quota, and the end of its factory certificate.
Result<Burning> burn_factory_certificate(records::Records& records, const Applicant& applicant, UnixTime now,
                                         Random& random) {
  TRY(auto device, find_admissible_device(records, applicant));
  if (device.enrolled_spki_sha256) return Burning{device, *device.enrolled_spki_sha256 != applicant.new_spki};
  TRY_VOID(check_key_is_new(records, applicant.new_spki, {}, records::CertificateKind::operational));
  TRY(auto site, records.sites().find(applicant.identity.site));
  const bool first_time = !device.connected_at;
  if (first_time && site->enrolled >= site->activation_quota) {
    return failf(Errc::overloaded, "enrolment: site {} has enrolled {} of {} devices", site->name.get(), site->enrolled,
                 site->activation_quota);
  }
  if (!device.name) {
    TRY(device.name, allocate_name(records, random));
  }
  device.enrolled_spki_sha256 = applicant.new_spki;
  device.state = DeviceState::connected;
  if (first_time) {
    device.connected_at = now;
    site->enrolled += 1;
    TRY_VOID(records.sites().update(*site));
  }
  TRY_VOID(records.devices().update(device));
  TRY_VOID(records.certificates().revoke(records::local_ca_name(site->name.get()), device.factory_serial, now,
                                         records::RevocationReason::superseded));
  TRY_VOID(append_audit(records, now, "role:gateway", "device.enrolled", device.serial_id.get(),
                        {{"site", site->name.get()}, {"name", device.name->get()}, {"source", applicant.source}}));
  return Burning{device};
}

// Whoever copied a factory key can repeat this as often as he likes, so it is recorded a few times an hour alone.
net::Task<void> raise_clone_alarm(Core& core, Applicant applicant) {
  const UnixTime now = core.clock().now();
  const std::string device_key = applicant.identity.serial_id.get() + "." + applicant.identity.site.get();
  if (!core.alarm_limiter().take(device_key, device_key, core.clock().monotonic())) co_return;
  const auto tenant = std::make_shared<std::string>();
  const auto count = [applicant, now, tenant](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find(applicant.identity.site, applicant.identity.serial_id));
    if (!device) return {};
    *tenant = device->tenant;
    device->alarms += 1;
    TRY_VOID(records.devices().update(*device));
    return append_audit(records, now, "role:gateway", "enrolment.refused", device->serial_id.get(),
                        {{"site", device->site.get()},
                         {"reason", "burnt factory certificate shown with another key"},
                         {"key", codec::encode_hex(applicant.new_spki)},
                         {"source", applicant.source}});
  };
  if (auto done = co_await core.commit(count); !done) log::error("enrolment.alarm-lost", {{"error", done.error()}});
  core.announce_device(applicant.identity.site, applicant.identity.serial_id);
  core.announce_alarm("enrolment.refused", *tenant, applicant.identity.serial_id.get(),
                      "burnt factory certificate shown with another key");
}

// Whether a refusal is the factory's doing, which then is told.
net::Task<bool> is_misused_by_factory(Core& core, Applicant applicant) {
  std::optional<SiteAlarm> alarm;
  const auto look = [&](records::Records& records) -> Result<void> {
    TRY(alarm, find_factory_reuse(records, applicant.identity, applicant.factory_certificate));
    return {};
  };
  if (const auto looked = core.read(look); !looked) log::error("enrolment.alarm-lost", {{"error", looked.error()}});
  if (!alarm) co_return false;
  co_await raise_site_alarm(core, *std::move(alarm), "role:gateway");
  co_return true;
}

Result<records::CertificateChain> to_chain(const Core& core, const records::CaName& ca, ByteView leaf) {
  TRY(auto issuer, core.installation().ca(ca));
  return records::CertificateChain{{to_bytes(leaf), to_bytes(issuer.der())}};
}

// The certificate that this very key got before, if it did and the certificate has most of its life before it: a later
// request is a renewal.
Result<std::optional<Bytes>> find_earlier_answer(const Core& core, records::CertificateKind kind,
                                                 const records::Digest& spki, const std::string& subject) {
  std::optional<Bytes> found;
  const UnixTime now = core.clock().now();
  TRY_VOID(core.read([&](records::Records& records) -> Result<void> {
    TRY(auto record, records.certificates().find_by_spki(kind, spki));
    if (record && record->subject == subject && record->state == records::CertificateState::issued &&
        now - record->not_before < (record->not_after - record->not_before) / 2) {
      found = record->der;
    }
    return {};
  }));
  return found;
}

IssueOrder device_order(const Core& core, const DeviceName& name, const crypto::PublicKey& key, bool web) {
  const DnsName host = under(name.get(), core.installation().facts().zone);
  IssueOrder order{.ca = web ? kWebCa : kOnlineCa,
                   .profile = web ? pki::ProfileId::web_device : pki::ProfileId::operational_device,
                   .kind = web ? records::CertificateKind::web : records::CertificateKind::operational,
                   .subject = name.get(),
                   .common_name = name.get(),
                   .dns_names = {host.get()},
                   .public_key = key,
                   .lifetime = web ? kWebLifetime : kOperationalLifetime,
                   .with_intent = {},
                   .with_result = {}};
  if (web) order.dns_names.push_back("*." + host.get());
  return order;
}

// An enrolled device that showed its operational certificate.
struct EnrolledDevice {
  DeviceName name;
  pki::CertificateRequest request;
  records::Digest new_spki{};
  records::CertificateSerial shown;
};

// Whether the device of that certificate may get another one now.
Result<void> check_standing(records::Records& records, const DeviceName& name,
                            const records::CertificateSerial& shown) {
  TRY(auto record, records.certificates().find(kOnlineCa, shown));
  if (!record || record->state != records::CertificateState::issued) {
    return fail(Errc::unauthorized, "renewal: certificate is not in the issuance record, or revoked");
  }
  TRY(auto device, records.devices().find_by_name(name));
  if (!device || (device->state != DeviceState::connected && device->state != DeviceState::claimed)) {
    return fail(Errc::unauthorized, "renewal: the device is not connected or claimed");
  }
  return {};
}

Result<EnrolledDevice> check_enrolled_device(const Core& core, const records::RenewRequest& request) {
  const UnixTime now = core.clock().now();
  TRY(auto leaf, pki::parse_certificate(request.client_certificate));
  TRY(auto issuer, core.installation().ca(kOnlineCa));
  const std::vector<pki::Certificate> chain = {leaf, issuer};
  TRY(auto root_crl, core.installation().root_crl(now));
  TRY(auto verified, pki::verify_chain(chain, core.installation().anchors(),
                                       pki::OperationalDevicePurpose{core.installation().facts().zone},
                                       pki::TimeRule::clock(now), &root_crl));
  const auto& name = verified.identity_as<DeviceName>();
  const records::CertificateSerial shown = to_record_serial(leaf.serial());
  TRY_VOID(core.read([&](records::Records& records) { return check_standing(records, name, shown); }));
  TRY(auto csr, pki::parse_csr(request.csr));
  const records::Digest spki = crypto::sha256(csr.public_key.spki());
  return EnrolledDevice{name, std::move(csr), spki, shown};
}

// Requests for one key are answered one after the other, so that the second finds the certificate of the first.
net::Task<Result<Turns::Turn>> take_turn(Core& core, records::CertificateKind kind, records::Digest spki) {
  std::string name = fmt::format("{}/{}", std::to_underlying(kind), codec::encode_hex(spki));
  co_return co_await core.turns().take(std::move(name), kTurnLimit);
}

net::Task<Result<records::CertificateChain>> issue_to_enrolled(Core& core, records::RenewRequest request, bool web) {
  CO_TRY(auto device, check_enrolled_device(core, request));
  const auto kind = web ? records::CertificateKind::web : records::CertificateKind::operational;
  const records::CaName& ca = web ? kWebCa : kOnlineCa;
  CO_TRY(auto turn, co_await take_turn(core, kind, device.new_spki));
  CO_TRY(auto earlier, find_earlier_answer(core, kind, device.new_spki, device.name.get()));
  if (earlier) co_return to_chain(core, ca, *earlier);

  IssueOrder order = device_order(core, device.name, device.request.public_key, web);
  const UnixTime now = core.clock().now();
  order.with_intent = [device, kind](records::Records& records) -> Result<void> {
    TRY_VOID(check_standing(records, device.name, device.shown));
    return check_key_is_new(records, device.new_spki, device.name.get(), kind);
  };
  order.with_result = [name = device.name.get(), web, now, source = request.source](records::Records& records) {
    return append_audit(records, now, "role:gateway", web ? "device.web-certificate" : "device.renewed", name,
                        {{"source", source}});
  };
  CO_TRY(auto certificate, co_await issue_certificate(core, std::move(order)));
  co_return to_chain(core, ca, certificate.der());
}

// What the device of the certificate `used` had before it and could still use. A newer one, which it may not have got,
// is none of that.
Result<std::vector<records::CertificateRecord>> find_older(records::Records& records,
                                                           const records::FindCertificate& used) {
  std::vector<records::CertificateRecord> older;
  TRY(auto record, records.certificates().find(used.ca, used.serial));
  const bool is_operational = record && record->kind == records::CertificateKind::operational;
  if (!is_operational || record->state != records::CertificateState::issued) return older;
  TRY(auto all, records.certificates().list_by_subject(record->kind, record->subject));
  auto rest = std::ranges::find(all, used.serial, &records::CertificateRecord::serial);
  if (rest == all.end()) return older;
  std::copy_if(std::next(rest), all.end(), std::back_inserter(older), [&](const records::CertificateRecord& other) {
    return other.ca == used.ca && other.state == records::CertificateState::issued;
  });
  return older;
}

}  // namespace

net::Task<Result<records::CertificateChain>> enrol(Core& core, records::EnrolRequest request) {
  CO_TRY(auto applicant, check_applicant(core, request));
  const auto kind = records::CertificateKind::operational;
  CO_TRY(auto turn, co_await take_turn(core, kind, applicant.new_spki));
  const UnixTime now = core.clock().now();
  const auto burning = std::make_shared<Burning>();
  const auto burn = [burning, applicant, now, &random = core.random()](records::Records& records) -> Result<void> {
    TRY(*burning, burn_factory_certificate(records, applicant, now, random));
    return {};
  };
  if (const auto burnt = co_await core.commit(burn); !burnt) {
    if (co_await is_misused_by_factory(core, applicant)) {
      co_return fail(Errc::unauthorized, "enrolment: the factory certificate contradicts the ledger");
    }
    co_return std::unexpected(burnt.error());
  }
  if (burning->by_another_key) {
    co_await raise_clone_alarm(core, applicant);
    co_return fail(Errc::conflict, "enrolment: the factory certificate is burnt, another key enrolled with it");
  }
  const DeviceName name = *burning->device.name;
  core.announce_device(applicant.identity.site, applicant.identity.serial_id);

  CO_TRY(auto earlier, find_earlier_answer(core, kind, applicant.new_spki, name.get()));
  if (earlier) co_return to_chain(core, kOnlineCa, *earlier);
  IssueOrder order = device_order(core, name, applicant.new_key, false);
  order.with_intent = [applicant, name](records::Records& records) -> Result<void> {
    TRY(auto device, find_admissible_device(records, applicant));
    if (device.enrolled_spki_sha256 != applicant.new_spki) {
      return fail(Errc::unauthorized, "enrolment: the device was re-opened in the meantime");
    }
    return check_key_is_new(records, applicant.new_spki, name.get(), kind);
  };
  CO_TRY(auto certificate, co_await issue_certificate(core, std::move(order)));
  co_return to_chain(core, kOnlineCa, certificate.der());
}

net::Task<Result<records::CertificateChain>> renew(Core& core, records::RenewRequest request) {
  co_return co_await issue_to_enrolled(core, std::move(request), false);
}

net::Task<Result<records::CertificateChain>> issue_web_certificate(Core& core, records::RenewRequest request) {
  co_return co_await issue_to_enrolled(core, std::move(request), true);
}

net::Task<Result<void>> supersede_older(Core& core, records::FindCertificate used) {
  if (used.ca != kOnlineCa) co_return failf(Errc::not_found, "certificate in use: {}, want online-ca", used.ca.get());
  std::vector<records::CertificateRecord> older;
  CO_TRY_VOID(core.read([&](records::Records& records) -> Result<void> {
    TRY(older, find_older(records, used));
    return {};
  }));
  if (older.empty()) co_return Result<void>{};
  const auto supersede = [used, now = core.clock().now()](records::Records& records) -> Result<void> {
    TRY(auto again, find_older(records, used));
    for (const records::CertificateRecord& record : again) {
      TRY_VOID(records.certificates().revoke(record.ca, record.serial, now, records::RevocationReason::superseded));
      TRY_VOID(append_audit(
          records, now, "role:gateway", "device.certificate-superseded", record.subject,
          {{"serial", codec::encode_hex(record.serial.get())}, {"by", codec::encode_hex(used.serial.get())}}));
    }
    return {};
  };
  co_return co_await core.commit(supersede);
}

net::Task<records::CertificateChain> with_log_proof(Core& core, records::CertificateChain chain) {
  if (chain.certificates.empty()) co_return chain;
  Bytes leaf = chain.certificates.front();
  auto proof = co_await core.log().prove(std::move(leaf), kCheckpointPatience);
  if (proof) {
    chain.log_proof = std::move(proof->proof);
    chain.log_key = std::move(proof->key_certificate);
  } else {
    log::warn("log.no-proof", {{"error", proof.error()}});
  }
  co_return chain;
}

net::Task<Result<void>> remember_claim_hash(Core& core, records::ClaimHash claim) {
  const auto remember = [claim](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find_by_name(claim.device));
    if (!device) return fail(Errc::not_found, "claim hash: no such device");
    if (device->state != DeviceState::connected) {
      return failf(Errc::conflict, "claim hash: the device is {}, want connected", records::to_string(device->state));
    }
    if (device->claim_hash == claim.hash) return {};
    device->claim_hash = claim.hash;
    return records.devices().update(*device);
  };
  co_return co_await core.commit(remember);
}

}  // namespace sallyport::authority
