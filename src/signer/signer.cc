#include "signer/signer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pki/issue.h"
#include "pki/root_chain.h"
#include "pki/signed_object.h"
#include "signer/detail/rules.h"
#include "tlog/checkpoint.h"
#include "tlog/merkle.h"

namespace sallyport::signer {

struct Signer::State {
  std::map<std::string, CaKey, std::less<>> cas;
  std::map<pki::ControlKind, ControlKey> control;
  const Clock& clock;
  DnsName zone;
  std::vector<pki::Certificate> links;
  std::uint64_t snapshot_number = 0;
  std::map<std::pair<std::string, bool>, std::uint64_t> crl_numbers;  // by CA, and whether a delta
  std::unique_ptr<CheckpointMark> checkpoint_mark;

  Result<CaKey*> find_ca(std::string_view name);
  Result<const CaKey*> find_control_ca(const pki::Certificate& signer) const;
  bool holds(const crypto::PublicKey& key) const;
  Result<void> check_key(KeyRule rule, const pki::IssueCertificate& request, const CaKey& ca);
  Result<pki::SigningAnswer> issue(const pki::IssueCertificate& request);
  Result<pki::SigningAnswer> sign(const pki::SignCrl& request);
  Result<pki::SigningAnswer> seal(const pki::SignObject& request);
  Result<pki::SigningAnswer> sign(const pki::SignCheckpoint& request);
};

namespace {

// The control kind that a profile certifies, absent for any other profile.
std::optional<pki::ControlKind> control_kind_of(pki::ProfileId profile) {
  for (const auto kind :
       {pki::ControlKind::grant, pki::ControlKind::snapshot, pki::ControlKind::permit, pki::ControlKind::checkpoint}) {
    if (pki::profile_of(kind) == profile) return kind;
  }
  return std::nullopt;
}

Result<void> check_ca(const CaKey& ca) {
  TRY(const auto kind, pki::ca_kind_of(base_name(ca.name)));
  if (kind == pki::CaKind::root || kind == pki::CaKind::local) {
    return failf(Errc::conflict, "signer: {}: found a key that has no place here", ca.name);
  }
  if (!(ca.key->public_key() == ca.certificate.public_key())) {
    return failf(Errc::conflict, "signer: {}: found a key that is not the certificate's", ca.name);
  }
  const auto& extensions = ca.certificate.extensions();
  if (!extensions.is_ca() ||
      std::ranges::find(extensions.policies, pki::policy_of(kind)) == extensions.policies.end()) {
    return failf(Errc::conflict, "signer: {}: found a certificate of something else", ca.name);
  }
  return {};
}

Result<DnsName> zone_of(const std::map<std::string, CaKey, std::less<>>& cas) {
  const auto online = cas.find("online-ca");
  if (online == cas.end()) return fail(Errc::conflict, "signer: found no online-ca");
  const auto& constraints = online->second.certificate.extensions().name_constraints;
  if (!constraints || constraints->permitted.dns.size() != 1) {
    return fail(Errc::conflict, "signer: online-ca: want exactly one permitted DNS subtree");
  }
  return parse_dns_name(constraints->permitted.dns.front());
}

}  // namespace

Result<Signer> Signer::create(Keys keys, const Clock& clock) {
  std::map<std::string, CaKey, std::less<>> cas;
  for (auto& ca : keys.cas) {
    TRY_VOID(check_ca(ca));
    std::string name = ca.name;
    if (!cas.emplace(name, std::move(ca)).second) return failf(Errc::conflict, "signer: {}: found twice", name);
  }
  std::map<pki::ControlKind, ControlKey> control;
  for (auto& key : keys.control) {
    const auto kind = key.kind;
    if (key.certificate && !(key.certificate->public_key() == key.key->public_key())) {
      return failf(Errc::conflict, "signer: control {}: found a key that is not the certificate's",
                   pki::to_string(kind));
    }
    if (!control.emplace(kind, std::move(key)).second) {
      return failf(Errc::conflict, "signer: control {}: found twice", pki::to_string(kind));
    }
  }
  TRY(auto zone, zone_of(cas));
  auto links = std::move(keys.links);
  if (links.size() > pki::kMaxRootLinks) links.erase(links.begin(), links.end() - pki::kMaxRootLinks);
  return Signer(std::unique_ptr<State>(new State{.cas = std::move(cas),
                                                 .control = std::move(control),
                                                 .clock = clock,
                                                 .zone = std::move(zone),
                                                 .links = std::move(links),
                                                 .checkpoint_mark = std::move(keys.checkpoint_mark)}));
}

Signer::Signer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;
Signer::~Signer() = default;

Result<CaKey*> Signer::State::find_ca(std::string_view name) {
  const auto found = cas.find(name);
  if (found == cas.end()) return fail(Errc::unauthorized, "signer: found a CA whose key is not here");
  return &found->second;
}

// The control-ca that certified `signer`: the present one or one that it has replaced.
Result<const CaKey*> Signer::State::find_control_ca(const pki::Certificate& signer) const {
  for (const auto& [name, ca] : cas) {
    const bool is_it = base_name(name) == "control-ca" &&
                       ca.certificate.extensions().subject_key_id == signer.extensions().authority_key_id;
    if (is_it) return &ca;
  }
  return fail(Errc::conflict, "signer: found no control-ca that certified its control key");
}

bool Signer::State::holds(const crypto::PublicKey& key) const {
  return std::ranges::any_of(cas, [&](const auto& ca) { return ca.second.key->public_key() == key; }) ||
         std::ranges::any_of(control, [&](const auto& own) { return own.second.key->public_key() == key; });
}

Result<void> Signer::State::check_key(KeyRule rule, const pki::IssueCertificate& request, const CaKey& ca) {
  const auto& key = request.fields.public_key;
  switch (rule) {
    case KeyRule::foreign:
      if (holds(key)) return fail(Errc::unauthorized, "signer: found a key of the signer's own, want the subject's");
      return {};
    case KeyRule::control: {
      const auto kind = control_kind_of(request.profile);
      const auto own = kind ? control.find(*kind) : control.end();
      if (own == control.end() || !(own->second.key->public_key() == key)) {
        return fail(Errc::unauthorized, "signer: found another key than its own for that kind of control object");
      }
      return {};
    }
    case KeyRule::twin:
      if (!(ca.key->public_key() == key)) return fail(Errc::unauthorized, "twin: found another key than its CA's");
      return check_twin(request.fields, ca.certificate);
  }
  return fail(Errc::internal, "signer: unknown key rule");
}

Result<pki::SigningAnswer> Signer::State::issue(const pki::IssueCertificate& request) {
  TRY(const auto rule, find_issue_rule(request.profile, request.ca));
  TRY(CaKey * ca, find_ca(request.ca));
  TRY_VOID(check_key(rule, request, *ca));
  const auto& profile = pki::profile(request.profile);
  TRY(auto linted, rule == KeyRule::twin ? pki::prepare_self_signed(profile, request.fields, clock.now())
                                         : pki::prepare(profile, request.fields, ca->certificate, clock.now()));
  TRY(auto der, pki::sign_certificate(std::move(linted), *ca->key));
  if (const auto kind = control_kind_of(request.profile)) {
    TRY(control.at(*kind).certificate, pki::parse_certificate(der));
  }
  return pki::IssuedCertificate{std::move(der)};
}

Result<pki::SigningAnswer> Signer::State::sign(const pki::SignCrl& request) {
  TRY(CaKey * ca, find_ca(request.ca));
  TRY_VOID(check_crl(request.fields, clock.now()));
  auto& last = crl_numbers[{request.ca, request.fields.delta_base.has_value()}];
  if (request.fields.number <= last) {
    return failf(Errc::conflict, "CRL of {}: found number {}, want above {}", request.ca, request.fields.number, last);
  }
  TRY(auto der, pki::build_crl(ca->certificate, request.fields, *ca->key));
  last = request.fields.number;
  return pki::SignedCrl{std::move(der)};
}

Result<pki::SigningAnswer> Signer::State::seal(const pki::SignObject& request) {
  const UnixTime now = clock.now();
  const auto own = control.find(request.kind);
  if (own == control.end()) {
    return failf(Errc::unauthorized, "signer: found no key for control objects of kind '{}'",
                 pki::to_string(request.kind));
  }
  std::optional<std::uint64_t> snapshot;
  switch (request.kind) {
    case pki::ControlKind::grant:
      TRY_VOID(check_grant(request.payload, now));
      break;
    case pki::ControlKind::permit:
      TRY_VOID(check_permit(request.payload, zone, now));
      break;
    case pki::ControlKind::snapshot: {
      TRY(snapshot, check_snapshot(request.payload, now));
      if (*snapshot < snapshot_number) {
        return failf(Errc::conflict, "snapshot: found number {}, want at least {}", *snapshot, snapshot_number);
      }
      break;
    }
    case pki::ControlKind::checkpoint:
      return fail(Errc::unauthorized, "signer: checkpoints are notes, not sealed objects");
    case pki::ControlKind::licence:
      return fail(Errc::unauthorized, "signer: licences are not signed here");
  }
  const auto& certificate = own->second.certificate;
  if (!certificate || certificate->validity().not_after <= now) {
    return failf(Errc::expired, "signer: the certificate for control objects of kind '{}' is missing or has ended",
                 pki::to_string(request.kind));
  }
  TRY(const CaKey* ca, find_control_ca(*certificate));
  std::vector<pki::Certificate> chain{*certificate, ca->certificate};
  if (request.kind == pki::ControlKind::permit) chain.insert(chain.end(), links.begin(), links.end());
  TRY(auto sealed, pki::seal_object(request.kind, request.payload, *own->second.key, chain));
  if (snapshot) snapshot_number = *snapshot;
  return pki::SealedObject{std::move(sealed)};
}

// A log only grows: the signer remembers where it stood, on its own disk, and wants the proof that it goes on from
// there.
Result<void> check_growth(const LogMark& last, const pki::SignCheckpoint& request) {
  if (request.size < last.size) {
    return failf(Errc::conflict, "checkpoint: found a log of {} entries, want at least the {} that were signed before",
                 request.size, last.size);
  }
  if (last.size > 0 && !tlog::verify_consistency(last.size, last.root, request.size, request.root, request.proof)) {
    return failf(Errc::conflict,
                 "checkpoint: found a log of {} entries that does not continue the {} that were signed before",
                 request.size, last.size);
  }
  return {};
}
Result<pki::SigningAnswer> Signer::State::sign(const pki::SignCheckpoint& request) {
  const auto own = control.find(pki::ControlKind::checkpoint);
  if (own == control.end() || !checkpoint_mark) return fail(Errc::unauthorized, "signer: found no key for checkpoints");
  const auto& certificate = own->second.certificate;
  if (!certificate || certificate->validity().not_after <= clock.now()) {
    return fail(Errc::expired, "signer: the certificate for checkpoints is missing or has ended");
  }
  const LogMark last = checkpoint_mark->last();
  if (request.continues != last.size && request.size >= last.size) return pki::LogPosition{last.size};
  TRY_VOID(check_growth(last, request));
  if (request.size > last.size) TRY_VOID(checkpoint_mark->raise({request.size, request.root}));
  const tlog::Checkpoint checkpoint{
      .origin = tlog::origin_of(zone.get()), .size = request.size, .root = request.root, .extensions = {}};
  TRY(auto note, tlog::sign_checkpoint(checkpoint, *own->second.key));
  return pki::SignedCheckpoint{std::move(note)};
}

pki::SigningAnswer Signer::answer(const pki::SigningRequest& request) {
  auto answered = std::visit(
      [this](const auto& each) -> Result<pki::SigningAnswer> {
        using Request = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<Request, pki::IssueCertificate>) return state_->issue(each);
        if constexpr (std::is_same_v<Request, pki::SignCrl>) return state_->sign(each);
        if constexpr (std::is_same_v<Request, pki::SignObject>) return state_->seal(each);
        if constexpr (std::is_same_v<Request, pki::SignCheckpoint>) return state_->sign(each);
      },
      request);
  if (!answered) return std::move(answered).error();
  return *std::move(answered);
}

Bytes Signer::answer_bytes(ByteView request) {
  auto parsed = pki::parse_signing_request(request);
  if (!parsed) return pki::encode_signing_answer(std::move(parsed).error());
  return pki::encode_signing_answer(answer(*parsed));
}

}  // namespace sallyport::signer
