#include "pki/detail/extension_writer.h"

#include "pki/detail/extension_reader.h"
#include "pki/oids.h"

namespace sallyport::pki::detail {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr der::Tag kEmail = der::context_primitive(1);
constexpr der::Tag kDns = der::context_primitive(2);
constexpr der::Tag kUri = der::context_primitive(6);
constexpr der::Tag kIp = der::context_primitive(7);

Bytes encode_subtree(Tag form, ByteView base) {
  return der::encode(Tag::sequence, der::encode(form, base));
}

}  // namespace

Bytes encode_subject_key_id(ByteView id) {
  return encode_extension(oid::subject_key_identifier, false, der::encode_octet_string(id));
}

Bytes encode_authority_key_id(ByteView id) {
  const Bytes value = der::encode(Tag::sequence, der::encode(der::context_primitive(0), id));
  return encode_extension(oid::authority_key_identifier, false, value);
}

Bytes encode_key_usage(std::uint32_t bits) {
  return encode_extension(oid::key_usage, true, der::encode_named_bits(bits));
}

Bytes encode_basic_constraints(const BasicConstraints& constraints) {
  const Bytes flag = constraints.ca ? der::encode_boolean(true) : Bytes{};
  const Bytes length = constraints.path_length ? der::encode_small_unsigned(*constraints.path_length) : Bytes{};
  return encode_extension(oid::basic_constraints, true, der::encode_sequence({flag, length}));
}

Bytes encode_extended_key_usage(std::span<const Oid> uses) {
  Bytes list;
  for (const Oid& use : uses) append(list, der::encode_oid(use));
  return encode_extension(oid::extended_key_usage, false, der::encode(Tag::sequence, list));
}

Bytes encode_policy(const Oid& policy) {
  const Bytes information = der::encode(Tag::sequence, der::encode_oid(policy));
  return encode_extension(oid::certificate_policies, false, der::encode(Tag::sequence, information));
}

Bytes encode_alternative_names(const AlternativeNames& names, bool critical) {
  Bytes list;
  for (const std::string& name : names.dns) append(list, der::encode(kDns, as_bytes(name)));
  for (const std::string& uri : names.uri) append(list, der::encode(kUri, as_bytes(uri)));
  return encode_extension(oid::subject_alternative_name, critical, der::encode(Tag::sequence, list));
}

Bytes encode_name_constraints(std::span<const std::string> permitted_dns) {
  constexpr std::array<std::uint8_t, 8> kAllIpv4{};
  constexpr std::array<std::uint8_t, 32> kAllIpv6{};
  Bytes permitted;
  for (const std::string& tree : permitted_dns) append(permitted, encode_subtree(kDns, as_bytes(tree)));
  append(permitted, encode_subtree(kEmail, as_bytes(kNoMailHost)));
  const Bytes excluded = der::concat({encode_subtree(kIp, kAllIpv4), encode_subtree(kIp, kAllIpv6)});
  const Bytes value = der::encode_sequence(
      {der::encode(der::context_constructed(0), permitted), der::encode(der::context_constructed(1), excluded)});
  return encode_extension(oid::name_constraints, true, value);
}

Bytes encode_crl_urls(std::span<const std::string> urls) {
  Bytes points;
  for (const std::string& url : urls) {
    const Bytes full_name = der::encode(der::context_constructed(0), der::encode(kUri, as_bytes(url)));
    append(points, der::encode(Tag::sequence, der::encode(der::context_constructed(0), full_name)));
  }
  return encode_extension(oid::crl_distribution_points, false, der::encode(Tag::sequence, points));
}

Bytes encode_information_access(std::span<const std::string> ocsp_urls, std::span<const std::string> ca_issuer_urls) {
  Bytes list;
  for (const std::string& url : ocsp_urls) {
    append(list, der::encode_sequence({der::encode_oid(oid::ad_ocsp), der::encode(kUri, as_bytes(url))}));
  }
  for (const std::string& url : ca_issuer_urls) {
    append(list, der::encode_sequence({der::encode_oid(oid::ad_ca_issuers), der::encode(kUri, as_bytes(url))}));
  }
  return encode_extension(oid::authority_information_access, false, der::encode(Tag::sequence, list));
}

Bytes encode_no_check() {
  return encode_extension(oid::ocsp_no_check, false, der::encode_null());
}

Bytes encode_next_root_key(const crypto::Sha256Digest& spki_sha256) {
  const Bytes algorithm = der::encode(Tag::sequence, der::encode_oid(oid::sha256));
  const Bytes value = der::encode_sequence({algorithm, der::encode_octet_string(spki_sha256)});
  return encode_extension(oid::hash_of_root_key, false, value);
}

}  // namespace sallyport::pki::detail
