#include "authority/enrolment.h"

#include <memory>
#include <utility>

#include "authority/audit.h"
#include "authority/clone_alarm.h"
#include "authority/detail/device_certificates.h"
#include "authority/factory_reuse.h"
#include "authority/issuance.h"
#include "authority/pauses.h"
#include "authority/site_policy.h"
#include "authority/site_states.h"
#include "base/log.h"
#include "pki/csr.h"

namespace sallyport::authority {
namespace {

using records::DeviceRecord;
using records::DeviceState;

// A factory certificate that verified.
struct FactoryClient {
  pki::Certificate certificate;
  pki::FactoryIdentity identity;

  std::string name() const { return pause_name(identity.site, identity.serial_id); }
};

// The same, with the request made under it.
struct Applicant {
  pki::Certificate factory_certificate;
  pki::FactoryIdentity identity;
  crypto::PublicKey new_key;
  records::Digest new_spki{};
  std::string source;
};

Result<FactoryClient> check_factory_client(const Core& core, const records::EnrolRequest& request) {
  const UnixTime now = core.clock().now();
  std::vector<Bytes> sent = {request.client_certificate};
  sent.insert(sent.end(), request.client_chain.begin(), request.client_chain.end());
  TRY(auto chain, pki::parse_chain(sent));
  TRY(const auto root_crls, core.installation().root_crls(now));
  TRY(auto verified, pki::verify_chain(chain, core.installation().anchors(),
                                       pki::FactoryDevicePurpose{core.installation().facts().zone},
                                       pki::TimeRule::clock(now), root_crls));
  const auto& identity = verified.identity_as<pki::FactoryIdentity>();
  TRY(auto site_ca, core.installation().ca(records::local_ca_name(identity.site.get())));
  if (!(site_ca == verified.issuer())) {
    return failf(Errc::unauthorized, "enrolment: issued by a former CA of site {}, want its present one",
                 identity.site.get());
  }
  return FactoryClient{verified.leaf(), identity};
}

net::Task<Result<Applicant>> check_applicant(FactoryClient client, records::EnrolRequest request) {
  CO_TRY(auto csr, co_await check_request(std::move(request.csr)));
  const records::Digest new_spki = crypto::sha256(csr.public_key.spki());
  co_return Applicant{client.certificate, client.identity, csr.public_key, new_spki, request.source};
}

// Whether the request is for the key that the device enrolled with: then it is the device, whoever else has its factory
// key.
Result<bool> is_enrolled_key(const Core& core, const Applicant& applicant) {
  bool same = false;
  TRY_VOID(core.read([&](records::Records& records) -> Result<void> {
    TRY(auto device, records.devices().find(applicant.identity.site, applicant.identity.serial_id));
    same = device && device->enrolled_spki_sha256 == applicant.new_spki;
    return {};
  }));
  return same;
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

// Whether the device may have the key that it asks for: the factory key where its site allows that, else a new one.
Result<void> check_requested_key(records::Records& records, const Applicant& applicant, const std::string& name) {
  KeyHolder holder{.name = name, .kind = records::CertificateKind::operational, .kept = {}};
  if (applicant.new_spki == applicant.factory_certificate.spki_sha256()) {
    TRY(const auto policy, find_site_policy(records, applicant.identity.site));
    if (policy.replace == Replace::required) {
      return fail(Errc::unauthorized, "enrolment: request for the factory key itself, want a key made for operation");
    }
    holder.kept = applicant.new_spki;
  }
  return check_key_is_new(records, applicant.new_spki, holder);
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
  TRY_VOID(check_requested_key(records, applicant, {}));
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

net::Task<Result<records::CertificateChain>> enrol_applicant(Core& core, Applicant applicant) {
  const auto kind = records::CertificateKind::operational;
  CO_TRY(auto turn, co_await take_turn(core, kind, applicant.new_spki));
  const UnixTime now = core.clock().now();
  const auto burning = std::make_shared<Burning>();
  const auto burn = [burning, applicant, now, &random = core.random()](records::Records& records) -> Result<void> {
    TRY(*burning, burn_factory_certificate(records, applicant, now, random));
    return {};
  };
  if (const auto burnt = co_await core.commit_repeatable(burn); !burnt) {
    if (co_await is_misused_by_factory(core, applicant)) {
      co_return fail(Errc::unauthorized, "enrolment: the factory certificate contradicts the ledger");
    }
    co_return std::unexpected(burnt.error());
  }
  if (burning->by_another_key) {
    co_await raise_clone_alarm(core, {.site = applicant.identity.site,
                                      .serial_id = applicant.identity.serial_id,
                                      .key = applicant.new_spki,
                                      .source = applicant.source});
    co_return fail(Errc::conflict, "enrolment: the factory certificate is burnt, another key enrolled with it");
  }
  const DeviceName name = *burning->device.name;
  core.announce_device(applicant.identity.site, applicant.identity.serial_id);

  CO_TRY(auto earlier, find_earlier_answer(core, kind, applicant.new_spki, name.get()));
  if (earlier) co_return to_chain(core, *earlier);
  IssueOrder order = order_device_certificate(core, name, applicant.new_key, false);
  order.with_intent = [applicant, name](records::Records& records) -> Result<void> {
    TRY(auto device, find_admissible_device(records, applicant));
    if (device.enrolled_spki_sha256 != applicant.new_spki) {
      return fail(Errc::unauthorized, "enrolment: the device was re-opened in the meantime");
    }
    return check_requested_key(records, applicant, name.get());
  };
  CO_TRY(auto certificate, co_await issue_certificate(core, std::move(order)));
  co_return to_chain(core, certificate.der());
}

}  // namespace

net::Task<Result<records::CertificateChain>> enrol(Core& core, records::EnrolRequest request) {
  CO_TRY(auto client, check_factory_client(core, request));
  auto applicant = co_await check_applicant(client, std::move(request));
  if (applicant) {
    CO_TRY(const bool own, is_enrolled_key(core, *applicant));
    if (own) co_return co_await enrol_applicant(core, *std::move(applicant));
  }
  if (auto wait = wait_first(core, client.name())) co_return *std::move(wait);
  Result<records::CertificateChain> answer = fail(Errc::internal, "enrolment: nothing done");
  if (applicant) {
    answer = co_await enrol_applicant(core, *std::move(applicant));
  } else {
    answer = std::unexpected(std::move(applicant).error());
  }
  note_outcome(core, client.name(), answer);
  if (!answer) core.announce_device(client.identity.site, client.identity.serial_id);
  co_return answer;
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
    if (device->void_claim_hash == claim.hash) {
      return fail(Errc::expired, "claim hash: of a code that was used before, want a new code");
    }
    if (device->claim_hash == claim.hash) return {};
    device->claim_hash = claim.hash;
    return records.devices().update(*device);
  };
  co_return co_await core.commit_repeatable(remember);
}

}  // namespace sallyport::authority
