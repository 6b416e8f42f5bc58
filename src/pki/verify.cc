#include "pki/verify.h"

#include <algorithm>

#include "codec/text.h"
#include "pki/detail/names.h"
#include "pki/detail/path_search.h"
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

// Leaf, its CA, perhaps links, root: each by its profile.
Verdict<void> check_tree(const std::vector<Certificate>& path, const Profile& leaf, CaKind issuer) {
  if (path.size() < 3) return refuse(Reason::policy, "chain: no CA between leaf and root");
  if (auto ok = detail::check_profile(leaf, path[0], &path[1]); !ok) return ok;
  if (auto ok = detail::check_profile(profile(ca_profile_of(issuer)), path[1], &path[2]); !ok) return ok;
  for (std::size_t i = 2; i + 1 < path.size(); ++i) {
    if (auto ok = detail::check_profile(profile(ProfileId::root_link), path[i], &path[i + 1]); !ok) return ok;
  }
  return {};
}

PathRules rules_of(const Purpose& purpose, const TimeRule& time) {
  const bool is_foreign = std::holds_alternative<ForeignServerPurpose>(purpose);
  PathRules out{.time = time,
                .extended_uses = {},
                .extended_use_needed = true,
                .any_use_counts = is_foreign,
                .leaf_key_usage = kDigitalSignature,
                .host = std::nullopt,
                .policies = {}};
  for (const ExtendedUse use : profile(leaf_profile_of(purpose)).extended_uses)
    out.extended_uses.push_back(oid_of(use));
  return out;
}

}  // namespace

// What a purpose demands of a path that is sound by RFC 5280.
class PathCheck {
 public:
  PathCheck(const std::vector<Certificate>& path, const Purpose& purpose) : path_(path), purpose_(purpose) {}

  Verdict<Identity> run() const {
    if (!std::holds_alternative<ForeignServerPurpose>(purpose_)) {
      const Profile& leaf = profile(leaf_profile_of(purpose_));
      if (auto ok = check_tree(path_, leaf, *leaf.issuer); !ok) return std::unexpected(std::move(ok).error());
    }
    return extract_identity();
  }

  static VerifiedChain make(std::vector<Certificate> path, Identity identity, bool deferred) {
    return {std::move(path), std::move(identity), deferred};
  }

  static Verdict<VerifiedChain> recheck(const VerifiedChain& chain, UnixTime now) {
    for (const Certificate& certificate : chain.path()) {
      if (auto ok = detail::check_validity(certificate, TimeRule::clock(now)); !ok)
        return std::unexpected(std::move(ok).error());
    }
    return VerifiedChain(chain.path(), chain.identity(), false);
  }

 private:
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
      if (detail::matches_host(codec::lower_case(name), purpose.name.get()))
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

  const std::vector<Certificate>& path_;
  const Purpose& purpose_;
};

Verdict<VerifiedChain> VerifiedChain::recheck_validity(UnixTime now) const {
  return PathCheck::recheck(*this, now);
}

Verdict<VerifiedChain> verify_chain(std::span<const Certificate> chain, std::span<const Certificate> anchors,
                                    const Purpose& purpose, const TimeRule& time, const RootCrls& root_crls) {
  if (chain.empty()) return refuse(Reason::chain_empty, "chain: no certificate");
  if (chain.size() > kMaxChainCertificates) {
    return refuse(Reason::chain_too_long,
                  fmt::format("chain: {} certificates, want at most {}", chain.size(), kMaxChainCertificates));
  }
  const PathRules rules = rules_of(purpose, time);
  const PathSource source{.others = chain.subspan(1), .anchors = anchors, .crls = {}};
  Work work;
  std::optional<VerifiedChain> verified;
  const auto accept = [&](const std::vector<Certificate>& path) -> Verdict<void> {
    auto identity = PathCheck(path, purpose).run();
    if (!identity) return std::unexpected(std::move(identity).error());
    verified = PathCheck::make(path, *std::move(identity), !time.is_clock());
    return root_crls.are_asked() ? check_path_against_crls(*verified, root_crls.crls()) : Verdict<void>();
  };
  auto path = detail::PathSearch(chain.front(), source, rules, work).run(accept, false);
  if (!path) return std::unexpected(std::move(path).error());
  return *std::move(verified);
}

std::optional<ProfileId> find_profile(const std::vector<Certificate>& path) {
  if (path.empty()) return std::nullopt;
  const bool is_anchored = path.size() == 1 || detail::check_profile(profile(ProfileId::root), path.back(), nullptr);
  for (const Profile& row : all_profiles()) {
    if (!row.issuer) {
      if (path.size() == 1 && detail::check_profile(row, path[0], nullptr)) return row.id;
    } else if (row.is_ca()) {
      if (path.size() == 2 && is_anchored && detail::check_profile(row, path[0], &path[1])) return row.id;
    } else if (path.size() > 2 && is_anchored) {
      const auto kind = detail::ca_kind_by_policy(path[1]);
      if (kind && check_tree(path, row, *kind)) return row.id;
    }
  }
  return std::nullopt;
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

Verdict<void> check_path_against_crls(const VerifiedChain& chain, std::span<const VerifiedCrl> root_crls) {
  const auto& path = chain.path();
  bool judged = path.size() <= 2;
  for (std::size_t i = 1; i + 1 < path.size(); ++i) {
    for (const VerifiedCrl& root_crl : root_crls) {
      if (root_crl.crl().delta_base()) return refuse(Reason::crl_unusable, "root CRL: a delta, want a full one");
      const bool is_its_issuer =
          path[i].issuer() == root_crl.issuer().subject() && path[i + 1].public_key() == root_crl.issuer().public_key();
      if (!is_its_issuer) continue;
      judged = judged || i == 1;
      if (const RevokedEntry* entry = root_crl.crl().find(path[i].serial())) {
        return refuse(Reason::ca_revoked,
                      fmt::format("CA {}: revoked {}", path[i].serial().hex(), to_iso8601(entry->revoked_at)));
      }
    }
  }
  if (!judged) return refuse(Reason::crl_unusable, "root CRL: of another issuer than the CA's");
  return {};
}

std::vector<VerifiedCrl> verify_root_crls(std::span<const Crl> crls, std::span<const Certificate> roots,
                                          const TimeRule& time) {
  std::vector<VerifiedCrl> out;
  for (const Crl& crl : crls) {
    for (const Certificate& root : roots) {
      auto verified = verify_crl(crl, root, time);
      if (!verified) continue;
      out.push_back(*std::move(verified));
      break;
    }
  }
  return out;
}

}  // namespace sallyport::pki
