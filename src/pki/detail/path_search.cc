#include "pki/detail/path_search.h"

#include <algorithm>

#include "pki/detail/name_constraints.h"
#include "pki/detail/policy_graph.h"
#include "pki/oids.h"

namespace sallyport::pki::detail {
namespace {

std::string shown(const Certificate& certificate) {
  return "certificate " + certificate.serial().hex();
}

// RFC 5280 §4.2.1.1: the identifiers that tell which key and which certificate of the issuer was used.
bool is_authority_named(const Certificate& certificate, const Certificate& issuer) {
  const Extensions& extensions = certificate.extensions();
  const auto& found = issuer.extensions().subject_key_id;
  if (extensions.authority_key_id && found && *extensions.authority_key_id != *found) return false;
  const auto& wanted = extensions.authority_certificate;
  if (!wanted || wanted->issuer.empty()) return true;
  return equal(wanted->serial, issuer.serial().content()) &&
         std::ranges::any_of(wanted->issuer, [&](const auto& name) { return name.matches(issuer.issuer()); });
}

// What holds for a certificate wherever it stands (RFC 5280 §4.2.1.1, §4.2.1.2, §4.2.1.9, §4.2.1.10).
Verdict<void> check_form(const Certificate& certificate, bool is_issued) {
  const Extensions& extensions = certificate.extensions();
  if (!extensions.unknown_critical.empty()) {
    return refuse(Reason::unknown_critical, fmt::format("{}: unknown critical extension {}", shown(certificate),
                                                        extensions.unknown_critical.front().dotted()));
  }
  if (is_issued && !extensions.authority_key_id)
    return refuse(Reason::key_id_mismatch, shown(certificate) + ": no authority key identifier");
  if (extensions.is_ca()) {
    if (!extensions.subject_key_id)
      return refuse(Reason::key_id_mismatch, shown(certificate) + ": a CA without subject key identifier");
    if (certificate.subject().empty()) return refuse(Reason::identity, shown(certificate) + ": a CA without a name");
    return {};
  }
  if (extensions.allows_use(kKeyCertSign))
    return refuse(Reason::key_usage, shown(certificate) + ": key usage keyCertSign, but no CA");
  if (extensions.name_constraints)
    return refuse(Reason::name_constraint, shown(certificate) + ": name constraints, but no CA");
  const bool nobody = certificate.subject().empty() && !extensions.alternative_names;
  if (nobody) return refuse(Reason::identity, shown(certificate) + ": names nobody");
  return {};
}

}  // namespace

bool is_self_issued(const Certificate& certificate) {
  return certificate.subject().matches(certificate.issuer());
}

Verdict<void> check_validity(const Certificate& certificate, const TimeRule& time) {
  const Validity& validity = certificate.validity();
  if (validity.not_after < time.time())
    return refuse(Reason::expired, fmt::format("{}: ended {}", shown(certificate), to_iso8601(validity.not_after)));
  if (time.is_clock() && validity.not_before > time.time()) {
    return refuse(Reason::not_yet_valid,
                  fmt::format("{}: begins {}", shown(certificate), to_iso8601(validity.not_before)));
  }
  return {};
}

Verdict<std::vector<Certificate>> PathSearch::run(const Accept& accept, bool alone) {
  if (auto ok = check_limits(); !ok) return std::unexpected(std::move(ok).error());
  if (auto ok = check_leaf(); !ok) return std::unexpected(std::move(ok).error());
  path_.reserve(kMaxPathCertificates);
  path_.push_back(leaf_);
  const bool is_trusted =
      alone && is_self_issued(leaf_) && std::ranges::find(source_.anchors, leaf_) != source_.anchors.end();
  if (is_trusted) {
    if (auto ok = accept(path_); !ok) return std::unexpected(std::move(ok).error());
    return std::move(path_);
  }
  candidates_.reserve(source_.anchors.size() + source_.others.size());
  for (const Certificate& anchor : source_.anchors) candidates_.push_back({&anchor, true, std::nullopt});
  for (const Certificate& other : source_.others) candidates_.push_back({&other, false, std::nullopt});
  if (extend(accept)) return std::move(path_);
  if (work_.is_spent()) return refuse(Reason::work_limit, "chain: costs too much to judge");
  SALLYPORT_CHECK(best_.has_value());
  return std::unexpected(*std::move(best_));
}

Verdict<void> PathSearch::check_limits() const {
  if (source_.others.size() > kMaxPoolCertificates) {
    return refuse(Reason::chain_too_long, fmt::format("chain: {} certificates besides the leaf, want at most {}",
                                                      source_.others.size(), kMaxPoolCertificates));
  }
  if (source_.anchors.size() > kMaxAnchors)
    return refuse(Reason::work_limit, fmt::format("anchors: {}, want at most {}", source_.anchors.size(), kMaxAnchors));
  return {};
}

Verdict<void> PathSearch::check_leaf() const {
  const Extensions& extensions = leaf_.extensions();
  if (extensions.is_ca() && !rules_.leaf_may_be_ca) return refuse(Reason::leaf_is_a_ca, "leaf: is a CA");
  const bool is_issued = !(leaf_.issuer() == leaf_.subject());
  if (auto ok = check_form(leaf_, is_issued); !ok) return ok;
  if (auto ok = check_validity(leaf_, rules_.time); !ok) return ok;
  const bool may_be_used =
      rules_.leaf_key_usage == 0 || !extensions.key_usage || extensions.allows_use(rules_.leaf_key_usage);
  if (!may_be_used) return refuse(Reason::key_usage, "leaf: key usage that does not allow this use");
  return check_extended_uses(leaf_, true);
}

Verdict<void> PathSearch::check_extended_uses(const Certificate& certificate, bool is_leaf) const {
  const Extensions& extensions = certificate.extensions();
  if (!extensions.extended_key_usage && !(is_leaf && rules_.extended_use_needed)) return {};
  for (const Oid& use : rules_.extended_uses) {
    if (extensions.has_extended_key_usage(use)) continue;
    if (rules_.any_use_counts && extensions.has_extended_key_usage(oid::eku_any)) continue;
    return refuse(Reason::extended_key_usage,
                  fmt::format("{}: extended key usage without {}", shown(certificate), use.dotted()));
  }
  return {};
}

// Tries every certificate as the issuer of the path's end; whether a whole path was found, which is then in path_.
bool PathSearch::extend(const Accept& accept) {
  if (path_.size() >= kMaxPathCertificates) {
    return note(Stage::too_long, {Reason::chain_too_long, {Errc::overloaded, "chain: too long a path"}});
  }
  std::optional<Bytes> issuer;
  bool has_issuer = false;
  for (std::size_t i = 0; i < candidates_.size() && !work_.is_spent(); ++i) {
    Candidate& candidate = candidates_[i];
    const bool is_named = is_authority_named(path_.back(), *candidate.certificate);
    // An anchor of another key is simply another anchor, whatever its name.
    if (candidate.is_anchor && !is_named) continue;
    if (!bears_issuer_name(candidate, issuer) || is_on_path(*candidate.certificate)) continue;
    has_issuer = true;
    if (!is_named) {
      note(Stage::key, {Reason::key_id_mismatch,
                        {Errc::unauthorized, shown(path_.back()) + ": made by another key of its issuer"}});
    } else if (try_issuer(candidate, accept)) {
      return true;
    }
  }
  if (!has_issuer) note_missing_issuer();
  return false;
}

void PathSearch::note_missing_issuer() {
  const bool has_unused = std::ranges::any_of(source_.others, [&](const auto& other) { return !is_on_path(other); });
  if (has_unused) {
    note(Stage::nobody, {Reason::issuer_mismatch,
                         {Errc::unauthorized, shown(path_.back()) + ": issuer is no other certificate's subject"}});
  } else {
    note(Stage::nobody, {Reason::no_anchor, {Errc::unauthorized, "chain: ends at no trust anchor"}});
  }
}

bool PathSearch::try_issuer(const Candidate& candidate, const Accept& accept) {
  const Certificate& ca = *candidate.certificate;
  if (!work_.spend_step()) return false;
  if (auto ok = check_authority(ca); !ok) return note(Stage::authority, std::move(ok).error());
  if (auto ok = check_signature(ca); !ok) return note(Stage::signature, std::move(ok).error());
  if (auto ok = check_names_under(ca); !ok) return note(Stage::names, std::move(ok).error());
  path_.push_back(ca);
  if (candidate.is_anchor) {
    auto whole = check_policies(path_, rules_.policies);
    if (whole) whole = accept(path_);
    if (whole) return true;
    note(Stage::whole, std::move(whole).error());
  } else if (extend(accept)) {
    return true;
  }
  path_.pop_back();
  return false;
}

bool PathSearch::bears_issuer_name(Candidate& candidate, std::optional<Bytes>& issuer) const {
  const DistinguishedName& wanted = path_.back().issuer();
  const DistinguishedName& found = candidate.certificate->subject();
  if (wanted == found) return true;
  if (!issuer) issuer = wanted.canonical();
  if (!candidate.subject) candidate.subject = found.canonical();
  return *issuer == *candidate.subject;
}

// The same certificate, or another of the same name and key, which could only lead around in circles (RFC 4158 §2.4.2).
bool PathSearch::is_on_path(const Certificate& certificate) const {
  return std::ranges::any_of(path_, [&](const Certificate& on) {
    return on == certificate ||
           (on.public_key() == certificate.public_key() && on.subject().matches(certificate.subject()));
  });
}

// Keeps the refusal of the attempt that came furthest. Always false, so that a caller can return it.
bool PathSearch::note(Stage stage, Refusal refusal) {
  const std::size_t depth = path_.size();
  const bool is_further = !best_ || depth > best_depth_ || (depth == best_depth_ && stage > best_stage_);
  if (!is_further) return false;
  best_ = std::move(refusal);
  best_depth_ = depth;
  best_stage_ = stage;
  return false;
}

// RFC 5280 §6.1.4 (k) to (n), and what §4.2 demands of every CA.
Verdict<void> PathSearch::check_authority(const Certificate& ca) const {
  if (!ca.extensions().is_ca()) return refuse(Reason::not_a_ca, shown(ca) + ": issued another, is no CA");
  if (auto ok = check_form(ca, false); !ok) return ok;
  if (auto ok = check_validity(ca, rules_.time); !ok) return ok;
  if (!ca.extensions().allows_use(kKeyCertSign))
    return refuse(Reason::key_usage, shown(ca) + ": key usage without keyCertSign");
  if (auto ok = check_path_length(ca); !ok) return ok;
  if (!path_.back().extensions().authority_key_id)
    return refuse(Reason::key_id_mismatch, shown(path_.back()) + ": no authority key identifier");
  return check_extended_uses(ca, false);
}

Verdict<void> PathSearch::check_path_length(const Certificate& ca) const {
  const auto& limit = ca.extensions().basic_constraints->path_length;
  if (!limit || path_.size() - 1 <= *limit) return {};
  const auto below =
      std::count_if(path_.begin() + 1, path_.end(), [](const auto& each) { return !is_self_issued(each); });
  if (static_cast<std::size_t>(below) <= *limit) return {};
  return refuse(Reason::path_length, fmt::format("{}: {} CAs below it, want at most {}", shown(ca), below, *limit));
}

Verdict<void> PathSearch::check_signature(const Certificate& issuer) {
  const Certificate& certificate = path_.back();
  const auto known = std::ranges::find_if(signatures_, [&](const Signature& each) {
    return each.certificate == certificate.der().data() && each.issuer == issuer.der().data();
  });
  bool holds = false;
  if (known != signatures_.end()) {
    holds = known->holds;
  } else {
    if (!work_.spend_signature()) return refuse(Reason::work_limit, "chain: too many signatures");
    holds = issuer.public_key()
                .verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature())
                .has_value();
    signatures_.push_back({certificate.der().data(), issuer.der().data(), holds});
  }
  if (!holds) return refuse(Reason::bad_signature, shown(certificate) + ": signature is not its issuer's");
  return {};
}

// RFC 5280 §6.1.3 (b) and (c): self-issued certificates between leaf and anchor are free of constraints.
Verdict<void> PathSearch::check_names_under(const Certificate& ca) {
  const auto& constraints = ca.extensions().name_constraints;
  if (!constraints) return {};
  for (std::size_t i = 0; i < path_.size(); ++i) {
    if (i != 0 && is_self_issued(path_[i])) continue;
    auto ok = check_name_constraints(path_[i], *constraints, work_);
    if (!ok) return refuse(ok.error().reason, shown(path_[i]) + ": " + ok.error().error.detail);
  }
  return {};
}

}  // namespace sallyport::pki::detail
