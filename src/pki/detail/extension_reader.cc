#include "pki/detail/extension_reader.h"

#include <algorithm>
#include <limits>

#include "pki/detail/distribution_points.h"
#include "pki/detail/more_oids.h"
#include "pki/detail/name_constraints.h"
#include "pki/detail/names.h"
#include "pki/detail/policy_extensions.h"
#include "pki/oids.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::size_t kMaxKeyIdentifier = 64;

// RFC 5280 §4.2: which criticality a conforming CA gives.
enum class Criticality : std::uint8_t { any, must, must_not };

using ReadValue = Result<void> (*)(ByteView value, Extensions& out);
struct Known {
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
  if (issuer) {
    TRY(AlternativeNames names, parse_general_names(der::Reader(issuer->content)));
    out.authority_certificate = {.issuer = std::move(names.directory), .serial = to_bytes(serial->content)};
  }
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

// Where delta CRLs are found: read for its form alone, since CRLs are given and never fetched.
Result<void> read_freshest_crl(ByteView value, Extensions&) {
  Extensions unused;
  return read_distribution_points(value, unused);
}

// Says nothing that is judged; its form is.
Result<void> read_issuer_alternative_name(ByteView value, Extensions&) {
  TRY(const der::Reader reader, der::enter_only(value, Tag::sequence, "value"));
  TRY_VOID(parse_general_names(reader));
  return {};
}

// A SEQUENCE of anything: of these only the criticality is judged.
Result<void> read_nothing(ByteView value, Extensions&) {
  TRY_VOID(der::enter_only(value, Tag::sequence, "value"));
  return {};
}

std::span<const Known> known_extensions() {
  using enum Criticality;
  static const std::array<Known, 19> kRows = {{
      {&oid::subject_key_identifier, "subject key identifier", must_not, read_subject_key_id},
      {&oid::authority_key_identifier, "authority key identifier", must_not, read_authority_key_id},
      {&oid::key_usage, "key usage", any, read_key_usage},
      {&oid::basic_constraints, "basic constraints", any, read_basic_constraints},
      {&oid::extended_key_usage, "extended key usage", any, read_extended_key_usage},
      {&oid::subject_alternative_name, "alternative name", any, read_alternative_names},
      {&oid::name_constraints, "name constraints", must, read_name_constraints},
      {&oid::certificate_policies, "policies", any, read_policies},
      {&oid::policy_mappings, "policy mappings", any, read_policy_mappings},
      {&oid::policy_constraints, "policy constraints", any, read_policy_constraints},
      {&oid::inhibit_any_policy, "inhibit anyPolicy", must, read_inhibit_any_policy},
      {&oid::crl_distribution_points, "distribution points", any, read_distribution_points},
      {&oid::freshest_crl, "freshest CRL", must_not, read_freshest_crl},
      {&oid::issuer_alternative_name, "issuer alternative name", any, read_issuer_alternative_name},
      {&oid::subject_directory_attributes, "subject directory attributes", must_not, read_nothing},
      {&oid::subject_information_access, "subject information access", must_not, read_nothing},
      {&oid::authority_information_access, "information access", must_not, read_information_access},
      {&oid::ocsp_no_check, "ocsp-nocheck", any, read_no_check},
      {&oid::hash_of_root_key, "hash of root key", must_not, read_next_root_key},
  }};
  return kRows;
}

Result<void> read_value(const RawExtension& extension, bool subject_is_empty, Extensions& out) {
  const auto row = std::ranges::find_if(known_extensions(), [&](const Known& r) { return *r.oid == extension.oid; });
  if (row == known_extensions().end()) {
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
