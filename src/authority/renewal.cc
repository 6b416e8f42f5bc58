#include "authority/renewal.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "authority/audit.h"
#include "authority/detail/device_certificates.h"
#include "authority/honoured_cas.h"
#include "authority/issuance.h"
#include "authority/pauses.h"
#include "authority/site_policy.h"
#include "codec/text.h"
#include "pki/csr.h"

namespace sallyport::authority {
namespace {

using records::DeviceState;

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

// The time for which an operational certificate is judged: now, or, when it expired less long ago than the policy says,
// its last moment. That the device is still one of ours follows from the record.
Result<UnixTime> time_of_judgement(const Core& core, const pki::Certificate& leaf, bool web) {
  const UnixTime now = core.clock().now();
  const UnixTime last = leaf.validity().not_after;
  if (now <= last || web) return now;
  if (now - last > core.policy().renew_expired) {
    return failf(Errc::unauthorized, "renewal: the certificate expired {}, want at most {} days ago", to_iso8601(last),
                 core.policy().renew_expired / kDay);
  }
  return last;
}

net::Task<Result<EnrolledDevice>> check_enrolled_device(Core& core, records::RenewRequest request, bool web) {
  const UnixTime now = core.clock().now();
  CO_TRY(auto leaf, pki::parse_certificate(request.client_certificate));
  CO_TRY(const UnixTime judged, time_of_judgement(core, leaf, web));
  CO_TRY(auto issuer, core.installation().issuer_of(leaf));
  const std::vector<pki::Certificate> chain = {leaf, issuer};
  CO_TRY(const auto root_crls, core.installation().root_crls(now));
  auto found = pki::verify_chain(chain, core.installation().anchors(),
                                 pki::OperationalDevicePurpose{core.installation().facts().zone},
                                 pki::TimeRule::clock(judged), root_crls);
  const bool may_be_honoured = !found && found.error().reason == pki::Reason::ca_revoked && !web;
  if (!found && !may_be_honoured) co_return std::unexpected(Error(std::move(found).error()));
  CO_TRY(const auto verified, found ? Result<pki::VerifiedChain>(*found) : verify_honoured(core, chain, judged));
  const auto& name = verified.identity_as<DeviceName>();
  const records::CertificateSerial shown = to_record_serial(leaf.serial());
  CO_TRY_VOID(core.read([&](records::Records& records) { return check_standing(records, name, shown); }));
  CO_TRY(auto csr, co_await check_request(std::move(request.csr)));
  const records::Digest spki = crypto::sha256(csr.public_key.spki());
  co_return EnrolledDevice{name, std::move(csr), spki, shown};
}

// The factory key, where the device's site lets it keep that.
Result<std::optional<records::Digest>> find_kept_key(records::Records& records, const DeviceName& name) {
  TRY(const auto device, records.devices().find_by_name(name));
  if (!device) return std::nullopt;
  TRY(const auto policy, find_site_policy(records, device->site));
  if (policy.replace == Replace::required) return std::nullopt;
  return device->factory_spki_sha256;
}

net::Task<Result<records::CertificateChain>> issue_to_enrolled(Core& core, records::RenewRequest request, bool web) {
  CO_TRY(auto device, co_await check_enrolled_device(core, request, web));
  const auto kind = web ? records::CertificateKind::web : records::CertificateKind::operational;
  CO_TRY(auto turn, co_await take_turn(core, kind, device.new_spki));
  CO_TRY(auto earlier, find_earlier_answer(core, kind, device.new_spki, device.name.get()));
  if (earlier) co_return to_chain(core, *earlier);

  IssueOrder order = order_device_certificate(core, device.name, device.request.public_key, web);
  const UnixTime now = core.clock().now();
  order.with_intent = [device, kind](records::Records& records) -> Result<void> {
    TRY_VOID(check_standing(records, device.name, device.shown));
    KeyHolder holder{.name = device.name.get(), .kind = kind, .kept = {}};
    if (kind == records::CertificateKind::operational) {
      TRY(holder.kept, find_kept_key(records, device.name));
    }
    return check_key_is_new(records, device.new_spki, holder);
  };
  order.with_result = [name = device.name.get(), web, now, source = request.source](records::Records& records) {
    return append_audit(records, now, "role:gateway", web ? "device.web-certificate" : "device.renewed", name,
                        {{"source", source}});
  };
  CO_TRY(auto certificate, co_await issue_certificate(core, std::move(order)));
  co_return to_chain(core, certificate.der());
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

net::Task<Result<records::CertificateChain>> renew(Core& core, records::RenewRequest request) {
  CO_TRY(const auto leaf, pki::parse_certificate(request.client_certificate));
  const std::string client = pause_name(to_record_serial(leaf.serial()));
  if (auto wait = wait_first(core, client)) co_return *std::move(wait);
  auto answer = co_await issue_to_enrolled(core, std::move(request), false);
  note_outcome(core, client, answer);
  co_return answer;
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
  co_return co_await core.commit_repeatable(supersede);
}

}  // namespace sallyport::authority
