#include "pki/issue.h"

#include <algorithm>

#include "pki/detail/algorithm.h"
#include "pki/detail/certificate_state.h"
#include "pki/detail/extension_writer.h"
#include "pki/detail/names.h"
#include "pki/detail/rules.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;

constexpr std::uint64_t kVersion3 = 2;
// A clock may have been set back a little between choosing a validity and signing it.
constexpr seconds kSigningSkew{300};

// Who issues: the certificate of another CA, or the new certificate's own subject and key.
struct IssuerSide {
  const Certificate* certificate = nullptr;  // absent: self-signed
  DistinguishedName name;
  crypto::PublicKey key;
  Bytes key_id;
};

Result<void> check_fields(const Profile& profile, const CertificateFields& fields, UnixTime now) {
  const auto broken = [&](std::string_view what) {
    return failf(Errc::unauthorized, "{} certificate: {}", profile.name, what);
  };
  if (!fields.serial.is_drawn_form()) return broken("a serial that was not drawn");
  const Validity& validity = fields.validity;
  const bool in_range = validity.not_before.since_epoch() >= 0 && validity.not_before < validity.not_after &&
                        validity.not_after <= kNoExpiry;
  if (!in_range) return broken("a validity out of range");
  if (validity.not_before + kBackdating + kSigningSkew < now || validity.not_before > now + kSigningSkew) {
    return broken("a validity that does not begin about now");
  }
  if (validity.not_after <= now) return broken("a validity that has ended");
  const bool names_allowed =
      profile.names != NameRule::none && profile.names != NameRule::subtrees && profile.names != NameRule::person;
  if (!names_allowed && !fields.dns_names.empty()) return broken("DNS names");
  if (fields.dns_names.size() > kMaxServerNames || fields.permitted_dns.size() > kMaxServerNames)
    return broken("too many names");
  if (profile.names != NameRule::subtrees && !fields.permitted_dns.empty()) return broken("permitted subtrees");
  if (profile.names == NameRule::person && !detail::is_login(fields.common_name))
    return broken("a common name that is no login");
  for (const auto* list : {&fields.ocsp_urls, &fields.crl_urls, &fields.ca_issuer_urls}) {
    if (list->size() > kMaxUrls) return broken("too many URLs");
    for (const std::string& url : *list) {
      if (std::ranges::any_of(url, [](char c) { return c <= 0x20 || c >= 0x7F; }))
        return broken("a URL with foreign characters");
    }
  }
  return {};
}

Bytes encode_uses(const Profile& profile) {
  std::vector<Oid> uses;
  for (const ExtendedUse use : profile.extended_uses) uses.push_back(oid_of(use));
  return detail::encode_extended_key_usage(uses);
}

AlternativeNames alternative_names(const Profile& profile, const CertificateFields& fields, const IssuerSide& issuer) {
  AlternativeNames names;
  names.dns = fields.dns_names;
  if (profile.names != NameRule::person || issuer.certificate == nullptr) return names;
  const auto trees = detail::permitted_subtrees(*issuer.certificate);
  if (!trees.empty()) names.uri.push_back(detail::person_uri(trees[0], fields.common_name));
  return names;
}

Bytes encode_extensions(const Profile& profile, const CertificateFields& fields, const IssuerSide& issuer) {
  Bytes out = detail::encode_subject_key_id(key_identifier(fields.public_key));
  append(out, detail::encode_authority_key_id(issuer.key_id));
  append(out, detail::encode_key_usage(profile.key_usage));
  if (profile.is_ca()) {
    append(out, detail::encode_basic_constraints({.ca = true, .path_length = profile.path_length}));
  }
  if (!profile.extended_uses.empty()) append(out, encode_uses(profile));
  if (profile.is_ca() && profile.ca_kind != CaKind::root)
    append(out, detail::encode_policy(policy_of(*profile.ca_kind)));
  if (!profile.is_ca() && !issuer.certificate->extensions().policies.empty()) {
    append(out, detail::encode_policy(issuer.certificate->extensions().policies.front()));
  }
  if (!fields.permitted_dns.empty()) append(out, detail::encode_name_constraints(fields.permitted_dns));
  const AlternativeNames names = alternative_names(profile, fields, issuer);
  if (names.count() != 0) append(out, detail::encode_alternative_names(names, false));
  if (!fields.crl_urls.empty()) append(out, detail::encode_crl_urls(fields.crl_urls));
  if (!fields.ocsp_urls.empty() || !fields.ca_issuer_urls.empty()) {
    append(out, detail::encode_information_access(fields.ocsp_urls, fields.ca_issuer_urls));
  }
  if (profile.ocsp_no_check) append(out, detail::encode_no_check());
  if (fields.next_root_key) append(out, detail::encode_next_root_key(*fields.next_root_key));
  return out;
}

Bytes encode_tbs(const Profile& profile, const CertificateFields& fields, const DistinguishedName& subject,
                 const IssuerSide& issuer) {
  const Bytes extensions = der::encode(der::Tag::sequence, encode_extensions(profile, fields, issuer));
  return der::encode_sequence({
      der::encode(der::context_constructed(0), der::encode_small_unsigned(kVersion3)),
      der::encode(der::Tag::integer, fields.serial.content()),
      detail::encode_signature_algorithm(signature_scheme_of(issuer.key)),
      issuer.name.der(),
      der::encode_sequence({der::encode_time(fields.validity.not_before), der::encode_time(fields.validity.not_after)}),
      subject.der(),
      fields.public_key.spki(),
      der::encode(der::context_constructed(3), extensions),
  });
}

// Builds, then reads back with the parser that everybody uses, then judges what was read.
Result<Certificate> build_and_lint(const Profile& profile, const CertificateFields& fields,
                                   const DistinguishedName& subject, const IssuerSide& issuer, UnixTime now) {
  TRY_VOID(check_fields(profile, fields, now));
  const Bytes tbs = encode_tbs(profile, fields, subject, issuer);
  const Bytes unsigned_form = detail::encode_signed(tbs, signature_scheme_of(issuer.key), {});
  TRY(Certificate parsed, detail::parse_certificate_with_key(unsigned_form, &fields.public_key));
  if (auto ok = detail::check_profile(profile, parsed, issuer.certificate); !ok)
    return std::unexpected(std::move(ok).error().error);
  return parsed;
}

}  // namespace

ByteView LintedCertificate::tbs() const {
  return unsigned_form_.tbs();
}
const SerialNumber& LintedCertificate::serial() const {
  return unsigned_form_.serial();
}

Validity choose_validity(const Profile& profile, const Certificate* issuer, UnixTime now, seconds lifetime) {
  Validity out{.not_before = now - kBackdating, .not_after = kNoExpiry};
  const seconds longest = std::min(lifetime, profile.longest);
  if (longest < kNoExpiry - now) out.not_after = now + longest;
  if (issuer != nullptr) {
    out.not_before = std::max(out.not_before, issuer->validity().not_before);
    out.not_after = std::min(out.not_after, issuer->validity().not_after);
  }
  return out;
}

Result<LintedCertificate> prepare(const Profile& profile, const CertificateFields& fields, const Certificate& issuer,
                                  UnixTime now) {
  if (!profile.issuer) return failf(Errc::unauthorized, "{} certificate: signs itself, found an issuer", profile.name);
  const Validity& validity = issuer.validity();
  if (now < validity.not_before || now > validity.not_after) {
    return failf(Errc::unauthorized, "{} certificate: its issuer is not valid now", profile.name);
  }
  TRY(const DistinguishedName subject, DistinguishedName::of(fields.common_name, fields.organization));
  const auto& issuer_key_id = issuer.extensions().subject_key_id;
  const IssuerSide side{.certificate = &issuer,
                        .name = issuer.subject(),
                        .key = issuer.public_key(),
                        .key_id = issuer_key_id ? *issuer_key_id : key_identifier(issuer.public_key())};
  TRY(Certificate linted, build_and_lint(profile, fields, subject, side, now));
  return LintedCertificate(profile.id, std::move(linted), issuer.public_key());
}

Result<LintedCertificate> prepare_self_signed(const Profile& profile, const CertificateFields& fields, UnixTime now) {
  if (profile.issuer) return failf(Errc::unauthorized, "{} certificate: needs an issuer, found none", profile.name);
  TRY(const DistinguishedName subject, DistinguishedName::of(fields.common_name, fields.organization));
  const IssuerSide side{
      .certificate = nullptr, .name = subject, .key = fields.public_key, .key_id = key_identifier(fields.public_key)};
  TRY(Certificate linted, build_and_lint(profile, fields, subject, side, now));
  return LintedCertificate(profile.id, std::move(linted), fields.public_key);
}

Result<Bytes> sign_certificate(LintedCertificate&& linted, crypto::SigningKey& key) {
  const LintedCertificate used = std::move(linted);
  if (!(key.public_key() == used.issuer_key_)) return fail(Errc::conflict, "certificate: the key is not the issuer's");
  const crypto::SignatureScheme scheme = used.unsigned_form_.signature_scheme();
  if (key.scheme() != scheme)
    return fail(Errc::conflict, "certificate: the key signs by another scheme than was linted");
  TRY(const Bytes signature, key.sign(used.tbs()));
  return detail::encode_signed(used.tbs(), scheme, signature);
}

Result<Certificate> issue(LintedCertificate&& linted, crypto::SigningKey& key) {
  const crypto::PublicKey subject = linted.unsigned_form_.public_key();
  TRY(const Bytes der, sign_certificate(std::move(linted), key));
  return detail::parse_certificate_with_key(der, &subject);
}

Result<void> lint(const Profile& profile, const Certificate& certificate, const Certificate* issuer) {
  if (profile.issuer.has_value() != (issuer != nullptr)) {
    return failf(Errc::unauthorized, "{} certificate: {}", profile.name,
                 issuer == nullptr ? "no issuer" : "an issuer, want none");
  }
  if (auto ok = detail::check_profile(profile, certificate, issuer); !ok)
    return std::unexpected(std::move(ok).error().error);
  return {};
}

std::string ca_common_name(std::string_view ca_name, std::string_view installation) {
  return fmt::format("Sallyport {} {}", ca_name, installation);
}

}  // namespace sallyport::pki
