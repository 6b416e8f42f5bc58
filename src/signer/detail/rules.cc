#include "signer/detail/rules.h"

#include <algorithm>
#include <array>

#include "pki/permit.h"
#include "pki/snapshot_manifest.h"
#include "tunnel/grant.h"

namespace sallyport::signer {
namespace {

using pki::ProfileId;

struct IssueRule {
  std::string_view ca;
  ProfileId profile;
  KeyRule key;
};

constexpr std::array kIssueRules{
    IssueRule{"online-ca", ProfileId::operational_device, KeyRule::foreign},
    IssueRule{"server-ca", ProfileId::server, KeyRule::foreign},
    IssueRule{"web-ca", ProfileId::web_device, KeyRule::foreign},
    IssueRule{"people-ca", ProfileId::person, KeyRule::foreign},
    IssueRule{"roles-ca", ProfileId::role, KeyRule::foreign},
    IssueRule{"control-ca", ProfileId::grant_signer, KeyRule::control},
    IssueRule{"control-ca", ProfileId::snapshot_signer, KeyRule::control},
    IssueRule{"control-ca", ProfileId::permit_signer, KeyRule::control},
    IssueRule{"control-ca", ProfileId::checkpoint_signer, KeyRule::control},
    IssueRule{"online-ca", ProfileId::ocsp_signer, KeyRule::foreign},
    IssueRule{"server-ca", ProfileId::ocsp_signer, KeyRule::foreign},
    IssueRule{"web-ca", ProfileId::ocsp_signer, KeyRule::foreign},
    IssueRule{"people-ca", ProfileId::ocsp_signer, KeyRule::foreign},
    IssueRule{"roles-ca", ProfileId::ocsp_signer, KeyRule::foreign},
    IssueRule{"control-ca", ProfileId::ocsp_signer, KeyRule::foreign},
    IssueRule{"server-ca", ProfileId::server_ca_twin, KeyRule::twin},
    IssueRule{"web-ca", ProfileId::web_ca_twin, KeyRule::twin},
};

bool is_about(UnixTime time, UnixTime now, seconds skew) {
  return time >= now - skew && time <= now + skew;
}

}  // namespace

std::string_view base_name(std::string_view ca) {
  return ca.substr(0, ca.find('@'));
}

bool is_replaced(std::string_view ca) {
  return ca.contains('@');
}

Result<KeyRule> find_issue_rule(ProfileId profile, std::string_view ca) {
  const auto* rule = std::ranges::find_if(
      kIssueRules, [&](const IssueRule& each) { return each.profile == profile && each.ca == base_name(ca); });
  const bool has_given_way = is_replaced(ca) && profile != ProfileId::ocsp_signer;
  if (rule == kIssueRules.end() || has_given_way) {
    return failf(Errc::unauthorized, "signer: found profile '{}' for this CA, which it may not issue here",
                 pki::profile(profile).name);
  }
  return rule->key;
}

Result<void> check_grant(ByteView payload, UnixTime now) {
  TRY(const auto grant, tunnel::parse_grant(payload));
  if (!is_about(grant.issued, now, kObjectSkew)) {
    return failf(Errc::unauthorized, "grant: found issued at {}, want within {} s of {}", to_iso8601(grant.issued),
                 kObjectSkew.count(), to_iso8601(now));
  }
  if (grant.expires <= now)
    return failf(Errc::unauthorized, "grant: found expiry {}, want later than now", to_iso8601(grant.expires));
  return {};
}

Result<std::uint64_t> check_snapshot(ByteView payload, UnixTime now) {
  TRY(const auto manifest, pki::parse_snapshot_manifest(payload));
  if (!is_about(manifest.issued_at, now, kObjectSkew)) {
    return failf(Errc::unauthorized, "snapshot manifest: found issued at {}, want within {} s of {}",
                 to_iso8601(manifest.issued_at), kObjectSkew.count(), to_iso8601(now));
  }
  return manifest.number;
}

Result<void> check_permit(ByteView payload, const DnsName& zone, UnixTime now) {
  TRY(const auto permit, pki::parse_permit(payload));
  if (permit.name_space != pki::factory_namespace(permit.site, zone)) {
    return fail(Errc::unauthorized, "permit: found a namespace that is not the site's in this installation's zone");
  }
  if (permit.not_after <= now || permit.not_after - permit.not_before > kLongestPermit) {
    return failf(Errc::unauthorized, "permit: found an end at {}, want after now and at most {} days after its begin",
                 to_iso8601(permit.not_after), kLongestPermit / kDay);
  }
  return {};
}

Result<void> check_crl(const pki::CrlFields& fields, UnixTime now) {
  if (!is_about(fields.this_update, now, kCrlSkew)) {
    return failf(Errc::unauthorized, "CRL: found thisUpdate {}, want within {} s of {}", to_iso8601(fields.this_update),
                 kCrlSkew.count(), to_iso8601(now));
  }
  if (fields.next_update <= now || fields.next_update - fields.this_update > kLongestCrl) {
    return failf(Errc::unauthorized, "CRL: found nextUpdate {}, want after now and at most {} days after thisUpdate",
                 to_iso8601(fields.next_update), kLongestCrl / kDay);
  }
  if (fields.delta_base && *fields.delta_base >= fields.number) {
    return failf(Errc::unauthorized, "CRL: found delta base {}, want below number {}", *fields.delta_base,
                 fields.number);
  }
  return {};
}

Result<void> check_twin(const pki::CertificateFields& fields, const pki::Certificate& ca) {
  const auto& constraints = ca.extensions().name_constraints;
  if (!constraints || fields.permitted_dns != constraints->permitted.dns) {
    return fail(Errc::unauthorized, "twin: found other name constraints than its CA's");
  }
  TRY(const auto subject, pki::DistinguishedName::of(fields.common_name, fields.organization));
  if (!(subject == ca.subject())) return fail(Errc::unauthorized, "twin: found another subject than its CA's");
  return {};
}

}  // namespace sallyport::signer
