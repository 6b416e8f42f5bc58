// What must hold of the records whatever a crash left of them.
#include <algorithm>
#include <set>

#include "authority/audit.h"
#include "issuance.h"

namespace sallyport::crash {
namespace {

using integration::kSite;
using records::CertificateKind;
using records::CertificateState;

constexpr std::size_t kAll = 10'000;
const records::CaName kOnlineCa("online-ca");
const records::CaName kWebCa("web-ca");

std::unexpected<Error> broken(std::string text) {
  return fail(Errc::internal, std::move(text));
}

// The record of a certificate of either CA that issues to devices.
Result<std::optional<records::CertificateRecord>> find_any(records::Records& records,
                                                           const records::CertificateSerial& serial) {
  TRY(auto online, records.certificates().find(kOnlineCa, serial));
  if (online) return online;
  return records.certificates().find(kWebCa, serial);
}

Result<void> check_handed_out(records::Records& records, const Ask& ask) {
  TRY(const auto certificate, pki::parse_certificate(*ask.leaf));
  TRY(auto record, find_any(records, records::CertificateSerial(to_bytes(certificate.serial().content()))));
  if (!record) return broken("a certificate that was handed out is not in the record");
  if (record->state != CertificateState::issued && record->state != CertificateState::revoked) {
    return broken("a certificate that was handed out is recorded as not issued");
  }
  if (record->der != *ask.leaf) return broken("another certificate is recorded than was handed out");
  return {};
}

Result<void> check_certificates(records::Records& records) {
  std::set<records::Digest> keys;
  for (const CertificateState state : {CertificateState::issued, CertificateState::revoked}) {
    TRY(auto all, records.certificates().list_by_state(state, kAll));
    for (const auto& record : all) {
      // A revoked intent is a certificate that was never recorded, so that it was never handed out.
      if (record.der.empty() && state == CertificateState::issued) return broken("issued without a certificate");
      if (state == CertificateState::issued && !keys.insert(record.spki_sha256).second) {
        return broken("two certificates are issued for one key");
      }
    }
  }
  return {};
}

Result<void> check_no_intent(records::Records& records) {
  TRY(auto intents, records.certificates().list_by_state(CertificateState::intent, kAll));
  if (!intents.empty()) return broken("an intent is neither finished nor void after the start");
  return {};
}

}  // namespace

Result<void> Issuance::check_sites(records::Records& records) const {
  TRY(auto site, records.sites().find(kSite));
  if (!site) return broken("the site is gone");
  TRY(auto devices, records.devices().list({}, kAll, std::nullopt));
  std::uint64_t activated = 0;
  for (const auto& device : devices) {
    activated += device.connected_at ? 1U : 0U;
    if (device.connected_at.has_value() != device.enrolled_spki_sha256.has_value()) {
      return broken("a device is half enrolled");
    }
    TRY(auto factory, records.certificates().find(records::local_ca_name(kSite.get()), device.factory_serial));
    if (!factory || factory->der.empty()) return broken("a device is without its factory certificate");
    const bool burnt = factory->state == CertificateState::revoked;
    if (burnt != device.enrolled_spki_sha256.has_value()) return broken("a factory certificate is half burnt");
  }
  if (site->enrolled != activated || activated > kQuota) {
    return broken(
        fmt::format("quota: {} counted, {} serial ids activated, {} allowed", site->enrolled, activated, kQuota));
  }
  if (site->ledger_sequence != devices.size()) {
    return broken(fmt::format("ledger: {} entries accepted, {} devices", site->ledger_sequence, devices.size()));
  }
  const bool at_its_end = site->ledger_sequence == 0
                              ? site->ledger_head == records::Digest{}
                              : site->ledger_head == pki::entry_hash(entries_.at(site->ledger_sequence - 1));
  if (!at_its_end) return broken("ledger: the head is not that of the last entry");
  return {};
}

Result<void> Issuance::check_promises(records::Records& records, const History& history, std::size_t point) const {
  for (const Ask& ask : history.asks) {
    if (ask.leaf && *ask.answered <= point) TRY_VOID(check_handed_out(records, ask));
  }
  for (const Signature& signature : history.signatures) {
    if (signature.position > point) continue;
    TRY(auto record, find_any(records, signature.serial));
    if (!record) return broken("a certificate was signed whose serial is in no record");
  }
  TRY(auto site, records.sites().find(kSite));
  for (const Deed& import : history.imports) {
    if (*import.done <= point && site->ledger_sequence < import.number) return broken("an accepted ledger is gone");
  }
  for (const Deed& revocation : history.revocations) {
    if (*revocation.done > point) continue;
    TRY(auto device, records.devices().find(kSite, devices_[revocation.number].serial_id));
    if (!device || device->state != records::DeviceState::revoked)
      return broken("an acknowledged revocation is undone");
    TRY(auto held, records.certificates().list_by_subject(CertificateKind::operational, device->name->get()));
    for (const auto& certificate : held) {
      if (certificate.state != CertificateState::revoked)
        return broken("a certificate of a revoked device is not revoked");
    }
  }
  return {};
}

Result<void> Issuance::check_records(records::Records& records, const History& history, std::size_t point) const {
  TRY_VOID(check_sites(records));
  TRY_VOID(check_certificates(records));
  TRY_VOID(check_promises(records, history, point));
  TRY_VOID(check_log(records, history, point));
  authority::AuditWalk audit;
  TRY_VOID(audit.go_on(records));
  if (audit.broken_at()) return broken(fmt::format("the audit chain is broken at entry {}", *audit.broken_at()));
  return {};
}

bool Issuance::is_being_revoked(const History& history, std::size_t device, std::size_t point) const {
  return std::ranges::any_of(history.revocations,
                             [&](const Deed& deed) { return deed.number == device && deed.begun <= point; });
}

// The same request once more: the same certificate, or the end of what was begun, and the quota is charged once.
Result<void> Issuance::retry(AuthorityRun& run, const History& history, const Ask& ask, std::size_t point) const {
  if (is_being_revoked(history, ask.device, point)) return {};
  const bool answered = *ask.answered <= point;
  auto leaf = run.ask(ask);
  if (answered && ask.leaf) {
    if (!leaf) return broken("a retry is refused: " + leaf.error().detail);
    return *leaf == *ask.leaf ? Result<void>{} : broken("a retry gets another certificate");
  }
  if (answered) {
    return !leaf && leaf.error().code == *ask.refusal ? Result<void>{}
                                                      : broken("what was refused is granted after a crash");
  }
  if (leaf || (ask.may_lose && leaf.error().code == Errc::overloaded)) return {};
  return broken("a request under way at the crash is refused: " + leaf.error().detail);
}

Result<void> Issuance::check_retries(AuthorityRun& run, const History& history, std::size_t point,
                                     Random& random) const {
  std::vector<const Ask*> answered;
  for (const Ask& ask : history.asks) {
    if (ask.begun > point) continue;
    if (*ask.answered <= point) {
      answered.push_back(&ask);
    } else {
      TRY_VOID(retry(run, history, ask, point));
    }
  }
  if (answered.empty()) return {};
  return retry(run, history, *answered[random.below(answered.size())], point);
}

std::string Issuance::examine(const History& history, const Image& left, std::size_t point, std::uint64_t seed) {
  write_image(folder_.path(), left);
  signer::LogMark mark;
  for (const SignedLog& head : history.heads) {
    if (head.position <= point) mark = head.mark;
  }
  installation_.checkpoint_mark().put(mark);
  SeededRandom random(seed);
  auto run = AuthorityRun::open(installation_, database(), random);
  if (!run) return "does not open: " + run.error().detail;
  const auto examine_records = [&](records::Records& records) -> Result<void> {
    TRY_VOID(check_records(records, history, point));
    return check_no_intent(records);
  };
  if (auto held = (*run)->database().read(examine_records); !held) return held.error().detail;
  if (auto held = check_retries(**run, history, point, random); !held) return held.error().detail;
  if (auto held = check_log_goes_on(**run); !held) return held.error().detail;
  const auto held = (*run)->database().read(examine_records);
  return held ? std::string() : "after a retry: " + held.error().detail;
}

}  // namespace sallyport::crash
