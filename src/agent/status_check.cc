#include "agent/status_check.h"

#include <algorithm>

#include "pki/issue.h"

namespace sallyport::agent {
namespace {

using pki::Certificate;
using pki::Reason;
using pki::Verdict;

// Two delegates that disagree more than this about the time are not both right.
constexpr seconds kAgreement{300};

Bytes key_id_of(const Certificate& ca) {
  return ca.extensions().subject_key_id.value_or(Bytes());
}

Bytes encode_request(const Certificate& issuer, const pki::SerialNumber& serial, const Bytes& nonce) {
  return pki::encode_ocsp_request(
      {.ids = {pki::make_cert_id(pki::CertIdHash::sha256, issuer, serial)}, .nonce = nonce});
}

// One judgement, in the order of the contract.
class Judgement {
 public:
  Judgement(const StatusQuestion& question, const StatusEvidence& evidence)
      : question_(question),
        evidence_(evidence),
        anchors_(question.anchors.empty() ? std::vector{question.subject.anchor()} : question.anchors) {}

  Verdict<StatusFinding> run() {
    auto subject =
        check_answer(evidence_.subject_answer, question_.subject.issuer(), question_.subject.leaf().serial());
    if (!subject) return std::unexpected(std::move(subject).error());
    auto control_ca = find_control_ca();
    if (!control_ca) return std::unexpected(std::move(control_ca).error());
    auto witness = question_.is_control() ? subject : check_witness(*control_ca);
    if (!witness) return std::unexpected(std::move(witness).error());
    const UnixTime at =
        question_.time.is_clock() ? question_.time.time() : std::max(subject->produced_at(), witness->produced_at());
    if (auto ok = check_times(*subject, *witness, *control_ca, at); !ok) return std::unexpected(std::move(ok).error());
    auto crls = check_crls(*witness, *control_ca, at);
    if (!crls) return std::unexpected(std::move(crls).error());
    return finding(*subject, *witness, *control_ca, *std::move(crls));
  }

 private:
  Verdict<pki::GoodAnswer> check_answer(const Bytes& der, const Certificate& issuer,
                                        const pki::SerialNumber& serial) const {
    auto response = pki::parse_ocsp_response(der);
    if (!response) return pki::refuse(Reason::malformed, std::move(response).error().detail);
    pki::OcspExpectation expected{.issuer = issuer,
                                  .serial = serial,
                                  .nonce = question_.nonce,
                                  .signer_not_before_at_least = UnixTime(),
                                  .known_delegate = std::nullopt};
    const auto ratchet = question_.ratchets.signer_not_before.find(key_id_of(issuer));
    if (ratchet != question_.ratchets.signer_not_before.end()) expected.signer_not_before_at_least = ratchet->second;
    return pki::check_ocsp_response(*response, expected, question_.time);
  }

  // control-ca is the subject's own CA, or the one that the status host showed, which must be a trusted root's.
  Verdict<Certificate> find_control_ca() {
    if (question_.is_control()) {
      control_root_ = &question_.subject.anchor();
      return question_.subject.issuer();
    }
    auto ca = pki::parse_certificate(evidence_.control_ca);
    if (!ca) return pki::refuse(Reason::malformed, "control-ca: " + ca.error().detail);
    const auto issued_it = [&](const Certificate& root) {
      return ca->issuer() == root.subject() &&
             root.public_key().verify(ca->signature_scheme(), ca->tbs(), ca->signature()).has_value();
    };
    const auto root = std::ranges::find_if(anchors_, issued_it);
    if (root == anchors_.end()) return pki::refuse(Reason::no_anchor, "control-ca: not issued by a trusted root");
    if (auto ok = pki::lint(pki::profile(pki::ProfileId::control_ca), *ca, &*root); !ok)
      return pki::refuse(Reason::policy, "control-ca: " + ok.error().detail);
    control_root_ = &*root;
    return *std::move(ca);
  }

  Verdict<pki::GoodAnswer> check_witness(const Certificate& control_ca) {
    auto serial = pki::SerialNumber::parse_hex(evidence_.witness);
    if (!serial) return pki::refuse(Reason::malformed, "witness: " + serial.error().detail);
    witness_ = *serial;
    return check_answer(evidence_.witness_answer, control_ca, *serial);
  }

  Verdict<void> check_times(const pki::GoodAnswer& subject, const pki::GoodAnswer& witness,
                            const Certificate& control_ca, UnixTime at) const {
    const seconds apart = subject.produced_at() - witness.produced_at();
    if (std::chrono::abs(apart) > kAgreement)
      return pki::refuse(Reason::outside_window, "status: two delegates disagree about the time");
    if (question_.subject.validity_deferred()) {
      if (auto ok = question_.subject.recheck_validity(at); !ok) return std::unexpected(std::move(ok).error());
    }
    const pki::Validity& validity = control_ca.validity();
    if (at < validity.not_before) return pki::refuse(Reason::not_yet_valid, "control-ca: not valid yet");
    if (at > validity.not_after) return pki::refuse(Reason::expired, "control-ca: expired");
    return {};
  }

  // What control-ca's delegate tells of a root: the standard's extension speaks of control-ca's own root alone.
  std::optional<std::uint64_t> told_number(const pki::SingleResponse& witness, const Certificate& root) const {
    const auto& numbers = witness.root_crl_numbers;
    if (numbers.empty()) return root == *control_root_ ? witness.crl_number : std::nullopt;
    const auto found = std::ranges::find(numbers, key_id_of(root), &pki::RootCrlNumber::key_id);
    return found == numbers.end() ? std::nullopt : std::optional(found->number);
  }

  Verdict<pki::VerifiedCrl> check_crl_of(const Certificate& root, const pki::SingleResponse& witness,
                                         UnixTime at) const {
    const auto told = told_number(witness, root);
    if (!told) return pki::refuse(Reason::responder_error, "control-ca's delegate: names no root CRL");
    const auto seen = question_.ratchets.root_crl_numbers.find(key_id_of(root));
    const std::uint64_t least = std::max(*told, seen == question_.ratchets.root_crl_numbers.end() ? 0 : seen->second);
    Verdict<pki::VerifiedCrl> last = pki::refuse(Reason::crl_unusable, "root CRL: none at hand");
    for (const pki::Crl& crl : evidence_.root_crls) {
      auto verified = pki::verify_crl(crl, root, pki::TimeRule::clock(at), least);
      if (verified) return verified;
      // Another root's list says nothing about this one's.
      if (last.error().reason == Reason::crl_unusable) last = std::move(verified);
    }
    return last;
  }

  Verdict<std::vector<pki::VerifiedCrl>> check_crls(const pki::GoodAnswer& witness, const Certificate& control_ca,
                                                    UnixTime at) const {
    std::vector<pki::VerifiedCrl> crls;
    for (const Certificate* root : {&question_.subject.anchor(), control_root_}) {
      if (!crls.empty() && *root == crls.front().issuer()) continue;
      auto crl = check_crl_of(*root, witness.response(), at);
      if (!crl) return std::unexpected(std::move(crl).error());
      crls.push_back(*std::move(crl));
    }
    if (auto ok = pki::check_path_against_crls(question_.subject, crls); !ok)
      return std::unexpected(std::move(ok).error());
    if (crls.back().crl().find(control_ca.serial()) != nullptr)
      return pki::refuse(Reason::ca_revoked, "control-ca: is on the root CRL");
    return crls;
  }

  StatusFinding finding(const pki::GoodAnswer& subject, const pki::GoodAnswer& witness, const Certificate& control_ca,
                        std::vector<pki::VerifiedCrl> crls) const {
    Ratchets seen;
    seen.time_floor = std::max(subject.produced_at(), witness.produced_at());
    for (const pki::VerifiedCrl& crl : crls) seen.root_crl_numbers[key_id_of(crl.issuer())] = crl.crl().number();
    seen.signer_not_before[key_id_of(question_.subject.issuer())] = subject.signer_not_before();
    seen.signer_not_before[key_id_of(control_ca)] = witness.signer_not_before();
    return {.produced_at = seen.time_floor,
            .root_crls = std::move(crls),
            .seen = std::move(seen),
            .signers = {subject.signer().spki_sha256(), witness.signer().spki_sha256()},
            .witness_issuer_key = key_id_of(control_ca),
            .witness = question_.is_control() ? question_.subject.leaf().serial() : witness_};
  }

  const StatusQuestion& question_;
  const StatusEvidence& evidence_;
  const std::vector<Certificate> anchors_;
  const Certificate* control_root_ = nullptr;  // the root that issued control-ca
  pki::SerialNumber witness_;
};

}  // namespace

Bytes encode_subject_request(const StatusQuestion& question) {
  return encode_request(question.subject.issuer(), question.subject.leaf().serial(), question.nonce);
}

Result<Bytes> encode_witness_request(const StatusQuestion& question, ByteView control_ca, std::string_view witness) {
  TRY(const auto ca, pki::parse_certificate(control_ca));
  TRY(const auto serial, pki::SerialNumber::parse_hex(witness));
  return encode_request(ca, serial, question.nonce);
}

Verdict<StatusFinding> judge_status(const StatusQuestion& question, const StatusEvidence& evidence) {
  return Judgement(question, evidence).run();
}

Agreement compare_witnesses(const StatusFinding& first, const StatusFinding& second) {
  if (std::ranges::find_first_of(first.signers, second.signers) != first.signers.end()) return Agreement::same_signer;
  const seconds apart = first.produced_at - second.produced_at;
  return std::chrono::abs(apart) > kWitnessAgreement ? Agreement::apart : Agreement::agree;
}

bool wants_newer_crl(Reason reason) {
  // What is at hand may be another root's.
  return reason == Reason::crl_stale || reason == Reason::crl_unusable || reason == Reason::key_id_mismatch ||
         reason == Reason::issuer_mismatch;
}

bool is_final(Reason reason) {
  return reason == Reason::status_revoked || reason == Reason::ca_revoked;
}

}  // namespace sallyport::agent
