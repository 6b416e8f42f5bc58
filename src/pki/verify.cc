#include "pki/verify.h"

#include <algorithm>

#include "pki/detail/names.h"
#include "pki/detail/rules.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

ProfileId leaf_profile_of(const Purpose& purpose) {
  return std::visit(Overloaded{
                        [](const ServerPurpose&) { return ProfileId::server; },
                        [](const OperationalDevicePurpose&) { return ProfileId::operational_device; },
                        [](const FactoryDevicePurpose&) { return ProfileId::factory_device; },
                        [](const WebDevicePurpose&) { return ProfileId::web_device; },
                        [](const RolePurpose&) { return ProfileId::role; },
                        [](const PersonPurpose&) { return ProfileId::person; },
                        [](const ControlPurpose& control) { return profile_of(control.kind); },
                        [](const ForeignServerPurpose&) { return ProfileId::server; },
                    },
                    purpose);
}

// Whether the key identifiers, where both are there, agree.
bool key_ids_agree(const Certificate& certificate, const Certificate& issuer) {
  const auto& wanted = certificate.extensions().authority_key_id;
  const auto& found = issuer.extensions().subject_key_id;
  return !wanted || !found || *wanted == *found;
}

Verdict<void> check_validity(const Certificate& certificate, const TimeRule& time) {
  const Validity& validity = certificate.validity();
  if (validity.not_after < time.time()) {
    return refuse(Reason::expired,
                  fmt::format("certificate {}: ended {}", certificate.serial().hex(), to_iso8601(validity.not_after)));
  }
  if (time.is_clock() && validity.not_before > time.time()) {
    return refuse(Reason::not_yet_valid, fmt::format("certificate {}: begins {}", certificate.serial().hex(),
                                                     to_iso8601(validity.not_before)));
  }
  return {};
}

Verdict<void> check_link(const Certificate& certificate, const Certificate& issuer) {
  if (!(certificate.issuer() == issuer.subject())) {
    return refuse(Reason::issuer_mismatch,
                  fmt::format("certificate {}: issuer is not the next one's subject", certificate.serial().hex()));
  }
  if (!key_ids_agree(certificate, issuer)) {
    return refuse(Reason::key_id_mismatch,
                  fmt::format("certificate {}: made by another key of its issuer", certificate.serial().hex()));
  }
  if (auto signature =
          issuer.public_key().verify(certificate.signature_scheme(), certificate.tbs(), certificate.signature());
      !signature) {
    return refuse(Reason::bad_signature,
                  fmt::format("certificate {}: signature is not its issuer's", certificate.serial().hex()));
  }
  return {};
}

// RFC 5280 §6.1.4 (k) to (n) for the certificate at `index` of `path`.
Verdict<void> check_ca(const std::vector<Certificate>& path, std::size_t index) {
  const Certificate& ca = path[index];
  const Extensions& extensions = ca.extensions();
  if (!extensions.is_ca())
    return refuse(Reason::not_a_ca, fmt::format("certificate {}: issued another, is no CA", ca.serial().hex()));
  if (!extensions.allows_use(kKeyCertSign)) {
    return refuse(Reason::key_usage, fmt::format("CA {}: key usage without keyCertSign", ca.serial().hex()));
  }
  std::size_t below = 0;
  for (std::size_t i = 1; i < index; ++i) below += path[i].is_self_issued() ? 0 : 1;
  const auto& limit = extensions.basic_constraints->path_length;
  if (limit && below > *limit) {
    return refuse(Reason::path_length,
                  fmt::format("CA {}: {} CAs below it, want at most {}", ca.serial().hex(), below, *limit));
  }
  return {};
}

Verdict<void> check_constraints(const std::vector<Certificate>& path, std::size_t index) {
  const auto& constraints = path[index].extensions().name_constraints;
  if (!constraints) return {};
  for (std::size_t i = 0; i < index; ++i) {
    const bool mailbox_in_subject =
        path[i].subject().has_email_address() && (constraints->permitted.has_email || constraints->excluded.has_email);
    if (mailbox_in_subject)
      return refuse(Reason::name_constraint, "a mailbox in the subject under a constraint on mailboxes");
    static const AlternativeNames kNone;
    const auto& names = path[i].extensions().alternative_names;
    if (std::string found = detail::find_violation(names ? *names : kNone, *constraints); !found.empty()) {
      return refuse(Reason::name_constraint, fmt::format("certificate {}: {}", path[i].serial().hex(), found));
    }
  }
  return {};
}

Verdict<void> check_extended_use(const std::vector<Certificate>& path, const Oid& use, bool any_counts) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    const Extensions& extensions = path[i].extensions();
    if (!extensions.extended_key_usage && i != 0) continue;
    if (extensions.has_extended_key_usage(use)) continue;
    if (any_counts && extensions.has_extended_key_usage(oid::eku_any)) continue;
    return refuse(Reason::extended_key_usage,
                  fmt::format("certificate {}: extended key usage without {}", path[i].serial().hex(), use.dotted()));
  }
  return {};
}

template <class T>
Verdict<Identity> identity_from(Result<T> parsed) {
  if (!parsed) return refuse(Reason::identity, std::move(parsed).error().detail);
  return Identity(*std::move(parsed));
}

// Checks that the issuer's one namespace is `wanted`.
Verdict<void> check_namespace(const Certificate& issuer, const DnsName& wanted) {
  const auto trees = detail::permitted_subtrees(issuer);
  if (trees.size() == 1 && trees[0] == wanted.get()) return {};
  return refuse(Reason::identity, "CA: another namespace than this installation's");
}

}  // namespace

// One verification: builds the path, then judges it.
class PathCheck {
 public:
  PathCheck(std::span<const Certificate> chain, std::span<const Certificate> anchors, const Purpose& purpose,
            const TimeRule& time)
      : chain_(chain), anchors_(anchors), purpose_(purpose), time_(time) {}

  Verdict<VerifiedChain> run() {
    if (auto ok = build(); !ok) return std::unexpected(std::move(ok).error());
    if (auto ok = check_every_certificate(); !ok) return std::unexpected(std::move(ok).error());
    if (auto ok = check_use(); !ok) return std::unexpected(std::move(ok).error());
    if (!is_foreign()) {
      if (auto ok = check_tree(); !ok) return std::unexpected(std::move(ok).error());
    }
    auto identity = extract_identity();
    if (!identity) return std::unexpected(std::move(identity).error());
    return VerifiedChain(std::move(path_), *std::move(identity), !time_.is_clock());
  }

  static Verdict<VerifiedChain> recheck(const VerifiedChain& chain, UnixTime now) {
    for (const Certificate& certificate : chain.path()) {
      if (auto ok = check_validity(certificate, TimeRule::clock(now)); !ok)
        return std::unexpected(std::move(ok).error());
    }
    return VerifiedChain(chain.path(), chain.identity(), false);
  }

 private:
  bool is_foreign() const { return std::holds_alternative<ForeignServerPurpose>(purpose_); }

  // Follows the chain as sent until a certificate whose issuer is an anchor; what comes after is not looked at.
  Verdict<void> build() {
    if (chain_.empty()) return refuse(Reason::chain_empty, "chain: no certificate");
    if (chain_.size() > kMaxChainCertificates) {
      return refuse(Reason::chain_too_long,
                    fmt::format("chain: {} certificates, want at most {}", chain_.size(), kMaxChainCertificates));
    }
    for (std::size_t i = 0; i < chain_.size(); ++i) {
      path_.push_back(chain_[i]);
      if (const Certificate* anchor = find_anchor(chain_[i])) {
        path_.push_back(*anchor);
        return check_link(chain_[i], *anchor);
      }
      if (i + 1 == chain_.size()) break;
      if (auto ok = check_link(chain_[i], chain_[i + 1]); !ok) return ok;
    }
    return refuse(Reason::no_anchor, "chain: ends at no trust anchor");
  }

  // The anchor that bears the issuer's name and key; among several of one key identifier, the one whose signature it
  // is.
  const Certificate* find_anchor(const Certificate& certificate) const {
    const Certificate* candidate = nullptr;
    for (const Certificate& anchor : anchors_) {
      if (!(certificate.issuer() == anchor.subject()) || !key_ids_agree(certificate, anchor)) continue;
      if (candidate == nullptr) candidate = &anchor;
      if (anchors_.size() > 1 && check_link(certificate, anchor)) return &anchor;
    }
    return candidate;
  }

  Verdict<void> check_every_certificate() const {
    const Certificate& leaf = path_.front();
    if (leaf.extensions().is_ca()) return refuse(Reason::leaf_is_a_ca, "leaf: is a CA");
    for (std::size_t i = 0; i < path_.size(); ++i) {
      if (!path_[i].extensions().unknown_critical.empty()) {
        return refuse(Reason::unknown_critical,
                      fmt::format("certificate {}: unknown critical extension {}", path_[i].serial().hex(),
                                  path_[i].extensions().unknown_critical.front().dotted()));
      }
      if (auto ok = check_validity(path_[i], time_); !ok) return ok;
      if (i == 0) continue;
      if (auto ok = check_ca(path_, i); !ok) return ok;
      if (auto ok = check_constraints(path_, i); !ok) return ok;
    }
    return {};
  }

  Verdict<void> check_use() const {
    if (!path_.front().extensions().allows_use(kDigitalSignature)) {
      const bool free_of_usage = is_foreign() && !path_.front().extensions().key_usage;
      if (!free_of_usage) return refuse(Reason::key_usage, "leaf: key usage without digitalSignature");
    }
    for (const ExtendedUse use : profile(leaf_profile_of(purpose_)).extended_uses) {
      if (auto ok = check_extended_use(path_, oid_of(use), is_foreign()); !ok) return ok;
    }
    return {};
  }

  // Leaf, its CA, perhaps links, root: each by its profile.
  Verdict<void> check_tree() const {
    if (path_.size() < 3) return refuse(Reason::policy, "chain: no CA between leaf and root");
    const Profile& leaf = profile(leaf_profile_of(purpose_));
    if (auto ok = detail::check_profile(leaf, path_[0], &path_[1]); !ok) return ok;
    const Profile& ca = profile(ca_profile_of(*leaf.issuer));
    if (auto ok = detail::check_profile(ca, path_[1], &path_[2]); !ok) return ok;
    for (std::size_t i = 2; i + 1 < path_.size(); ++i) {
      if (auto ok = detail::check_profile(profile(ProfileId::root_link), path_[i], &path_[i + 1]); !ok) return ok;
    }
    return {};
  }

  Verdict<Identity> extract_identity() const {
    return std::visit([this](const auto& purpose) { return identity_for(purpose); }, purpose_);
  }

  const std::vector<std::string>& dns_names() const {
    static const std::vector<std::string> kNone;
    const auto& names = path_.front().extensions().alternative_names;
    return names ? names->dns : kNone;
  }

  Verdict<Identity> identity_for(const ServerPurpose& purpose) const {
    if (std::ranges::find(dns_names(), purpose.name.get()) != dns_names().end())
      return Identity(ServerIdentity{purpose.name});
    return refuse(Reason::identity, fmt::format("server certificate: is not for {}", purpose.name.get()));
  }

  Verdict<Identity> identity_for(const ForeignServerPurpose& purpose) const {
    for (const std::string& name : dns_names()) {
      if (detail::matches_host(detail::lower_case(name), purpose.name.get()))
        return Identity(ServerIdentity{purpose.name});
    }
    return refuse(Reason::identity, fmt::format("server certificate: is not for {}", purpose.name.get()));
  }

  Verdict<Identity> device_name(const DnsName& zone) const {
    if (auto ok = check_namespace(path_[1], zone); !ok) return std::unexpected(std::move(ok).error());
    return identity_from(parse_device_name(detail::label_before(dns_names().front(), zone.get())));
  }
  Verdict<Identity> identity_for(const OperationalDevicePurpose& purpose) const { return device_name(purpose.zone); }
  Verdict<Identity> identity_for(const WebDevicePurpose& purpose) const { return device_name(purpose.zone); }

  Verdict<Identity> identity_for(const FactoryDevicePurpose& purpose) const {
    const std::string& tree = detail::permitted_subtrees(path_[1]).front();
    const DnsName factories = under("factory", purpose.zone);
    auto site = parse_site_name(detail::label_before(tree, factories.get()));
    if (!site) return refuse(Reason::identity, "factory CA: its namespace is not a site of this installation");
    auto serial_id = parse_serial_id(detail::label_before(dns_names().front(), tree));
    if (!serial_id) return refuse(Reason::identity, std::move(serial_id).error().detail);
    return Identity(FactoryIdentity{.serial_id = *std::move(serial_id), .site = *std::move(site)});
  }

  Verdict<Identity> identity_for(const RolePurpose& purpose) const {
    const DnsName tree = roles_namespace(purpose.zone);
    if (auto ok = check_namespace(path_[1], tree); !ok) return std::unexpected(std::move(ok).error());
    return Identity(RoleIdentity{std::string(detail::label_before(dns_names().front(), tree.get()))});
  }

  Verdict<Identity> identity_for(const PersonPurpose& purpose) const {
    const DnsName tree = people_namespace(purpose.zone);
    if (auto ok = check_namespace(path_[1], tree); !ok) return std::unexpected(std::move(ok).error());
    const std::string& uri = path_.front().extensions().alternative_names->uri.front();
    return Identity(PersonIdentity{std::string(detail::login_in(uri, tree.get()))});
  }

  Verdict<Identity> identity_for(const ControlPurpose& purpose) const { return Identity(purpose.kind); }

  std::span<const Certificate> chain_;
  std::span<const Certificate> anchors_;
  const Purpose& purpose_;
  const TimeRule& time_;
  std::vector<Certificate> path_;
};

Verdict<VerifiedChain> VerifiedChain::recheck_validity(UnixTime now) const {
  return PathCheck::recheck(*this, now);
}

Verdict<VerifiedChain> verify_chain(std::span<const Certificate> chain, std::span<const Certificate> anchors,
                                    const Purpose& purpose, const TimeRule& time, const VerifiedCrl* root_crl) {
  Verdict<VerifiedChain> verified = PathCheck(chain, anchors, purpose, time).run();
  if (!verified || root_crl == nullptr) return verified;
  if (auto ok = check_path_against_crl(*verified, *root_crl); !ok) return std::unexpected(std::move(ok).error());
  return verified;
}

Verdict<std::vector<Certificate>> parse_chain(std::span<const Bytes> der) {
  if (der.size() > kMaxChainCertificates) {
    return refuse(Reason::chain_too_long,
                  fmt::format("chain: {} certificates, want at most {}", der.size(), kMaxChainCertificates));
  }
  std::size_t bytes = 0;
  for (const Bytes& one : der) bytes += one.size();
  if (bytes > kMaxChainBytes) {
    return refuse(Reason::chain_too_long, fmt::format("chain: {} bytes, want at most {}", bytes, kMaxChainBytes));
  }
  std::vector<Certificate> out;
  for (const Bytes& one : der) {
    auto certificate = parse_certificate(one);
    if (!certificate) {
      const Reason reason = certificate.error().code == Errc::unauthorized ? Reason::weak_algorithm : Reason::malformed;
      return refuse(reason, std::move(certificate).error().detail);
    }
    out.push_back(*std::move(certificate));
  }
  return out;
}

Verdict<void> check_path_against_crl(const VerifiedChain& chain, const VerifiedCrl& root_crl) {
  const auto& path = chain.path();
  if (root_crl.crl().delta_base()) return refuse(Reason::crl_unusable, "root CRL: a delta, want a full one");
  bool judged = path.size() <= 2;
  for (std::size_t i = 1; i + 1 < path.size(); ++i) {
    const bool is_its_issuer =
        path[i].issuer() == root_crl.issuer().subject() && path[i + 1].public_key() == root_crl.issuer().public_key();
    if (!is_its_issuer) continue;
    judged = judged || i == 1;
    if (const RevokedEntry* entry = root_crl.crl().find(path[i].serial())) {
      return refuse(Reason::ca_revoked,
                    fmt::format("CA {}: revoked {}", path[i].serial().hex(), to_iso8601(entry->revoked_at)));
    }
  }
  if (!judged) return refuse(Reason::crl_unusable, "root CRL: of another issuer than the CA's");
  return {};
}

}  // namespace sallyport::pki
