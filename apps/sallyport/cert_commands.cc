// sallyport cert verify, sallyport cert show: any certificates, ours or not, without an installation.
#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "certificate_text.h"
#include "codec/text.h"
#include "commands.h"
#include "json_output.h"
#include "pki/oids.h"
#include "pki/profile.h"
#include "pki/verify.h"
#include "table.h"

namespace sallyport::cli {
namespace {

using codec::Json;

struct Use {
  std::string_view word;
  std::string_view words;  // "for …"
  std::optional<pki::ExtendedUse> use;
  std::uint32_t key_usage = 0;
  bool must_be_named = false;
};

constexpr std::uint32_t kKeyAgreement = 1U << 4U;
constexpr std::uint32_t kTls = pki::kDigitalSignature | pki::kKeyEncipherment | kKeyAgreement;
constexpr std::array kUses = {
    Use{"any", "for any use", std::nullopt},
    Use{"server", "as a TLS server's", pki::ExtendedUse::server_auth, kTls},
    Use{"client", "as a TLS client's", pki::ExtendedUse::client_auth, pki::kDigitalSignature | kKeyAgreement},
    Use{"ocsp-signing", "for OCSP signing", pki::ExtendedUse::ocsp_signing, pki::kDigitalSignature, true},
    Use{"ca", "as a CA's", std::nullopt, pki::kKeyCertSign},
    Use{"grant", "for access grants", pki::ExtendedUse::grant, pki::kDigitalSignature, true},
    Use{"snapshot", "for snapshots", pki::ExtendedUse::snapshot, pki::kDigitalSignature, true},
    Use{"permit", "for site permits", pki::ExtendedUse::permit, pki::kDigitalSignature, true},
    Use{"licence", "for licences", pki::ExtendedUse::licence, pki::kDigitalSignature, true},
};

// Everything that one verification is about.
struct Inquiry {
  CertificateFile chain;
  std::vector<pki::Certificate> anchors;
  std::vector<pki::Crl> crls;
  std::vector<std::string> notes;  // what was given and is of no use
  const Use* use = nullptr;
  std::string host;
  UnixTime at;
  pki::PathRules rules;
};

Result<UnixTime> parse_time(std::string_view text) {
  constexpr std::size_t kDateLength = 10;
  if (text.size() == kDateLength) return parse_iso8601(std::string(text) + "T00:00:00Z");
  return parse_iso8601(text);
}

Result<pki::HostName> parse_host(const std::string& text) {
  Bytes address(16);
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return pki::HostName(std::move(address));
  address.resize(4);
  if (inet_pton(AF_INET, text.c_str(), address.data()) == 1) return pki::HostName(std::move(address));
  auto name = parse_dns_name(text);
  if (!name) return failf(Errc::malformed, "--name: {}: want a host name in lower case or an IP address", text);
  return pki::HostName(*std::move(name));
}

Result<pki::Oid> parse_policy(std::string_view text) {
  const bool is_dotted = !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos &&
                         text.front() != '.' && text.back() != '.' && text.find("..") == std::string_view::npos &&
                         text.find('.') != std::string_view::npos && text.size() <= 64;
  if (!is_dotted) return failf(Errc::malformed, "--policy: {}: want an OID in dotted form", text);
  return pki::Oid::of(text);
}

Result<void> read_rules(const Arguments& arguments, const Clock& clock, Inquiry& inquiry) {
  const std::string purpose = arguments.text("purpose");
  const auto use = std::ranges::find(kUses, purpose, &Use::word);
  if (use == kUses.end())
    return failf(Errc::malformed, "--purpose: {}: want any, server, client, ocsp-signing, ca, …", purpose);
  inquiry.use = &*use;
  inquiry.at = clock.now();
  if (const auto at = arguments.find("at")) {
    auto parsed = parse_time(*at);
    if (!parsed) return failf(Errc::malformed, "--at: {}: want 2026-06-01 or 2026-06-01T12:00:00Z", *at);
    inquiry.at = *parsed;
  }
  pki::PathRules& rules = inquiry.rules;
  rules.time = pki::TimeRule::clock(inquiry.at);
  if (use->use) rules.extended_uses = {pki::oid_of(*use->use)};
  rules.extended_use_needed = use->must_be_named;
  rules.any_use_counts = !use->must_be_named;
  rules.leaf_key_usage = use->key_usage;
  rules.leaf_may_be_ca = purpose == "any" || purpose == "ca";
  if (const auto host = arguments.find("name")) {
    inquiry.host = *host;
    TRY(rules.host, parse_host(*host));
  }
  for (const std::string& policy : arguments.list("policy")) {
    TRY(auto accepted, parse_policy(policy));
    rules.policies.accepted.push_back(std::move(accepted));
  }
  rules.policies.explicit_required = arguments.flag("explicit-policy") || !rules.policies.accepted.empty();
  rules.policies.inhibit_mapping = arguments.flag("no-policy-mapping");
  rules.policies.inhibit_any = arguments.flag("no-any-policy");
  return {};
}

void note_unusable(CertificateFile& file, std::vector<std::string>& notes) {
  for (const Error& error : file.unusable) notes.push_back(error.detail);
}

Result<void> read_files(const Arguments& arguments, Inquiry& inquiry) {
  bool is_first = true;
  for (const std::string& path : arguments.list("FILE")) {
    TRY(auto file, read_certificate_file(path));
    if (is_first) {
      inquiry.chain = std::move(file);
      is_first = false;
      continue;
    }
    note_unusable(file, inquiry.notes);
    std::ranges::move(file.certificates, std::back_inserter(inquiry.chain.certificates));
  }
  if (!inquiry.chain.first_is_unusable) note_unusable(inquiry.chain, inquiry.notes);
  for (const std::string& path : arguments.list("anchor")) {
    TRY(auto file, read_certificate_file(path));
    note_unusable(file, inquiry.notes);
    std::ranges::move(file.certificates, std::back_inserter(inquiry.anchors));
  }
  if (inquiry.anchors.empty()) return fail(Errc::malformed, "--anchor: no certificate in it can be used");
  for (const std::string& path : arguments.list("crl")) {
    TRY(auto crls, read_crl_file(path));
    std::ranges::move(crls, std::back_inserter(inquiry.crls));
  }
  if (arguments.flag("crl-all")) {
    inquiry.rules.revocation = pki::RevocationRule::required;
  } else if (!inquiry.crls.empty()) {
    inquiry.rules.revocation = pki::RevocationRule::where_given;
  }
  return {};
}

pki::Verdict<pki::VerifiedPath> judge(const Inquiry& inquiry) {
  if (inquiry.chain.first_is_unusable) {
    const Error& why = inquiry.chain.unusable.front();
    return pki::refuse(why.code == Errc::unauthorized ? pki::Reason::weak_algorithm : pki::Reason::malformed,
                       why.detail);
  }
  const auto& all = inquiry.chain.certificates;
  if (inquiry.rules.leaf_may_be_ca && inquiry.use->word == "ca" && !all.front().extensions().is_ca())
    return pki::refuse(pki::Reason::not_a_ca, "leaf: is no CA");
  const pki::PathSource source{.others = std::span(all).subspan(1), .anchors = inquiry.anchors, .crls = inquiry.crls};
  return pki::verify_path(all.front(), source, inquiry.rules);
}

std::string question_of(const Inquiry& inquiry) {
  const std::string host = inquiry.host.empty() ? "" : " for " + inquiry.host;
  return fmt::format("{}{}, at {}", inquiry.use->words, host, to_iso8601(inquiry.at));
}

void print_line(std::size_t depth, const pki::Certificate& certificate, std::string_view what) {
  const std::string indent = depth == 0 ? "" : std::string((depth - 1) * 3, ' ') + "└─ ";
  std::string names;
  if (!certificate.extensions().is_ca()) names = fmt::format("{}", fmt::join(names_of(certificate), ", "));
  fmt::print("{}{}{}\n", indent, shown(title_of(certificate)), what.empty() ? "" : fmt::format("  [{}]", what));
  const std::string margin(depth * 3, ' ');
  fmt::print("{}   {}, serial {}, {} to {}\n", margin, key_of(certificate), certificate.serial().hex(),
             to_iso8601(certificate.validity().not_before), to_iso8601(certificate.validity().not_after));
  if (!names.empty()) fmt::print("{}   {}\n", margin, shown(names));
}

void print_path(const std::vector<pki::Certificate>& path) {
  for (std::size_t depth = 0; depth < path.size(); ++depth) {
    const std::size_t index = path.size() - 1 - depth;
    print_line(depth, path[index], depth == 0 ? "anchor" : index == 0 ? "leaf" : "");
  }
}

std::string profile_text(const std::optional<pki::ProfileId>& profile) {
  return profile ? std::string(pki::profile(*profile).name) : "";
}

void print_verdict(const Inquiry& inquiry, const pki::Verdict<pki::VerifiedPath>& verdict) {
  for (const std::string& note : inquiry.notes) fmt::print("not used: {}\n", shown(note));
  if (!verdict) {
    for (const pki::Certificate& certificate : inquiry.chain.certificates) print_line(0, certificate, "given");
    const pki::Refusal& refusal = verdict.error();
    fmt::print("refused {}: {}\nreason  {}\nfound   {}\n", question_of(inquiry), pki::in_words(refusal.reason),
               pki::to_string(refusal.reason), shown(refusal.error.detail));
    return;
  }
  print_path(verdict->certificates());
  const auto profile = pki::find_profile(verdict->certificates());
  if (profile) fmt::print("profile {} of a Sallyport installation\n", profile_text(profile));
  fmt::print("good {}\n", question_of(inquiry));
}

Json describe_verdict(const Inquiry& inquiry, const pki::Verdict<pki::VerifiedPath>& verdict) {
  Json::Object out{{"verdict", verdict ? "good" : "refused"},
                   {"reason", nullptr},
                   {"detail", nullptr},
                   {"words", nullptr},
                   {"purpose", inquiry.use->word},
                   {"name", inquiry.host.empty() ? Json() : Json(inquiry.host)},
                   {"at", to_iso8601(inquiry.at)},
                   {"profile", nullptr}};
  Json::Array path;
  if (verdict) {
    for (const pki::Certificate& certificate : verdict->certificates()) path.push_back(to_json(certificate));
    if (const auto profile = pki::find_profile(verdict->certificates())) out["profile"] = profile_text(profile);
  } else {
    out["reason"] = pki::to_string(verdict.error().reason);
    out["words"] = pki::in_words(verdict.error().reason);
    out["detail"] = verdict.error().error.detail;
  }
  out["path"] = std::move(path);
  out["not_used"] = Json::Array(inquiry.notes.begin(), inquiry.notes.end());
  return out;
}

Outcome cert_verify(const Arguments& arguments, Environment& environment) {
  Inquiry inquiry{.chain = {},
                  .anchors = {},
                  .crls = {},
                  .notes = {},
                  .host = {},
                  .at = {},
                  .rules = {.time = pki::TimeRule::floor({}), .extended_uses = {}, .host = {}, .policies = {}}};
  if (auto ok = read_rules(arguments, environment.clock, inquiry); !ok)
    return std::unexpected(Failure(std::move(ok).error(), ExitStatus::usage));
  if (auto ok = read_files(arguments, inquiry); !ok)
    return std::unexpected(Failure(std::move(ok).error(), ExitStatus::failed));
  const auto verdict = judge(inquiry);
  if (arguments.flag("json")) {
    print_json(describe_verdict(inquiry, verdict));
  } else {
    print_verdict(inquiry, verdict);
  }
  if (verdict) return {};
  const pki::Refusal& refusal = verdict.error();
  return std::unexpected(Failure(
      Error{Errc::unauthorized, fmt::format("refused: {}: {}", pki::to_string(refusal.reason), refusal.error.detail)},
      ExitStatus::refused));
}

void print_certificate(const pki::Certificate& certificate) {
  fmt::print("subject      {}\nissuer       {}\nserial       {}\n", shown(certificate.subject().text()),
             shown(certificate.issuer().text()), certificate.serial().hex());
  for (const std::string& name : names_of(certificate)) fmt::print("name         {}\n", shown(name));
  fmt::print("valid        {} to {}\nkey          {}\nSHA-256      {}\nkey SHA-256  {}\n",
             to_iso8601(certificate.validity().not_before), to_iso8601(certificate.validity().not_after),
             key_of(certificate), codec::encode_fingerprint(certificate.fingerprint()),
             codec::encode_fingerprint(certificate.spki_sha256()));
  for (const std::string& line : extensions_of(certificate)) fmt::print("             {}\n", shown(line));
}

Outcome cert_show(const Arguments& arguments, Environment&) {
  Json::Array all;
  std::optional<Error> unusable;
  for (const std::string& path : arguments.list("FILE")) {
    auto file = read_certificate_file(path);
    if (!file) return std::unexpected(Failure(std::move(file).error(), ExitStatus::failed));
    for (const pki::Certificate& certificate : file->certificates) {
      if (!arguments.flag("json")) {
        if (!all.empty()) fmt::print("\n");
        print_certificate(certificate);
      }
      all.push_back(to_json(certificate));
    }
    if (!unusable && !file->unusable.empty()) unusable = std::move(file->unusable.front());
  }
  if (arguments.flag("json")) print_json(Json(all));
  if (unusable) return std::unexpected(Failure(*std::move(unusable), ExitStatus::refused));
  return {};
}

std::vector<Option> verify_options() {
  return {{.name = "FILE",
           .value = "FILE",
           .help = "PEM or DER: the certificate to judge first, then intermediates in any order",
           .required = true,
           .several = true},
          {.name = "anchor",
           .value = "FILE",
           .help = "certificates that are trusted, PEM or DER; may be given again",
           .required = true,
           .several = true},
          {.name = "purpose",
           .value = "USE",
           .help = "any, server, client, ocsp-signing, ca, grant, snapshot, permit or licence",
           .fallback = "any"},
          {.name = "name", .value = "HOST", .help = "host name or IP address that the certificate must have"},
          {.name = "at",
           .value = "TIME",
           .help = "judge as of this time, as 2026-06-01 or 2026-06-01T12:00:00Z; without it now"},
          {.name = "crl", .value = "FILE", .help = "revocation lists, PEM or DER; may be given again", .several = true},
          {.name = "crl-all", .value = "", .help = "every certificate below the anchor must be covered by a list"},
          {.name = "policy",
           .value = "OID",
           .help = "a policy that must be valid along the path; may be given again",
           .several = true},
          {.name = "explicit-policy", .value = "", .help = "some policy must be valid along the path"},
          {.name = "no-policy-mapping", .value = "", .help = "policies are not mapped"},
          {.name = "no-any-policy", .value = "", .help = "anyPolicy in certificates does not count"},
          json_option()};
}

}  // namespace

std::vector<Command> cert_commands() {
  return {{.words = "cert verify",
           .summary = "judge a certificate by RFC 5280 and say why",
           .example = "sallyport cert verify gateway.pem chain.pem --anchor root.pem --purpose server --name "
                      "gateway.devices.example",
           .options = verify_options(),
           .run = cert_verify},
          {.words = "cert show",
           .summary = "what is in certificates, in words",
           .example = "sallyport cert show gateway.pem",
           .options = {{.name = "FILE",
                        .value = "FILE",
                        .help = "PEM with any number of certificates, or DER",
                        .required = true,
                        .several = true},
                       json_option()},
           .run = cert_show}};
}

}  // namespace sallyport::cli
