#include "pki/csr.h"

#include "pki/detail/algorithm.h"
#include "pki/detail/extension_reader.h"
#include "pki/detail/extension_writer.h"
#include "pki/detail/names.h"
#include "pki/extensions.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

Result<std::vector<std::string>> read_extension_request(der::Reader values) {
  TRY(der::Reader extensions, values.sequence());
  TRY_VOID(values.finish("extension request"));
  return detail::parse_requested_dns_names(extensions);
}

// Attributes := [0] IMPLICIT SET OF SEQUENCE { type OBJECT IDENTIFIER, values SET OF ANY }      (RFC 2986 §4.1)
// Nothing in them is ever granted by itself, so an attribute that does not parse costs its sender only the attribute.
Result<std::vector<std::string>> read_attributes(der::Reader attributes) {
  std::vector<std::string> dns_names;
  for (std::size_t count = 0; !attributes.at_end(); ++count) {
    if (count >= kMaxCsrAttributes) return failf(Errc::malformed, "over {} attributes", kMaxCsrAttributes);
    TRY(der::Reader attribute, attributes.sequence());
    TRY(const der::Oid type, attribute.oid());
    TRY(const der::Reader values, attribute.enter(Tag::set));
    TRY_VOID(attribute.finish("attribute"));
    if (type != oid::extension_request) continue;
    if (auto names = read_extension_request(values)) dns_names = *std::move(names);
  }
  return dns_names;
}

Result<CertificateRequest> parse(ByteView bytes) {
  if (bytes.size() > kMaxCsrBytes)
    return failf(Errc::malformed, "{} bytes, want at most {}", bytes.size(), kMaxCsrBytes);
  TRY(der::Reader reader, der::enter_only(bytes, Tag::sequence, "outer sequence"));
  TRY(const detail::SignedParts parts, detail::read_signed_parts(reader));
  TRY_VOID(reader.finish("outer sequence"));

  der::Reader info(parts.tbs.content);
  TRY(const std::uint64_t version, info.small_unsigned());
  if (version != 0) return failf(Errc::malformed, "version {}, want 0", version);
  TRY(const der::Element name, info.element(Tag::sequence));
  TRY(DistinguishedName subject, DistinguishedName::parse(name.whole));
  TRY(const der::Element spki, info.element(Tag::sequence));
  TRY(detail::SubjectPublicKey key, detail::parse_subject_public_key(spki.whole));
  TRY(const der::Reader attributes, info.enter(der::context_constructed(0)));
  TRY_VOID(info.finish("request"));
  TRY(auto dns_names, read_attributes(attributes));
  TRY_VOID(key.key.verify(parts.scheme, parts.tbs.whole, parts.signature));
  return CertificateRequest{.public_key = std::move(key.key),
                            .subject = std::move(subject),
                            .dns_names = std::move(dns_names),
                            .der = to_bytes(bytes)};
}

}  // namespace

Result<CertificateRequest> parse_csr(ByteView bytes) {
  auto out = parse(bytes);
  if (!out) return std::unexpected(std::move(out).error().at("certification request"));
  return out;
}

Result<Bytes> build_csr(crypto::SigningKey& key, const DistinguishedName& subject,
                        std::span<const std::string> dns_names) {
  Bytes attributes;
  if (!dns_names.empty()) {
    AlternativeNames names;
    for (const std::string& name : dns_names) {
      if (!detail::is_certificate_dns_name(name)) return fail(Errc::malformed, "certification request: not a DNS name");
      names.dns.push_back(name);
    }
    const Bytes extensions = der::encode(Tag::sequence, detail::encode_alternative_names(names, false));
    attributes = der::encode_sequence({der::encode_oid(oid::extension_request), der::encode(Tag::set, extensions)});
  }
  const Bytes info = der::encode_sequence({der::encode_small_unsigned(0), subject.der(), key.public_key().spki(),
                                           der::encode(der::context_constructed(0), attributes)});
  TRY(const Bytes signature, key.sign(info));
  return detail::encode_signed(info, key.scheme(), signature);
}

}  // namespace sallyport::pki
