#include "pki/detail/extension_reader.h"

#include <algorithm>
#include <limits>

#include "pki/detail/names.h"
#include "pki/oids.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::size_t kMaxKeyIdentifier = 64;
constexpr std::size_t kMaxUrlLength = 2'048;

// RFC 5280 §4.2: which criticality a conforming CA gives.
enum class Criticality : std::uint8_t { any, must, must_not };

using ReadValue = Result<void> (*)(ByteView value, Extensions& out);
struct Row {
  const Oid* oid;
  std::string_view name;
  Criticality criticality;
  ReadValue read;
};

Result<void> read_subject_key_id(ByteView value, Extensions& out) {
  der::Reader reader(value);
  TRY(const ByteView id, reader.octet_string());
  TRY_VOID(reader.finish("value"));
  if (id.empty() || id.size() > kMaxKeyIdentifier) return failf(Errc::malformed, "{} octets", id.size());
  out.subject_key_id = to_bytes(id);
  return {};
}

// AuthorityKeyIdentifier := SEQUENCE { [0] keyIdentifier, [1] authorityCertIssuer, [2] authorityCertSerialNumber }
Result<void> read_authority_key_id(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  TRY(const auto id, reader.optional(der::context_primitive(0)));
  TRY(const auto issuer, reader.optional(der::context_constructed(1)));
  TRY(const auto serial, reader.optional(der::context_primitive(2)));
  TRY_VOID(reader.finish("value"));
  if (issuer.has_value() != serial.has_value()) return fail(Errc::malformed, "issuer and serial do not come together");
  if (!id) return {};
  if (id->content.empty() || id->content.size() > kMaxKeyIdentifier)
    return failf(Errc::malformed, "{} octets", id->content.size());
  out.authority_key_id = to_bytes(id->content);
  return {};
}

Result<void> read_key_usage(ByteView value, Extensions& out) {
  der::Reader reader(value);
  TRY(const std::uint32_t bits, reader.named_bits());
  TRY_VOID(reader.finish("value"));
  if (bits == 0) return fail(Errc::malformed, "no bit set");
  out.key_usage = bits;
  return {};
}

// BasicConstraints := SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }
Result<void> read_basic_constraints(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  BasicConstraints constraints;
  if (reader.peek() == Tag::boolean) {
    TRY(constraints.ca, reader.boolean());
    if (!constraints.ca) return fail(Errc::malformed, "a default value that is written out");
  }
  if (!reader.at_end()) {
    TRY(const std::uint64_t length, reader.small_unsigned());
    if (!constraints.ca) return fail(Errc::malformed, "a path length without a CA");
    if (length > std::numeric_limits<std::uint32_t>::max()) return fail(Errc::malformed, "path length out of range");
    constraints.path_length = static_cast<std::uint32_t>(length);
  }
  TRY_VOID(reader.finish("value"));
  out.basic_constraints = constraints;
  return {};
}

Result<void> read_extended_key_usage(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  std::vector<Oid> uses;
  while (!reader.at_end()) {
    if (uses.size() >= kMaxExtendedKeyUsages) return failf(Errc::malformed, "over {} usages", kMaxExtendedKeyUsages);
    TRY(Oid use, reader.oid());
    uses.push_back(std::move(use));
  }
  if (uses.empty()) return fail(Errc::malformed, "no usage");
  out.extended_key_usage = std::move(uses);
  return {};
}

Result<void> read_alternative_names(ByteView value, Extensions& out) {
  TRY(const der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  TRY(out.alternative_names, parse_general_names(reader));
  return {};
}

Result<void> read_subtrees(der::Element list, Subtrees& out) {
  der::Reader reader(list.content);
  if (reader.at_end()) return fail(Errc::malformed, "no subtree");
  for (std::size_t count = 0; !reader.at_end(); ++count) {
    if (count >= kMaxSubtrees) return failf(Errc::malformed, "over {} subtrees", kMaxSubtrees);
    TRY_VOID(add_subtree(reader, out));
  }
  return {};
}

Result<void> read_name_constraints(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  NameConstraints constraints;
  TRY(const auto permitted, reader.optional(der::context_constructed(0)));
  TRY(const auto excluded, reader.optional(der::context_constructed(1)));
  TRY_VOID(reader.finish("value"));
  if (!permitted && !excluded) return fail(Errc::malformed, "no subtree");
  if (permitted) TRY_VOID(read_subtrees(*permitted, constraints.permitted));
  if (excluded) TRY_VOID(read_subtrees(*excluded, constraints.excluded));
  out.name_constraints = std::move(constraints);
  return {};
}

Result<void> read_policies(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  while (!reader.at_end()) {
    if (out.policies.size() >= kMaxPolicies) return failf(Errc::malformed, "over {} policies", kMaxPolicies);
    TRY(der::Reader information, reader.sequence());
    TRY(Oid policy, information.oid());
    TRY_VOID(information.optional(Tag::sequence));
    TRY_VOID(information.finish("policy"));
    if (std::ranges::find(out.policies, policy) != out.policies.end()) return fail(Errc::malformed, "a policy twice");
    out.policies.push_back(std::move(policy));
  }
  if (out.policies.empty()) return fail(Errc::malformed, "no policy");
  return {};
}

Result<void> add_url(std::vector<std::string>& urls, std::string_view url) {
  if (urls.size() >= kMaxUrls) return failf(Errc::malformed, "over {} URLs", kMaxUrls);
  if (url.size() > kMaxUrlLength) return failf(Errc::malformed, "URL of {} characters", url.size());
  urls.emplace_back(url);
  return {};
}

// DistributionPoint := SEQUENCE { [0] { [0] fullName | [1] relative }, [1] reasons, [2] cRLIssuer }    (RFC 5280
// §4.2.1.13)
Result<void> read_crl_urls(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  if (reader.at_end()) return fail(Errc::malformed, "no distribution point");
  while (!reader.at_end()) {
    TRY(der::Reader point, reader.sequence());
    TRY(const auto name, point.optional(der::context_constructed(0)));
    TRY_VOID(point.optional(der::context_primitive(1)));
    TRY(const auto crl_issuer, point.optional(der::context_constructed(2)));
    TRY_VOID(point.finish("distribution point"));
    if (!name && !crl_issuer) return fail(Errc::malformed, "an empty distribution point");
    if (!name) continue;
    der::Reader choice(name->content);
    TRY(const der::Element form, choice.any());
    TRY_VOID(choice.finish("distribution point name"));
    if (form.tag != der::context_constructed(0)) continue;
    TRY(const AlternativeNames names, parse_general_names(der::Reader(form.content)));
    for (const std::string& url : names.uri) TRY_VOID(add_url(out.crl_urls, url));
  }
  return {};
}

Result<void> read_information_access(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  if (reader.at_end()) return fail(Errc::malformed, "no access description");
  while (!reader.at_end()) {
    TRY(der::Reader description, reader.sequence());
    TRY(const Oid method, description.oid());
    AlternativeNames location;
    TRY_VOID(add_general_name(description, location));
    TRY_VOID(description.finish("access description"));
    if (location.uri.empty()) continue;
    if (method == oid::ad_ocsp) TRY_VOID(add_url(out.ocsp_urls, location.uri.front()));
    if (method == oid::ad_ca_issuers) TRY_VOID(add_url(out.ca_issuer_urls, location.uri.front()));
  }
  return {};
}

Result<void> read_no_check(ByteView value, Extensions& out) {
  if (!equal(value, der::encode_null())) return fail(Errc::malformed, "not NULL");
  out.ocsp_no_check = true;
  return {};
}

// HashedRootKey := SEQUENCE { hashAlg AlgorithmIdentifier, hashValue OCTET STRING }      (RFC 8649 §2)
Result<void> read_next_root_key(ByteView value, Extensions& out) {
  TRY(der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  TRY(der::Reader algorithm, reader.sequence());
  TRY(const Oid hash, algorithm.oid());
  TRY(const ByteView digest, reader.octet_string());
  TRY_VOID(reader.finish("value"));
  if (hash != oid::sha256) return {};
  if (digest.size() != crypto::Sha256Digest().size())
    return failf(Errc::malformed, "{} octets, want 32", digest.size());
  out.next_root_key.emplace();
  std::ranges::copy(digest, out.next_root_key->begin());
  return {};
}

std::span<const Row> rows() {
  using enum Criticality;
  static const std::array<Row, 12> kRows = {{
      {&oid::subject_key_identifier, "subject key identifier", must_not, read_subject_key_id},
      {&oid::authority_key_identifier, "authority key identifier", must_not, read_authority_key_id},
      {&oid::key_usage, "key usage", any, read_key_usage},
      {&oid::basic_constraints, "basic constraints", any, read_basic_constraints},
      {&oid::extended_key_usage, "extended key usage", any, read_extended_key_usage},
      {&oid::subject_alternative_name, "alternative name", any, read_alternative_names},
      {&oid::name_constraints, "name constraints", must, read_name_constraints},
      {&oid::certificate_policies, "policies", any, read_policies},
      {&oid::crl_distribution_points, "distribution points", any, read_crl_urls},
      {&oid::authority_information_access, "information access", must_not, read_information_access},
      {&oid::ocsp_no_check, "ocsp-nocheck", any, read_no_check},
      {&oid::hash_of_root_key, "hash of root key", must_not, read_next_root_key},
  }};
  return kRows;
}

Result<void> read_value(const RawExtension& extension, bool subject_is_empty, Extensions& out) {
  const auto row = std::ranges::find_if(rows(), [&](const Row& r) { return *r.oid == extension.oid; });
  if (row == rows().end()) {
    if (extension.critical) out.unknown_critical.push_back(extension.oid);
    return {};
  }
  if (auto read = row->read(extension.value, out); !read) return std::unexpected(std::move(read).error().at(row->name));
  const bool must = row->criticality == Criticality::must || (*row->oid == oid::basic_constraints && out.is_ca()) ||
                    (*row->oid == oid::subject_alternative_name && subject_is_empty);
  if (must && !extension.critical) return failf(Errc::malformed, "{}: not critical", row->name);
  if (row->criticality == Criticality::must_not && extension.critical)
    return failf(Errc::malformed, "{}: critical", row->name);
  return {};
}

}  // namespace

Result<RawExtension> read_extension(der::Reader& reader) {
  TRY(der::Reader extension, reader.sequence());
  RawExtension out;
  TRY(out.oid, extension.oid());
  if (extension.peek() == Tag::boolean) {
    TRY(out.critical, extension.boolean());
    if (!out.critical) return fail(Errc::malformed, "extension: a default value that is written out");
  }
  TRY(out.value, extension.octet_string());
  TRY_VOID(extension.finish("extension"));
  if (out.value.empty()) return failf(Errc::malformed, "extension {}: empty", out.oid.dotted());
  return out;
}

Bytes encode_extension(const Oid& oid, bool critical, ByteView value) {
  const Bytes flag = critical ? der::encode_boolean(true) : Bytes{};
  return der::encode_sequence({der::encode_oid(oid), flag, der::encode_octet_string(value)});
}

Result<Extensions> parse_extensions(der::Reader reader, bool subject_is_empty) {
  if (reader.at_end()) return fail(Errc::malformed, "extensions: none, want at least one");
  Extensions out;
  std::vector<Oid> seen;
  while (!reader.at_end()) {
    if (seen.size() >= kMaxExtensions) return failf(Errc::malformed, "extensions: over {}", kMaxExtensions);
    TRY(const RawExtension extension, read_extension(reader));
    if (std::ranges::find(seen, extension.oid) != seen.end()) {
      return failf(Errc::malformed, "extension {}: twice", extension.oid.dotted());
    }
    seen.push_back(extension.oid);
    TRY_VOID(read_value(extension, subject_is_empty, out));
  }
  return out;
}

Result<std::vector<std::string>> parse_requested_dns_names(der::Reader reader) {
  std::vector<std::string> out;
  for (std::size_t count = 0; !reader.at_end(); ++count) {
    if (count >= kMaxExtensions) return failf(Errc::malformed, "extensions: over {}", kMaxExtensions);
    TRY(const RawExtension extension, read_extension(reader));
    if (extension.oid != oid::subject_alternative_name) continue;
    Extensions names;
    TRY_VOID(read_alternative_names(extension.value, names));
    out = names.alternative_names->dns;
  }
  return out;
}

}  // namespace sallyport::pki::detail
