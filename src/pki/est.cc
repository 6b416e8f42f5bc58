#include "pki/est.h"

#include "codec/text.h"
#include "pki/oids.h"

namespace sallyport::pki {
namespace {

namespace der = codec::der;
using der::Tag;

constexpr std::uint64_t kMaxCmsVersion = 5;

// SignedData := SEQUENCE { version, digestAlgorithms SET, encapContentInfo, [0] certificates, [1] crls, signerInfos SET
// } (RFC 5652 §5.1)
Result<std::vector<Certificate>> read_signed_data(der::Reader data) {
  TRY(const std::uint64_t version, data.small_unsigned());
  if (version == 0 || version > kMaxCmsVersion)
    return failf(Errc::malformed, "version {}, want 1 to {}", version, kMaxCmsVersion);
  TRY_VOID(data.element(Tag::set));
  TRY(der::Reader content, data.sequence());
  TRY(const der::Oid type, content.oid());
  // RFC 5652 §5.1 wants it absent here; pyca writes it out, empty.
  TRY(const auto written_out, content.optional(der::context_constructed(0)));
  TRY_VOID(content.finish("encapsulated content"));
  if (written_out && !equal(written_out->content, der::encode_octet_string({})))
    return fail(Errc::malformed, "content, want none");
  if (type != oid::pkcs7_data) return failf(Errc::malformed, "encapsulated content {}, want none", type.dotted());
  TRY(der::Reader certificates, data.enter(der::context_constructed(0)));
  TRY_VOID(data.optional(der::context_constructed(1)));
  TRY(const der::Reader signers, data.enter(Tag::set));
  TRY_VOID(data.finish("signed data"));
  if (!signers.at_end()) return fail(Errc::malformed, "signers, want certificates only");
  std::vector<Certificate> out;
  while (!certificates.at_end()) {
    if (out.size() >= kMaxCertsOnlyCertificates)
      return failf(Errc::malformed, "over {} certificates", kMaxCertsOnlyCertificates);
    TRY(const der::Element element, certificates.element(Tag::sequence));
    TRY(Certificate certificate, parse_certificate(element.whole));
    out.push_back(std::move(certificate));
  }
  if (out.empty()) return fail(Errc::malformed, "no certificate");
  return out;
}

Result<std::vector<Certificate>> parse(ByteView bytes) {
  if (bytes.size() > kMaxEstBody) return failf(Errc::malformed, "{} bytes, want at most {}", bytes.size(), kMaxEstBody);
  TRY(der::Reader info, der::enter_only(bytes, Tag::sequence, "content info"));
  TRY(const der::Oid type, info.oid());
  if (type != oid::pkcs7_signed_data) return failf(Errc::malformed, "content {}, want signed data", type.dotted());
  TRY(const der::Reader wrapper, info.enter(der::context_constructed(0)));
  TRY_VOID(info.finish("content info"));
  TRY(const der::Reader data, der::enter_only(wrapper.rest(), Tag::sequence, "signed data"));
  return read_signed_data(data);
}

}  // namespace

Bytes encode_certs_only(std::span<const Certificate> certificates) {
  SALLYPORT_CHECK(!certificates.empty() && certificates.size() <= kMaxCertsOnlyCertificates);
  std::vector<Bytes> sorted;
  for (const Certificate& certificate : certificates) sorted.push_back(to_bytes(certificate.der()));
  Bytes set = der::encode_set_of(std::move(sorted));
  set[0] = static_cast<std::uint8_t>(der::context_constructed(0));
  const Bytes empty_set = der::encode(Tag::set, {});
  const Bytes content = der::encode(Tag::sequence, der::encode_oid(oid::pkcs7_data));
  const Bytes data = der::encode_sequence({der::encode_small_unsigned(1), empty_set, content, set, empty_set});
  return der::encode_sequence(
      {der::encode_oid(oid::pkcs7_signed_data), der::encode(der::context_constructed(0), data)});
}

Result<std::vector<Certificate>> parse_certs_only(ByteView bytes) {
  auto out = parse(bytes);
  if (!out) return std::unexpected(std::move(out).error().at("certs-only message"));
  return out;
}

std::string encode_est_body(ByteView bytes) {
  return codec::encode_base64(bytes);
}

Result<Bytes> decode_est_body(std::string_view body) {
  if (body.size() > kMaxEstBody)
    return failf(Errc::overloaded, "EST body: {} bytes, want at most {}", body.size(), kMaxEstBody);
  std::string text;
  text.reserve(body.size());
  for (const char c : body) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') text += c;
  }
  return codec::decode_base64(text);
}

// CsrAttrs := SEQUENCE OF CHOICE { OBJECT IDENTIFIER, Attribute }
Bytes encode_csr_attributes() {
  const Bytes curve = der::encode(Tag::set, der::encode_oid(oid::secp256r1));
  const Bytes key = der::encode_sequence({der::encode_oid(oid::ec_public_key), curve});
  return der::encode_sequence({key, der::encode_oid(oid::ecdsa_with_sha256)});
}

}  // namespace sallyport::pki
