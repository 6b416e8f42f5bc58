#include "pki/detail/rules.h"

#include <algorithm>

#include "pki/detail/extension_writer.h"
#include "pki/detail/name_constraints.h"
#include "pki/detail/names.h"
#include "pki/oids.h"
#include "pki/root_chain.h"

namespace sallyport::pki::detail {
namespace {

constexpr std::size_t kMaxLogin = 64;

Verdict<void> refuse_as(const Profile& profile, Reason reason, std::string_view what) {
  return refuse(reason, fmt::format("{} certificate: {}", profile.name, what));
}

#define REQUIRE(condition, reason, what) \
  if (!(condition)) return refuse_as(profile, Reason::reason, what)

Verdict<void> check_issuer(const Profile& profile, const Certificate& issuer) {
  REQUIRE(issuer.extensions().is_ca(), not_a_ca, "its issuer is no CA");
  REQUIRE(issuer.extensions().allows_use(kKeyCertSign), key_usage, "its issuer may not sign certificates");
  if (profile.issuer == CaKind::root) {
    REQUIRE(!ca_kind_by_policy(issuer), policy, "its issuer is not a root");
    return {};
  }
  auto kind = ca_kind_by_policy(issuer);
  if (!kind) return std::unexpected(std::move(kind).error());
  if (profile.from_any_online_ca) {
    REQUIRE(*kind != CaKind::local, policy, "a factory CA has no status of its own to tell");
    return {};
  }
  REQUIRE(kind == profile.issuer, policy,
          fmt::format("its issuer is {}, want {}", to_string(*kind), to_string(*profile.issuer)));
  return {};
}

Verdict<void> check_policy(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  const std::vector<Oid>& found = certificate.extensions().policies;
  const Extensions& extensions = certificate.extensions();
  REQUIRE(extensions.policy_mappings.empty() && !extensions.policy_constraints && !extensions.inhibit_any_policy,
          policy, "rules about policies");
  if (profile.ca_kind == CaKind::root) {
    REQUIRE(found.empty(), policy, "a root has a policy");
    return {};
  }
  REQUIRE(found.size() == 1, policy, fmt::format("{} policies, want one", found.size()));
  if (profile.is_ca()) {
    REQUIRE(found.front() == policy_of(*profile.ca_kind), policy, "another CA's policy");
  } else {
    REQUIRE(issuer->extensions().policies == found, policy, "not its issuer's policy");
  }
  return {};
}

Verdict<void> check_uses(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  const Extensions& found = certificate.extensions();
  if (profile.is_ca()) {
    REQUIRE(found.is_ca(), not_a_ca, "no CA");
    REQUIRE(found.basic_constraints->path_length == profile.path_length, path_length, "another path length");
  } else {
    REQUIRE(!found.is_ca(), leaf_is_a_ca, "a CA");
  }
  REQUIRE(found.key_usage == profile.key_usage, key_usage, "another key usage");
  const std::size_t uses = found.extended_key_usage ? found.extended_key_usage->size() : 0;
  REQUIRE(uses == profile.extended_uses.size(), extended_key_usage, fmt::format("{} extended key usages", uses));
  for (const ExtendedUse use : profile.extended_uses) {
    REQUIRE(found.has_extended_key_usage(oid_of(use)), extended_key_usage, "another extended key usage");
    const bool issuer_may = issuer == nullptr || !issuer->extensions().extended_key_usage ||
                            issuer->extensions().has_extended_key_usage(oid_of(use));
    REQUIRE(issuer_may, extended_key_usage, "an extended key usage that its issuer does not have");
  }
  REQUIRE(found.ocsp_no_check == profile.ocsp_no_check, policy, "ocsp-nocheck");
  REQUIRE(found.unknown_critical.empty(), unknown_critical, "an unknown critical extension");
  return {};
}

Verdict<void> check_key(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  using crypto::KeyType;
  const KeyType type = certificate.public_key().type();
  REQUIRE(!profile.is_ca() || type == KeyType::p256 || type == KeyType::p384, weak_algorithm,
          "a CA key that is not P-256 or P-384");
  const Extensions& found = certificate.extensions();
  REQUIRE(found.subject_key_id == key_identifier(certificate.public_key()), key_id_mismatch, "subject key identifier");
  const Bytes wanted = issuer == nullptr                     ? *found.subject_key_id
                       : issuer->extensions().subject_key_id ? *issuer->extensions().subject_key_id
                                                             : key_identifier(issuer->public_key());
  REQUIRE(found.authority_key_id == wanted, key_id_mismatch, "authority key identifier");
  REQUIRE(certificate.issuer() == (issuer == nullptr ? certificate.subject() : issuer->subject()), issuer_mismatch,
          "issuer name");
  REQUIRE(certificate.subject().common_name().has_value(), identity, "no common name");
  return {};
}

Verdict<void> check_validity(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  const Validity& own = certificate.validity();
  if (profile.longest != kUnlimited) {
    REQUIRE(own.not_after - own.not_before <= profile.longest + kBackdating, policy, "a lifetime too long");
  }
  // A link ends with the root above it, which need not hold back what the new root signs for longer.
  if (issuer == nullptr || is_root_link(*issuer)) return {};
  const Validity& outer = issuer->validity();
  REQUIRE(own.not_before >= outer.not_before && own.not_after <= outer.not_after, policy,
          "a lifetime outside its issuer's");
  return {};
}

Verdict<void> check_urls(const Profile& profile, const Certificate& certificate) {
  constexpr std::size_t kMaxUrl = 256;
  const Extensions& found = certificate.extensions();
  const bool none = found.ocsp_urls.empty() && found.crl_urls.empty() && found.ca_issuer_urls.empty();
  REQUIRE(none || (profile.issuer && !profile.ocsp_no_check), policy, "URLs");
  for (const auto* list : {&found.ocsp_urls, &found.crl_urls, &found.ca_issuer_urls}) {
    for (const std::string& url : *list) {
      REQUIRE(url.starts_with("http://") && url.size() <= kMaxUrl, policy, "a URL that is not http://");
    }
  }
  return {};
}

Verdict<void> check_root_pin(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  if (profile.ca_kind != CaKind::root) {
    REQUIRE(!certificate.extensions().next_root_key, policy, "a next root's key");
  } else if (issuer != nullptr) {
    REQUIRE(issuer->extensions().next_root_key == certificate.spki_sha256(), root_link,
            "a key that the old root does not pin");
  }
  return {};
}

// Whether `constraints` are on DNS names, addresses and mailboxes alone.
bool are_of_our_forms(const NameConstraints& constraints) {
  const auto has_foreign = [](const Subtrees& side) {
    return side.unread_forms != 0 || !side.uri.empty() || !side.directory.empty();
  };
  return !has_foreign(constraints.permitted) && !has_foreign(constraints.excluded);
}

Verdict<void> check_subtrees(const Profile& profile, const Certificate& certificate) {
  const auto& constraints = certificate.extensions().name_constraints;
  if (profile.names != NameRule::subtrees) {
    REQUIRE(!constraints, name_constraint, "name constraints");
    return {};
  }
  REQUIRE(constraints.has_value(), name_constraint, "no name constraints");
  const std::size_t count = constraints->permitted.dns.size();
  const std::size_t most = profile.several_subtrees ? kMaxServerNames : 1;
  REQUIRE(count >= 1 && count <= most, name_constraint,
          fmt::format("{} permitted subtrees, want 1 to {}", count, most));
  for (const std::string& tree : constraints->permitted.dns) {
    REQUIRE(parse_dns_name(tree).has_value(), name_constraint, "a permitted subtree that is no name of ours");
  }
  REQUIRE(constraints->excluded.dns.empty() && constraints->permitted.ip.empty() && are_of_our_forms(*constraints),
          name_constraint, "other constraints than permitted DNS names and mailboxes, excluded addresses");
  REQUIRE(constraints->excluded.ip.size() == 2, name_constraint, "addresses not excluded");
  REQUIRE(constraints->permitted.email == std::vector<std::string>{std::string(kNoMailHost)} &&
              constraints->excluded.email.empty(),
          name_constraint, "mailboxes constrained otherwise than to those of no host");
  return {};
}

bool is_name_set(NameRule rule, const AlternativeNames& names, std::string_view tree) {
  const auto& dns = names.dns;
  switch (rule) {
    case NameRule::factory_device:
      return dns.size() == 1 && parse_serial_id(label_before(dns[0], tree)).has_value();
    case NameRule::operational_device:
      return dns.size() == 1 && parse_device_name(label_before(dns[0], tree)).has_value();
    case NameRule::web_device:
      return dns.size() == 2 && parse_device_name(label_before(dns[0], tree)).has_value() && dns[1] == "*." + dns[0];
    case NameRule::role:
      return dns.size() == 1 && parse_serial_id(label_before(dns[0], tree)).has_value();
    case NameRule::person:
      return dns.empty() && names.uri.size() == 1 && !login_in(names.uri[0], tree).empty();
    case NameRule::none:
    case NameRule::subtrees:
    case NameRule::server:
      break;
  }
  return false;
}

bool are_server_names(const std::vector<std::string>& dns, std::span<const std::string> trees) {
  if (dns.empty() || dns.size() > kMaxServerNames) return false;
  return std::ranges::all_of(dns, [&](const std::string& name) {
    return parse_dns_name(name).has_value() &&
           std::ranges::any_of(trees, [&](const std::string& tree) { return is_within(name, tree); });
  });
}

Verdict<void> check_names(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  const auto& names = certificate.extensions().alternative_names;
  if (profile.names == NameRule::none || profile.names == NameRule::subtrees) {
    REQUIRE(!names, alternative_names, "alternative names, want none");
    return {};
  }
  REQUIRE(names.has_value(), alternative_names, "no alternative name");
  REQUIRE(!names->has_other() && names->ip.empty() && names->email.empty(), alternative_names,
          "names of a foreign form");
  REQUIRE(names->uri.empty() || profile.names == NameRule::person, alternative_names, "a URI");
  const auto trees = permitted_subtrees(*issuer);
  if (profile.names == NameRule::server) {
    REQUIRE(are_server_names(names->dns, trees), alternative_names, "names that are not its issuer's to give");
    return {};
  }
  REQUIRE(trees.size() == 1, name_constraint, "an issuer without one namespace");
  REQUIRE(is_name_set(profile.names, *names, trees[0]), alternative_names,
          "not exactly the names of its kind in its issuer's namespace");
  return {};
}

#undef REQUIRE

}  // namespace

Verdict<CaKind> ca_kind_by_policy(const Certificate& certificate) {
  const auto& policies = certificate.extensions().policies;
  if (policies.size() != 1)
    return refuse(Reason::policy, fmt::format("CA: {} policies, want one of ours", policies.size()));
  for (unsigned i = 1; i <= static_cast<unsigned>(CaKind::control); ++i) {
    if (policies.front() == policy_of(static_cast<CaKind>(i))) return static_cast<CaKind>(i);
  }
  return refuse(Reason::policy, "CA: a policy that is none of ours");
}

std::span<const std::string> permitted_subtrees(const Certificate& ca) {
  const auto& constraints = ca.extensions().name_constraints;
  if (!constraints) return {};
  return constraints->permitted.dns;
}

std::string person_uri(std::string_view name_space, std::string_view login) {
  return fmt::format("https://{}/{}", name_space, login);
}

bool is_login(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789._@+-";
  return !text.empty() && text.size() <= kMaxLogin && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string_view login_in(std::string_view uri, std::string_view name_space) {
  const std::string prefix = person_uri(name_space, "");
  if (!uri.starts_with(prefix)) return {};
  const std::string_view login = uri.substr(prefix.size());
  return is_login(login) ? login : std::string_view{};
}

std::string_view label_before(std::string_view name, std::string_view subtree) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || name.substr(dot + 1) != subtree) return {};
  return name.substr(0, dot);
}

namespace {

Verdict<void> check_rules(const Profile& profile, const Certificate& certificate, const Certificate* issuer,
                          bool with_validity) {
  SALLYPORT_CHECK(profile.issuer.has_value() == (issuer != nullptr));
  if (issuer != nullptr) {
    if (auto ok = check_issuer(profile, *issuer); !ok) return ok;
  }
  using Check = Verdict<void> (*)(const Profile&, const Certificate&, const Certificate*);
  for (const Check check : {Check(check_uses), Check(check_policy), Check(check_key), Check(check_validity),
                            Check(check_root_pin), Check(check_names)}) {
    if (check == Check(check_validity) && !with_validity) continue;
    if (auto ok = check(profile, certificate, issuer); !ok) return ok;
  }
  if (auto ok = check_subtrees(profile, certificate); !ok) return ok;
  return check_urls(profile, certificate);
}

}  // namespace

Verdict<void> check_profile(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  return check_rules(profile, certificate, issuer, true);
}

Verdict<void> check_profile_apart_from_time(const Profile& profile, const Certificate& certificate,
                                            const Certificate* issuer) {
  return check_rules(profile, certificate, issuer, false);
}

}  // namespace sallyport::pki::detail
