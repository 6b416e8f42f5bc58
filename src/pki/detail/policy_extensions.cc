#include "pki/detail/policy_extensions.h"

#include <algorithm>
#include <limits>

#include "pki/detail/more_oids.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

// SkipCerts ::= INTEGER (0..MAX)
Result<std::uint32_t> read_skip_certs(der::Reader reader) {
  TRY(const std::uint64_t count, reader.small_unsigned());
  TRY_VOID(reader.finish("value"));
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(count, kMost));
}

// The content of an implicitly tagged INTEGER, read as one.
Result<std::optional<std::uint32_t>> read_optional_skip(der::Reader& reader, unsigned tag) {
  TRY(const auto field, reader.optional(der::context_primitive(tag)));
  if (!field) return std::optional<std::uint32_t>();
  const Bytes integer = der::encode(Tag::integer, field->content);
  TRY(const std::uint32_t count, read_skip_certs(der::Reader(integer)));
  return std::optional<std::uint32_t>(count);
}

}  // namespace

// certificatePolicies := SEQUENCE OF SEQUENCE { policyIdentifier OID, policyQualifiers SEQUENCE OPTIONAL }
Result<void> read_policies(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  while (!reader.at_end()) {
    if (out.policies.size() >= kMaxPolicies) return failf(Errc::malformed, "over {} policies", kMaxPolicies);
    TRY(der::Reader information, reader.sequence());
    TRY(Oid policy, information.oid());
    TRY(const auto qualifiers, information.optional(Tag::sequence));
    if (qualifiers && qualifiers->content.empty()) return fail(Errc::malformed, "an empty list of qualifiers");
    TRY_VOID(information.finish("policy"));
    if (std::ranges::find(out.policies, policy) != out.policies.end()) return fail(Errc::malformed, "a policy twice");
    out.policies.push_back(std::move(policy));
  }
  if (out.policies.empty()) return fail(Errc::malformed, "no policy");
  return {};
}

// policyMappings := SEQUENCE OF SEQUENCE { issuerDomainPolicy OID, subjectDomainPolicy OID }
Result<void> read_policy_mappings(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  while (!reader.at_end()) {
    if (out.policy_mappings.size() >= kMaxPolicyMappings)
      return failf(Errc::malformed, "over {} mappings", kMaxPolicyMappings);
    TRY(der::Reader pair, reader.sequence());
    PolicyMapping mapping;
    TRY(mapping.issuer_domain, pair.oid());
    TRY(mapping.subject_domain, pair.oid());
    TRY_VOID(pair.finish("mapping"));
    if (mapping.issuer_domain == oid::any_policy || mapping.subject_domain == oid::any_policy) {
      return fail(Errc::malformed, "anyPolicy is mapped");  // RFC 5280 §6.1.4 (a)
    }
    out.policy_mappings.push_back(std::move(mapping));
  }
  if (out.policy_mappings.empty()) return fail(Errc::malformed, "no mapping");
  return {};
}

// policyConstraints := SEQUENCE { [0] requireExplicitPolicy SkipCerts, [1] inhibitPolicyMapping SkipCerts }
Result<void> read_policy_constraints(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  PolicyConstraints constraints;
  TRY(constraints.require_explicit, read_optional_skip(reader, 0));
  TRY(constraints.inhibit_mapping, read_optional_skip(reader, 1));
  TRY_VOID(reader.finish("value"));
  if (!constraints.require_explicit && !constraints.inhibit_mapping)
    return fail(Errc::malformed, "an empty constraint");
  out.policy_constraints = constraints;
  return {};
}

Result<void> read_inhibit_any_policy(ByteView value, Extensions& out) {
  TRY(out.inhibit_any_policy, read_skip_certs(der::Reader(value)));
  return {};
}

}  // namespace sallyport::pki::detail
