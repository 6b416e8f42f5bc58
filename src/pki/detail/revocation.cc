#include "pki/detail/revocation.h"

#include <algorithm>

#include "pki/detail/path_search.h"

namespace sallyport::pki::detail {
namespace {

constexpr seconds kSkew{300};
constexpr std::size_t kMaxCrls = 256;
// A CRL signer whose certificate is judged by a CRL of another signer, and so on.
constexpr std::size_t kMaxSignerDepth = 3;

// A GeneralName of a distribution point in the form in which two are compared.
Bytes comparable(ByteView general_name) {
  codec::der::Reader reader(general_name);
  const auto element = reader.any();
  if (element && element->tag == codec::der::context_constructed(4)) {
    if (const auto name = DistinguishedName::parse(element->content)) return name->canonical();
  }
  return to_bytes(general_name);
}

Bytes comparable(const DistinguishedName& name) {
  return name.canonical();
}

// The names of a distribution point; one relative to `issuer` as a whole directory name.
std::vector<Bytes> names_of(const DistributionPointName& name, const DistinguishedName& issuer) {
  std::vector<Bytes> out;
  for (const Bytes& full : name.full) out.push_back(comparable(full));
  if (name.relative.empty()) return out;
  if (const auto whole = issuer.with_relative(name.relative)) out.push_back(comparable(*whole));
  return out;
}

bool share_one(const std::vector<Bytes>& a, const std::vector<Bytes>& b) {
  return std::ranges::any_of(a, [&](const Bytes& each) { return std::ranges::find(b, each) != b.end(); });
}

// One certificate and the point at which its CRLs are to be found.
struct Question {
  const Certificate& certificate;
  const DistributionPoint& point;
};

bool is_about_point(const Question& question, const Crl& crl, const DistributionPointName& covered) {
  const DistributionPoint& point = question.point;
  const std::vector<Bytes> names = names_of(covered, crl.issuer());
  if (point.name) {
    const DistinguishedName& base = point.crl_issuer.empty() ? question.certificate.issuer() : point.crl_issuer.front();
    return share_one(names, names_of(*point.name, base));
  }
  std::vector<Bytes> issuers;
  for (const DistinguishedName& issuer : point.crl_issuer) issuers.push_back(comparable(issuer));
  return share_one(names, issuers);
}

// RFC 5280 §6.3.3 (b): whether `crl` answers the question at all.
bool is_in_scope(const Question& question, const Crl& crl) {
  const DistributionPoint& point = question.point;
  const auto& covered = crl.distribution_point();
  if (point.crl_issuer.empty()) {
    if (!crl.issuer().matches(question.certificate.issuer())) return false;
  } else {
    const bool is_named =
        std::ranges::any_of(point.crl_issuer, [&](const auto& name) { return name.matches(crl.issuer()); });
    if (!is_named || !covered || !covered->indirect) return false;
  }
  if (!covered) return true;
  if (covered->only_attribute_certificates) return false;
  const bool is_ca = question.certificate.extensions().is_ca();
  if ((covered->only_user_certificates && is_ca) || (covered->only_ca_certificates && !is_ca)) return false;
  return !covered->name || is_about_point(question, crl, *covered->name);
}

bool have_same_scope(const Crl& full, const Crl& delta) {
  if (!full.issuer().matches(delta.issuer()) || full.authority_key_id() != delta.authority_key_id()) return false;
  const auto& a = full.distribution_point();
  const auto& b = delta.distribution_point();
  if (!a || !b) return !a && !b;
  if (a->name.has_value() != b->name.has_value()) return false;
  const bool same_name = !a->name || share_one(names_of(*a->name, full.issuer()), names_of(*b->name, delta.issuer()));
  return same_name && a->only_user_certificates == b->only_user_certificates &&
         a->only_ca_certificates == b->only_ca_certificates && a->indirect == b->indirect && a->reasons == b->reasons;
}

class RevocationCheck {
 public:
  RevocationCheck(const PathSource& source, const PathRules& rules, Work& work)
      : source_(source), rules_(rules), work_(work) {}

  Verdict<void> check(const std::vector<Certificate>& path) {
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      auto ok = check_one(path, i);
      if (!ok) return ok;
    }
    return {};
  }

 private:
  // What is known about one certificate.
  struct State {
    const std::vector<Certificate>& path;
    std::size_t index;
    std::uint32_t reasons = 0;  // for which the answer is known to be "not revoked"
    std::optional<Refusal> unusable;
    const Certificate& certificate() const { return path[index]; }
  };

  Verdict<void> check_one(const std::vector<Certificate>& path, std::size_t index) {
    State state{.path = path, .index = index, .reasons = 0, .unusable = std::nullopt};
    // §6.3.3: the points that the certificate names, then whatever its own issuer published besides.
    for (const DistributionPoint& point : state.certificate().extensions().distribution_points) {
      if (auto ok = ask_point(state, point); !ok) return ok;
    }
    DistributionPoint own;
    own.name.emplace();
    own.name->full.push_back(
        codec::der::encode(codec::der::context_constructed(4), state.certificate().issuer().der()));
    if (auto ok = ask_point(state, own); !ok) return ok;
    if (state.reasons == kAllReasons) return {};
    if (state.unusable) return std::unexpected(*std::move(state.unusable));
    if (rules_.revocation == RevocationRule::where_given) return {};
    return refuse(Reason::status_unknown,
                  fmt::format("certificate {}: no CRL covers it", state.certificate().serial().hex()));
  }

  Verdict<void> ask_point(State& state, const DistributionPoint& point) {
    const Question question{.certificate = state.certificate(), .point = point};
    for (const Crl& crl : source_.crls) {
      if (state.reasons == kAllReasons) return {};
      if (crl.delta_base() || !is_in_scope(question, crl)) continue;
      const std::uint32_t covered = crl.distribution_point() ? crl.distribution_point()->reasons : kAllReasons;
      const std::uint32_t gained = point.reasons & covered & kAllReasons;
      if ((gained & ~state.reasons) == 0) continue;
      if (auto usable = check_crl(state, crl); !usable) {
        if (usable.error().reason == Reason::work_limit) return usable;
        state.unusable = std::move(usable).error();
        continue;
      }
      if (auto ok = look_up(state, crl); !ok) return ok;
      state.reasons |= gained;
    }
    return {};
  }

  // §6.3.3 (i) to (l): the newest delta that applies decides before the list itself.
  Verdict<void> look_up(const State& state, const Crl& crl) {
    const Certificate& certificate = state.certificate();
    const RevokedEntry* entry = nullptr;
    if (const Crl* delta = find_delta(state, crl)) entry = delta->find(certificate.issuer(), certificate.serial());
    if (entry != nullptr && entry->reason == RevocationReason::remove_from_crl) return {};
    if (entry == nullptr) entry = crl.find(certificate.issuer(), certificate.serial());
    if (entry == nullptr) return {};
    return refuse(state.index == 0 ? Reason::status_revoked : Reason::ca_revoked,
                  fmt::format("certificate {}: revoked {}", certificate.serial().hex(), to_iso8601(entry->revoked_at)));
  }

  // The delta of the highest number that `full` can be completed with (§5.2.4, §6.3.3 (c)).
  const Crl* find_delta(const State& state, const Crl& full) {
    const Crl* best = nullptr;
    for (const Crl& delta : source_.crls) {
      const bool applies = delta.delta_base() && have_same_scope(full, delta) && *delta.delta_base() <= full.number() &&
                           full.number() < delta.number() && is_current(delta);
      if (!applies || (best != nullptr && delta.number() <= best->number())) continue;
      if (check_signer(state, delta)) best = &delta;
    }
    return best;
  }

  bool is_current(const Crl& crl) const {
    return crl.next_update() >= rules_.time.time() &&
           (!rules_.time.is_clock() || crl.this_update() <= rules_.time.time() + kSkew);
  }

  Verdict<void> check_crl(const State& state, const Crl& crl) {
    if (auto ok = check_signer(state, crl); !ok) return ok;
    if (is_current(crl)) return {};
    const bool is_completed = crl.this_update() <= rules_.time.time() + kSkew && find_delta(state, crl) != nullptr;
    if (is_completed) return {};
    return refuse(Reason::crl_stale, fmt::format("CRL: in force from {} to {}", to_iso8601(crl.this_update()),
                                                 to_iso8601(crl.next_update())));
  }

  // §6.3.3 (f) and (g): somebody who may sign CRLs, whose path ends at the same anchor, signed it.
  Verdict<void> check_signer(const State& state, const Crl& crl) {
    std::optional<Refusal> last;
    const auto consider = [&](const Certificate& signer, bool is_trusted) -> bool {
      if (!signer.subject().matches(crl.issuer()) || !is_key_named(crl, signer)) return false;
      auto ok = check_signature(signer, crl);
      if (ok && !is_trusted) ok = check_signer_path(state, signer);
      if (!ok) last = std::move(ok).error();
      return ok.has_value();
    };
    for (std::size_t i = state.index + 1; i < state.path.size(); ++i) {
      if (consider(state.path[i], true)) return {};
    }
    for (const Certificate& other : source_.others) {
      if (consider(other, false)) return {};
    }
    if (last) return std::unexpected(*std::move(last));
    return refuse(Reason::crl_unusable, "CRL: no certificate of its signer is given");
  }

  static bool is_key_named(const Crl& crl, const Certificate& signer) {
    const auto& found = signer.extensions().subject_key_id;
    return !crl.authority_key_id() || !found || *crl.authority_key_id() == *found;
  }

  Verdict<void> check_signature(const Certificate& signer, const Crl& crl) {
    if (signer.extensions().key_usage && !signer.extensions().allows_use(kCrlSign))
      return refuse(Reason::key_usage, "CRL: its issuer may not sign CRLs");
    for (const Checked& known : checked_) {
      if (known.crl == crl.der().data() && known.signer == signer.der().data())
        return known.holds ? Verdict<void>() : refuse(Reason::bad_signature, "CRL: signature is not its issuer's");
    }
    if (!work_.spend_signature()) return refuse(Reason::work_limit, "CRL: too many signatures");
    const bool holds = signer.public_key().verify(crl.signature_scheme(), crl.tbs(), crl.signature()).has_value();
    checked_.push_back({crl.der().data(), signer.der().data(), holds});
    return check_signature(signer, crl);
  }

  // A signer apart from the path has a path of its own, and a status; a certificate whose status is just being asked
  // for does not wait for itself.
  Verdict<void> check_signer_path(const State& state, const Certificate& signer) {
    if (std::ranges::find(in_progress_, signer) != in_progress_.end()) return {};
    if (in_progress_.size() >= kMaxSignerDepth)
      return refuse(Reason::crl_unusable, "CRL: signers of signers of signers");
    const PathRules rules{.time = rules_.time,
                          .extended_uses = {},
                          .leaf_key_usage = kCrlSign,
                          .leaf_may_be_ca = true,
                          .host = std::nullopt,
                          .policies = {}};
    in_progress_.push_back(signer);
    const Certificate anchor = state.path.back();
    auto found = PathSearch(signer, source_, rules, work_)
                     .run(
                         [&](const std::vector<Certificate>& path) -> Verdict<void> {
                           if (!(path.back() == anchor))
                             return refuse(Reason::crl_unusable, "CRL: its signer has another anchor");
                           return check(path);
                         },
                         false);
    in_progress_.pop_back();
    if (!found) return std::unexpected(std::move(found).error());
    return {};
  }

  struct Checked {
    const std::uint8_t* crl;
    const std::uint8_t* signer;
    bool holds;
  };

  const PathSource& source_;
  const PathRules& rules_;
  Work& work_;
  std::vector<Checked> checked_;
  std::vector<Certificate> in_progress_;
};

}  // namespace

Verdict<void> check_revocation(const std::vector<Certificate>& path, const PathSource& source, const PathRules& rules,
                               Work& work) {
  if (rules.revocation == RevocationRule::none) return {};
  if (source.crls.size() > kMaxCrls)
    return refuse(Reason::work_limit, fmt::format("CRLs: {}, want at most {}", source.crls.size(), kMaxCrls));
  return RevocationCheck(source, rules, work).check(path);
}

}  // namespace sallyport::pki::detail
