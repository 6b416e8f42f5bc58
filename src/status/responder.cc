#include "status/responder.h"

#include <algorithm>
#include <utility>

#include "codec/text.h"
#include "crypto/hash.h"
#include "pki/crl.h"

namespace sallyport::status {
namespace {

const records::CaName kControlCa("control-ca");
const records::CaName kRoot("root");

bool is_infrastructure(records::CertificateKind kind) {
  return kind == records::CertificateKind::server || kind == records::CertificateKind::role ||
         kind == records::CertificateKind::control || kind == records::CertificateKind::ca;
}

Bytes cache_key(pki::CertIdHash hash, ByteView issuer_key_hash, ByteView serial) {
  Writer writer;
  writer.u8(static_cast<std::uint8_t>(hash)).bytes(issuer_key_hash).bytes(serial);
  return writer.take();
}

records::CertificateSerial to_record_serial(const pki::SerialNumber& serial) {
  return records::CertificateSerial(to_bytes(serial.content()));
}

// Whose certificate it is; absent for those of nobody's device. A factory certificate has no delegate to speak of it.
std::optional<DeviceName> device_of(const records::SnapshotCertificate& certificate) {
  const bool is_devices =
      certificate.kind == records::CertificateKind::operational || certificate.kind == records::CertificateKind::web;
  if (!is_devices) return std::nullopt;
  auto name = parse_device_name(certificate.subject);
  return name ? std::optional(*std::move(name)) : std::nullopt;
}

pki::RevocationReason to_pki(records::RevocationReason reason) {
  return static_cast<pki::RevocationReason>(std::to_underlying(reason));
}

}  // namespace

void Responder::use_snapshot(const records::SnapshotState& state, const records::SnapshotChange& change) {
  const bool first = std::exchange(state_, &state) == nullptr;
  use_infrastructure(change, first || change.whole);
  // Another list of CAs or another root CRL is rare, and in every answer of control-ca.
  if (first || change.whole || change.authorities) {
    cache_.clear();
    use_authorities();
    return;
  }
  for (const auto& [ca, serial] : change.certificates) forget(ca, serial);
}

void Responder::use_infrastructure(const records::SnapshotChange& change, bool whole) {
  const auto take = [this](const records::SnapshotCertificate& certificate) {
    if (is_infrastructure(certificate.kind) && certificate.not_after >= clock_.now())
      infrastructure_.emplace(certificate.ca, certificate.serial);
    return true;
  };
  if (whole) {
    infrastructure_.clear();
    state_->tables().for_each_certificate(take);
    return;
  }
  for (const auto& [ca, serial] : change.certificates) {
    if (const auto certificate = state_->find_certificate(ca, serial)) take(*certificate);
  }
}

std::vector<Answer> Responder::presigned(bool may_sign) {
  const Counters asked = counters_;
  auto out = collect_presigned(may_sign);
  counters_ = asked;  // nobody has asked for them
  return out;
}

std::vector<Answer> Responder::collect_presigned(bool may_sign) {
  std::vector<Answer> out;
  std::erase_if(infrastructure_, [this](const auto& each) {
    const auto certificate = state_->find_certificate(each.first, each.second);
    return !certificate || certificate->not_after < clock_.now();
  });
  for (const auto& [ca, record] : infrastructure_) {
    const auto serial = pki::SerialNumber::from_content(record.get());
    if (!serial) continue;
    for (const auto& [key_hash, issuer] : issuers_) {
      if (issuer.record != ca || !signers_.contains(issuer.name)) continue;
      if (out.size() >= kMaxPresigned) return out;
      Bytes key = cache_key(issuer.id.hash, key_hash, record.get());
      if (const auto cached = cache_.find(key); cached != cache_.end() && may_be_given(cached->second, may_sign)) {
        out.push_back(cached->second.answer);
        continue;
      }
      if (!may_sign) continue;
      pki::CertId id = issuer.id;
      id.serial = *serial;
      Answer answer = sign(issuer, id, std::nullopt);
      if (!answer.next_update) continue;
      keep(issuer, *serial, std::move(key), answer);
      out.push_back(std::move(answer));
    }
  }
  return out;
}

void Responder::use_orders() {
  cache_.clear();
  if (state_ != nullptr) use_authorities();
}

void Responder::use_root_crls() {
  root_crl_numbers_.clear();
  std::vector<Bytes> crls = state_->root_crls();
  if (orders_ != nullptr) {
    for (const pki::VerifiedCrl& crl : orders_->root_crls()) crls.push_back(to_bytes(crl.crl().der()));
  }
  for (const records::SnapshotCa& ca : state_->cas()) {
    if (records::base_name(ca.name) != kRoot) continue;
    const auto root = pki::parse_certificate(ca.certificate);
    if (!root) continue;
    std::optional<std::uint64_t> newest;
    for (const Bytes& der : crls) {
      const auto crl = pki::parse_crl(der);
      if (!crl || !pki::verify_crl(*crl, *root, pki::TimeRule::floor(UnixTime(0)))) continue;
      newest = std::max(newest.value_or(0), crl->number());
    }
    if (newest) root_crl_numbers_.push_back({root->extensions().subject_key_id.value_or(Bytes()), *newest});
  }
}

std::optional<std::uint64_t> Responder::root_crl_number_of(const pki::Certificate& ca) const {
  for (const pki::RootCrlNumber& each : root_crl_numbers_) {
    if (ca.extensions().authority_key_id == each.key_id) return each.number;
  }
  return std::nullopt;
}

void Responder::use_authorities() {
  use_root_crls();
  issuers_.clear();
  for (const records::SnapshotCa& ca : state_->cas()) {
    const auto certificate = pki::parse_certificate(ca.certificate);
    if (!certificate || records::base_name(ca.name).get() == records::kRootLink) continue;
    for (const pki::CertIdHash hash : {pki::CertIdHash::sha1, pki::CertIdHash::sha256}) {
      const pki::CertId id = pki::make_cert_id(hash, *certificate, certificate->serial());
      issuers_.insert_or_assign(id.issuer_key_hash,
                                Issuer{ca.name, records::base_name(ca.name), certificate->spki_sha256(), id,
                                       root_crl_number_of(*certificate)});
    }
  }
}

void Responder::forget(const records::CaName& ca, const records::CertificateSerial& serial) {
  for (const auto& [key_hash, issuer] : issuers_) {
    if (issuer.record == ca) cache_.erase(cache_key(issuer.id.hash, key_hash, serial.get()));
  }
}

void Responder::use_signer(const records::CaName& ca, Signer signer) {
  signers_.insert_or_assign(ca, std::move(signer));
  cache_.clear();
}

std::optional<UnixTime> Responder::signer_not_after(const records::CaName& ca) const {
  const auto found = signers_.find(ca);
  return found == signers_.end() ? std::nullopt : std::optional(found->second.certificate.validity().not_after);
}

const Responder::Issuer* Responder::find_issuer(const pki::CertId& id) const {
  const auto found = issuers_.find(id.issuer_key_hash);
  if (found == issuers_.end()) return nullptr;
  const pki::CertId& expected = found->second.id;
  return expected.hash == id.hash && expected.issuer_name_hash == id.issuer_name_hash ? &found->second : nullptr;
}

const pki::RootOrder* Responder::find_order(const Issuer& issuer, const pki::SerialNumber& serial) const {
  return orders_ == nullptr ? nullptr : orders_->find(issuer.key, serial);
}

pki::SingleResponse Responder::single_response(const Issuer& issuer, const pki::CertId& id, bool nonce) const {
  const UnixTime now = clock_.now();
  const auto certificate = state_->find_certificate(issuer.record, to_record_serial(id.serial));
  pki::SingleResponse response{id, pki::UnknownStatus{}, now, now + kServerAnswerLife, std::nullopt};
  if (issuer.record == kControlCa) {
    response.crl_number = issuer.root_crl_number;
    if (root_crl_numbers_.size() > 1) response.root_crl_numbers = root_crl_numbers_;
  }
  if (nonce) response.next_update = now + kNonceAnswerLife;
  // Whatever the authority says of it, and though it may never have heard of it.
  if (const pki::RootOrder* order = find_order(issuer, id.serial); order != nullptr) {
    response.status = pki::RevokedStatus{std::min(order->issued_at, now), order->reason};
    return response;
  }
  if (!certificate) return response;
  if (certificate->revoked_at) {
    response.status = pki::RevokedStatus{*certificate->revoked_at, to_pki(certificate->reason)};
  } else if (certificate->not_after >= now) {
    const auto device = device_of(*certificate);
    const bool on_hold = device && is_on_hold(*device);
    response.status = pki::GoodStatus{};
    if (on_hold) response.status = pki::RevokedStatus{now, pki::RevocationReason::certificate_hold};
    if (!nonce && !on_hold && !is_infrastructure(certificate->kind)) response.next_update = now + kDeviceAnswerLife;
    response.next_update = std::min(*response.next_update, certificate->not_after);
  }
  return response;
}

// By the rule of relay and gateway.
bool Responder::is_on_hold(const DeviceName& device) const {
  const auto found = state_->find_device(device);
  return !found || (found->state != records::DeviceState::connected && found->state != records::DeviceState::claimed);
}

Answer Responder::refuse(pki::OcspResponseStatus status, std::uint64_t Counters::* why) {
  ++(counters_.*why);
  return {std::make_shared<const Bytes>(pki::encode_ocsp_error(status)), std::nullopt, std::nullopt, {}};
}

bool Responder::take_token() {
  const Instant now = clock_.monotonic();
  const double passed = std::chrono::duration<double>(now - refilled_).count();
  tokens_ = std::min(kLiveAnswersPerSecond, tokens_ + passed * kLiveAnswersPerSecond);
  refilled_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Answer Responder::sign(const Issuer& issuer, const pki::CertId& id, const std::optional<Bytes>& nonce) {
  const auto signer = signers_.find(issuer.name);
  if (signer == signers_.end()) {
    return refuse(pki::OcspResponseStatus::unauthorized, &Counters::without_signer);
  }
  if (signer->second.certificate.validity().not_after < clock_.now()) {
    return refuse(pki::OcspResponseStatus::try_later, &Counters::without_signer);
  }
  pki::OcspAnswer answer{{single_response(issuer, id, nonce.has_value())}, clock_.now(), nonce};
  auto der = pki::build_ocsp_response(answer, *signer->second.key, &signer->second.certificate);
  if (!der) return refuse(pki::OcspResponseStatus::internal_error, &Counters::internal);
  ++(nonce ? counters_.live : counters_.on_demand);
  Answer out{std::make_shared<const Bytes>(*std::move(der)), std::nullopt, std::nullopt, {}};
  // What is unknown may be issued a moment later, and anybody can ask for serials without end: nobody keeps that.
  if (!nonce && !std::holds_alternative<pki::UnknownStatus>(answer.responses.front().status)) {
    out.this_update = answer.responses.front().this_update;
    out.next_update = answer.responses.front().next_update;
    out.etag = "\"" + codec::encode_hex(crypto::sha256(*out.der)) + "\"";
  }
  return out;
}

// Cut off from its authority a responder goes on with what it said about servers and CAs before, to the end of its
// window.
bool Responder::may_be_given(const Cached& cached, bool may_sign) const {
  const UnixTime now = clock_.now();
  if (now >= *cached.answer.next_update) return false;
  if (cached.device && is_on_hold(*cached.device) != cached.on_hold) return false;
  return may_sign ? now - cached.signed_at < kCacheRefresh : cached.infrastructure;
}

Answer Responder::answer(ByteView request, bool may_sign, std::string_view source) {
  if (request.size() > pki::kMaxOcspRequestBytes) {
    return refuse(pki::OcspResponseStatus::malformed_request, &Counters::malformed);
  }
  const auto parsed = pki::parse_ocsp_request(request);
  if (!parsed || parsed->ids.size() != 1) {
    return refuse(pki::OcspResponseStatus::malformed_request, &Counters::malformed);
  }
  if (state_ == nullptr) return refuse(pki::OcspResponseStatus::try_later, &Counters::without_lease);
  const pki::CertId& id = parsed->ids.front();
  const Issuer* issuer = find_issuer(id);
  if (issuer == nullptr) return refuse(pki::OcspResponseStatus::unauthorized, &Counters::unauthorized);

  const Bytes key = cache_key(id.hash, id.issuer_key_hash, id.serial.content());
  if (!parsed->nonce) {
    const auto cached = cache_.find(key);
    if (cached != cache_.end() && may_be_given(cached->second, may_sign)) {
      ++counters_.cached;
      return cached->second.answer;
    }
  }
  // What the root has ordered needs no authority.
  const bool may_say = may_sign || find_order(*issuer, id.serial) != nullptr;
  if (!may_say) return refuse(pki::OcspResponseStatus::try_later, &Counters::without_lease);
  if (!sources_.take(source, clock_.monotonic()) || !take_token()) {
    return refuse(pki::OcspResponseStatus::try_later, &Counters::saturated);
  }
  Answer out = sign(*issuer, id, parsed->nonce);
  if (!parsed->nonce && out.next_update) keep(*issuer, id.serial, key, out);
  return out;
}

// Of a CA that is revoked as a whole anybody can ask for serials without end: what nobody has recorded is not kept.
void Responder::keep(const Issuer& issuer, const pki::SerialNumber& serial, Bytes key, const Answer& answer) {
  const auto certificate = state_->find_certificate(issuer.record, to_record_serial(serial));
  if (!certificate) return;
  if (cache_.size() >= kMaxCachedAnswers) cache_.clear();
  const auto device = device_of(*certificate);
  const bool on_hold = device && is_on_hold(*device);
  cache_.insert_or_assign(std::move(key),
                          Cached{answer, clock_.now(), is_infrastructure(certificate->kind), device, on_hold});
}

}  // namespace sallyport::status
